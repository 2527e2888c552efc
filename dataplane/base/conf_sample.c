/* SPDX-License-Identifier: Apache-2.0 */
/* The commented configuration file, written from the table of keys. */
#include "base/conf.h"

#include <string.h>

#include "base/check.h"
#include "base/conf_value.h"

#define WIDTH 98u

/* Help text as comment lines of at most WIDTH columns. */
static void write_comment(FILE *to, const char *indent, const char *text)
{
	size_t room = WIDTH - strlen(indent) - 2;

	while (*text) {
		size_t n = strlen(text);

		if (n > room)
			for (n = room; n > 1 && text[n] != ' ';)
				n--;
		fprintf(to, "%s# %.*s\n", indent, (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

static const char *when_text(enum conf_when when)
{
	switch (when) {
	case CONF_NOW:
		return "a reload applies it at once";
	case CONF_NEW:
		return "a reload applies it to new sessions";
	default:
		return "takes effect at the next start";
	}
}

/* Words stand bare; text and addresses in quotes, since they may hold anything. */
static void write_value(FILE *to, const struct conf_key *k, const char *value)
{
	if (k->type != CONF_STR && k->type != CONF_ADDR) {
		fputs(value, to);
		return;
	}
	fputc('"', to);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', to);
		fputc(*value, to);
	}
	fputc('"', to);
}

static void write_key(FILE *to, const struct config *c, const struct conf_key *k,
		      const char *indent)
{
	const char *dot = strchr(k->path, '.');
	const char *help = k->help;
	char value[1100], rule[256], line[320];

	if (k->type == CONF_ENUM) /* its words are in the rule */
		help = strchr(help, '}') + 2;
	conf_value_text(c, k, value, sizeof(value));
	conf_rule_text(k, rule, sizeof(rule));
	snprintf(line, sizeof(line), "%s; %s", rule, when_text(k->when));
	write_comment(to, indent, help);
	write_comment(to, indent, line);
	fprintf(to, "%s# %s: ", indent, dot ? dot + 1 : k->path);
	write_value(to, k, value);
	fputs("\n", to);
}

static size_t section_len(const struct conf_key *k)
{
	const char *dot = strchr(k->path, '.');

	return dot ? (size_t)(dot - k->path) : 0;
}

static bool same_section(const struct conf_key *a, const struct conf_key *b)
{
	size_t n = section_len(a);

	return n == section_len(b) && !memcmp(a->path, b->path, n);
}

static void write_section(FILE *to, const struct config *c, const struct conf_key *keys, size_t n,
			  const struct conf_key *first)
{
	size_t len = section_len(first);

	if (len)
		fprintf(to, "\n%.*s:\n", (int)len, first->path);
	else
		fputs("\n", to);
	for (const struct conf_key *k = first; k < keys + n; k++) {
		if (!same_section(first, k))
			continue;
		if (k != first)
			fputs("\n", to);
		write_key(to, c, k, len ? "  " : "");
	}
}

void conf_write_sample(FILE *to)
{
	size_t n;
	const struct conf_key *keys = conf_keys(&n);
	struct config c;

	conf_defaults(&c);
	fputs("# Millrace: every configuration key with its default.\n"
	      "#\n"
	      "# A line that is commented out has the value shown. Remove its leading \"# \" to set\n"
	      "# another one. Durations are 250ms, 10s, 2m, 1h; sizes are 512, 64k, 16m, 1g.\n"
	      "# This file is generated: `millrace config --sample`.\n",
	      to);
	for (size_t i = 0; i < n; i++) {
		bool seen = false;

		for (size_t j = 0; j < i && !seen; j++)
			seen = same_section(&keys[j], &keys[i]);
		if (!seen)
			write_section(to, &c, keys, n, &keys[i]);
	}
}
