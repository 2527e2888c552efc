/* SPDX-License-Identifier: Apache-2.0 */
/* The `millrace` program: finds the command in the tables, reads its options, runs it. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/check.h"
#include "base/conf.h"
#include "controlplane/cli/cli.h"

static const struct command *const tables[] = {
	up_commands,	 status_commands,   task_commands,   stream_commands, viewer_commands,
	node_commands,	 callback_commands, asset_commands,  domain_commands, audit_commands,
	guard_commands,	 nodes_commands,    config_commands, doctor_commands, hls_commands,
	bucket_commands, upgrade_commands,  user_commands,   pull_commands};

static const struct opt global_opts[] = {
	{"state", "DIR", "state folder of the Millrace to talk to (or to start)"},
	{"json", NULL, "answers as JSON, for programs"},
	{"help", NULL, "this text"},
	{NULL, NULL, NULL},
};
enum { OPT_STATE, OPT_JSON, OPT_HELP, GLOBAL_OPTS };

/* ---- help ---- */

/* The commands whose first word is noun; noun NULL: all. */
static unsigned list_commands(FILE *to, const char *noun)
{
	size_t n = noun ? strlen(noun) : 0;
	unsigned found = 0;
	char left[80];

	for (size_t t = 0; t < array_len(tables); t++) {
		for (const struct command *c = tables[t]; c->name; c++) {
			if (noun && (strncmp(c->name, noun, n) || c->name[n] != ' '))
				continue;
			snprintf(left, sizeof(left), "%s%s%s", c->name, *c->rest ? " " : "",
				 c->rest);
			fprintf(to, "  %-28s %s\n", left, c->help);
			found++;
		}
	}
	return found;
}

static void help_all(FILE *to)
{
	fputs("Usage: millrace COMMAND [options]\n\nCommands\n", to);
	list_commands(to, NULL);
	fputs("\nOptions of every command\n", to);
	args_help(global_opts, to);
	fputs("\nExit status: 0 done, 1 the server refused, 2 wrong usage or configuration,\n"
	      "3 Millrace cannot be reached, 4 a failure, 5 `up` could not start, or would not (`doctor`).\n"
	      "`millrace COMMAND --help` tells more; so does millrace(1).\n",
	      to);
}

static void help_noun(FILE *to, const char *noun)
{
	fprintf(to, "Usage: millrace %s VERB [options]\n\n", noun);
	list_commands(to, noun);
	fprintf(to, "\n`millrace %s VERB --help` tells more.\n", noun);
}

static void help_command(FILE *to, const struct command *c)
{
	fprintf(to, "Usage: millrace %s%s%s%s\n\n%s.\n", c->name, c->opts ? " [options]" : "",
		*c->rest ? " " : "", c->rest, c->help);
	if (c->more)
		fprintf(to, "\n%s\n", c->more);
	fputs("\nOptions\n", to);
	if (c->opts)
		args_help(c->opts, to);
	args_help(global_opts, to);
}

/* ---- finding the command ---- */

static const struct command *find_command(const char *first, const char *second)
{
	char name[64];

	for (int words = second ? 2 : 1; words > 0; words--) {
		snprintf(name, sizeof(name), "%.30s%s%.30s", first, words > 1 ? " " : "",
			 words > 1 ? second : "");
		for (size_t t = 0; t < array_len(tables); t++)
			for (const struct command *c = tables[t]; c->name; c++)
				if (!strcmp(c->name, name))
					return c;
	}
	return NULL;
}

/* Whether commands of two words begin with this one. */
static bool is_noun(const char *word)
{
	size_t n = strlen(word);

	for (size_t t = 0; t < array_len(tables); t++)
		for (const struct command *c = tables[t]; c->name; c++)
			if (!strncmp(c->name, word, n) && c->name[n] == ' ')
				return true;
	return false;
}

/* The nearest of all first words, or of the noun's second words. */
static int unknown_command(const char *noun, const char *word)
{
	static char words[128][32];
	const char *candidates[array_len(words)], *near;
	size_t n = 0, skip = noun ? strlen(noun) + 1 : 0;

	for (size_t t = 0; t < array_len(tables); t++) {
		for (const struct command *c = tables[t]; c->name && n < array_len(words); c++) {
			if (noun && (strncmp(c->name, noun, skip - 1) || c->name[skip - 1] != ' '))
				continue;
			snprintf(words[n], sizeof(words[n]), "%.*s",
				 (int)strcspn(c->name + skip, " "), c->name + skip);
			candidates[n] = words[n];
			n++;
		}
	}
	near = args_nearest(word, candidates, n);
	if (near)
		return cli_fail(CLI_USAGE, "unknown command \"%s%s%s\"; did you mean \"%s%s%s\"?",
				noun ? noun : "", noun ? " " : "", word, noun ? noun : "",
				noun ? " " : "", near);
	return cli_fail(CLI_USAGE, "unknown command \"%s%s%s\"; `millrace%s%s --help` lists all",
			noun ? noun : "", noun ? " " : "", word, noun ? " " : "", noun ? noun : "");
}

/* ---- running it ---- */

static unsigned count_opts(const struct opt *opts)
{
	unsigned n = 0;

	while (opts && opts[n].name)
		n++;
	return n;
}

static int set_state(struct cli *cli, const char *dir)
{
	struct config c;
	struct conf_error e = {""};

	conf_defaults(&c);
	cli->state_arg = dir;
	if (dir && (!*dir || conf_set(&c, "state_dir", dir, &e)))
		return cli_fail(CLI_USAGE, "--state %s: not a folder's name", dir);
	if (conf_state_dir(&c, cli->state, sizeof(cli->state)))
		return cli_fail(CLI_USAGE, "the state folder's name is too long");
	return CLI_OK;
}

static int run_command(const struct command *c, int argc, char **argv)
{
	struct opt opts[ARGS_OPTS + 1] = {0};
	unsigned own = count_opts(c->opts);
	struct cli cli = {.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR")};
	struct args a;
	char err[256];

	must(own + GLOBAL_OPTS <= ARGS_OPTS);
	if (own)
		memcpy(opts, c->opts, own * sizeof(*opts));
	memcpy(opts + own, global_opts, GLOBAL_OPTS * sizeof(*opts));
	if (args_parse(&a, opts, argc, argv, err, sizeof(err)))
		return cli_fail(CLI_USAGE, "%s; see `millrace %s --help`", err, c->name);
	if (a.value[own + OPT_HELP]) {
		help_command(stdout, c);
		return CLI_OK;
	}
	if (a.n_rest < c->min_rest)
		return cli_fail(CLI_USAGE, "%s is missing; see `millrace %s --help`", c->rest,
				c->name);
	if (a.n_rest > c->max_rest)
		return cli_fail(CLI_USAGE,
				"\"%s\" is one argument too many; see `millrace %s "
				"--help`",
				a.rest[c->max_rest], c->name);
	cli.json = a.value[own + OPT_JSON];
	if (set_state(&cli, a.value[own + OPT_STATE]))
		return CLI_USAGE;
	return c->run(&cli, &a);
}

static bool is_global(const char *option)
{
	for (unsigned i = 0; i < GLOBAL_OPTS; i++)
		if (!strncmp(option, "--", 2) && !strcmp(option + 2, global_opts[i].name))
			return true;
	return false;
}

/*
 * The command's words stand first among those that are no option; options of every command may
 * stand before and between them too, others behind (`config --config FILE` has one word). The words
 * leave argv (at most two), the rest is for the command.
 */
static int take_words(int argc, char **argv, const char *word[2])
{
	int n = 0, out = 0;
	bool over = false;

	for (int i = 0; i < argc; i++) {
		bool noun_done = n == 1 && !is_noun(word[0]);

		if (n < 2 && !noun_done && !over && argv[i][0] != '-') {
			word[n++] = argv[i];
			continue;
		}
		over = over || (n == 1 && argv[i][0] == '-' && !is_global(argv[i]));
		argv[out++] = argv[i];
		if (!strcmp(argv[i], "--state") && i + 1 < argc)
			argv[out++] = argv[++i];
	}
	return out;
}

int main(int argc, char **argv)
{
	const char *word[2] = {NULL, NULL};
	const struct command *c;
	int rest = take_words(argc - 1, argv + 1, word), rc;
	bool help = rest && !strcmp(argv[1], "--help");

	setlocale(LC_CTYPE, "");
	if (rest && !strcmp(argv[1], "--version") && !word[0])
		word[0] = "version", rest = 0;
	if (!word[0]) {
		help_all(help ? stdout : stderr);
		return help ? CLI_OK : CLI_USAGE;
	}
	c = find_command(word[0], word[1]);
	if (!c && is_noun(word[0]) && !word[1]) {
		help_noun(help ? stdout : stderr, word[0]);
		return help ? CLI_OK : CLI_USAGE;
	}
	if (!c)
		return unknown_command(is_noun(word[0]) ? word[0] : NULL,
				       is_noun(word[0]) ? word[1] : word[0]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = run_command(c, rest, argv + 1);
	curl_global_cleanup();
	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) || ferror(stdout))
		return cli_fail(CLI_FAILED, "cannot write the output");
	return rc;
}
