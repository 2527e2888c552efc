/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about streams that domains pull: in a window of time, or while somebody plays them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/when.h"

static const struct opt window_opts[] = {
	{"from", "WHEN", "now (the default), +2h (s, m, h, d) or UTC such as 2026-01-31T12:00:00Z"},
	{"until", "WHEN", "the same; 7 days after --from at most; default +1d"},
	{NULL, NULL, NULL},
};
enum { WINDOW_FROM, WINDOW_UNTIL };

static const struct opt trigger_opts[] = {
	{"protocol", "NAME", "rtmp (the default), httpflv, hls, httpts, srt or rtsp"},
	{"app", "APP", "the application at the origin; default the player's"},
	{"auth", "HOW", "none, pass (the first viewer's token) or sign (by the domain's key)"},
	{"idle", "SECONDS", "without viewers after which the pull ends; default 60"},
	{NULL, NULL, NULL},
};
enum { TRIGGER_PROTOCOL, TRIGGER_APP, TRIGGER_AUTH, TRIGGER_IDLE };

/* ---- regular ------------------------------------------------------------------------------------- */

static int moment(const char *option, const char *text, char dst[WHEN_TEXT])
{
	if (when_parse(text, (int64_t)time(NULL), dst))
		return CLI_OK;
	return cli_fail(CLI_USAGE,
			"--%s %s: must be now, +2h (s, m, h, d), or UTC such as "
			"2026-01-31T12:00:00Z",
			option, text);
}

/* The words with ';' between them; the caller frees it. */
static char *joined(const char *const *words, unsigned n)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	must(to);
	for (unsigned i = 0; i < n; i++)
		fprintf(to, "%s%s", i ? ";" : "", words[i]);
	must(!fclose(to) && text);
	return text;
}

static int put(struct cli *cli, const struct args *a, const char *action, const char *done)
{
	char stream[1024], from[WHEN_TEXT], until[WHEN_TEXT], *urls;
	const char *app, *name;
	int rc = client_stream(a->rest[0], stream, sizeof(stream), &app, &name);

	rc = rc ? rc : moment("from", a->value[WINDOW_FROM] ?: "now", from);
	rc = rc ? rc : moment("until", a->value[WINDOW_UNTIL] ?: "+1d", until);
	if (rc)
		return rc;
	urls = joined(a->rest + 1, a->n_rest - 1);
	rc = client_act(cli, action,
			(struct client_param[]){{"DomainName", stream},
						{"AppName", app},
						{"StreamName", name},
						{"SourceUrl", urls},
						{"StartTime", from},
						{"EndTime", until},
						{NULL, NULL}},
			done);
	free(urls);
	return rc;
}

static int run_add(struct cli *cli, const struct args *a)
{
	return put(cli, a, "AddLivePullStreamInfoConfig", "added");
}

static int run_edit(struct cli *cli, const struct args *a)
{
	return put(cli, a, "UpdateLivePullStreamInfoConfig", "changed; it is pulled again");
}

static int run_remove(struct cli *cli, const struct args *a)
{
	char stream[1024];
	const char *app, *name;
	int rc = client_stream(a->rest[0], stream, sizeof(stream), &app, &name);

	if (rc)
		return rc;
	return client_act(cli, "DeleteLivePullStreamInfoConfig",
			  (struct client_param[]){{"DomainName", stream},
						  {"AppName", app},
						  {"StreamName", name},
						  {NULL, NULL}},
			  "removed");
}

/* ---- triggered ------------------------------------------------------------------------------------ */

/* "domain/app", or a domain alone for all of its applications. */
static const char *split_app(const char *text, char *domain, size_t n)
{
	char *slash;

	snprintf(domain, n, "%s", text);
	slash = strchr(domain, '/');
	if (!slash)
		return "ali_all_app";
	*slash = 0;
	return slash + 1;
}

static int run_trigger(struct cli *cli, const struct args *a)
{
	char domain[1024], *hosts = joined(a->rest + 1, a->n_rest - 1);
	const char *app = split_app(a->rest[0], domain, sizeof(domain));
	int rc = client_act(
		cli, "SetLiveLazyPullStreamInfoConfig",
		(struct client_param[]){{"DomainName", domain},
					{"AppName", app},
					{"PullDomainName", hosts},
					{"PullProtocol", a->value[TRIGGER_PROTOCOL] ?: "rtmp"},
					{"PullAppName", a->value[TRIGGER_APP]},
					{"OriginAuth", a->value[TRIGGER_AUTH]},
					{"IdleTime", a->value[TRIGGER_IDLE]},
					{NULL, NULL}},
		"set");

	free(hosts);
	return rc;
}

static int run_untrigger(struct cli *cli, const struct args *a)
{
	char domain[1024];
	const char *app = split_app(a->rest[0], domain, sizeof(domain));

	return client_act(
		cli, "DeleteLiveLazyPullStreamInfoConfig",
		(struct client_param[]){{"DomainName", domain}, {"AppName", app}, {NULL, NULL}},
		"deleted; what is pulled goes on until nobody watches it");
}

/* ---- list ------------------------------------------------------------------------------------------ */

static void add_row(struct table *t, const json_t *row, const char *name, const char *when,
		    const char *from, const char *using)
{
	char stream[1024];

	snprintf(stream, sizeof(stream), "%s/%s/%s", client_text(row, "DomainName"),
		 client_text(row, "AppName"), name);
	table_add(t, stream);
	table_add(t, when);
	table_add(t, from);
	table_add(t, using);
}

static void print_list(const json_t *regular, const json_t *triggered)
{
	static const char *const heads[] = {"STREAM", "WHEN", "FROM", "USING"};
	char when[64], from[4200];
	struct table t;
	json_t *row;
	size_t i;

	table_init(&t, heads, array_len(heads));
	json_array_foreach ((json_t *)regular, i, row) {
		snprintf(when, sizeof(when), "%.20s to %.20s", client_text(row, "StartTime"),
			 client_text(row, "EndTime"));
		add_row(&t, row, client_text(row, "StreamName"), when,
			client_text(row, "SourceUrl"), client_text(row, "SourceUsing"));
	}
	json_array_foreach ((json_t *)triggered, i, row) {
		snprintf(from, sizeof(from), "%s %s %s", client_text(row, "PullProtocol"),
			 client_text(row, "PullDomainName"), client_text(row, "PullAppName"));
		add_row(&t, row, "*", "while played", from, "");
	}
	table_print(&t, stdout);
	table_fini(&t);
}

static int run_list(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"DomainName", a->rest[0]}, {NULL, NULL}};
	json_t *regular, *triggered, *rows, *lazy;
	int rc = client_rpc(cli, "DescribeLivePullStreamConfig", params, &regular);

	if (rc)
		return rc;
	rc = client_rpc(cli, "DescribeLiveLazyPullStreamConfig", params, &triggered);
	if (rc) {
		json_decref(regular);
		return rc;
	}
	rows = json_object_get(regular, "LiveAppRecordList");
	lazy = json_object_get(triggered, "LiveLazyPullConfigList");
	if (cli->json) {
		json_object_set(regular, "LiveLazyPullConfigList", lazy);
		client_print(regular);
	} else {
		print_list(json_object_get(rows, "LiveAppRecord"),
			   json_object_get(lazy, "LiveLazyPullConfig"));
	}
	json_decref(regular);
	json_decref(triggered);
	return CLI_OK;
}

const struct command pull_commands[] = {
	{"pull add", "STREAM URL...", "Pull a stream in a window of time",
	 "STREAM is play-domain/app/name. The URLs are tried in turn: rtmp, rtmps, srt, rtsp, or http(s)\n"
	 "with a path that ends with .flv, .m3u8 or .ts.",
	 window_opts, 2, 17, run_add},
	{"pull edit", "STREAM URL...", "Change that; the stream is pulled again at once",
	 "Sources and window are replaced as a whole.", window_opts, 2, 17, run_edit},
	{"pull list", "DOMAIN", "List what a play domain pulls", NULL, NULL, 1, 1, run_list},
	{"pull remove", "STREAM", "Pull a stream no more", NULL, NULL, 1, 1, run_remove},
	{"pull trigger", "DOMAIN[/APP] HOST...", "Pull streams while somebody plays them",
	 "Each HOST is an origin host[:port]; cluster alone: whichever node of this Redis has the\n"
	 "stream. Without APP it counts for all applications that have no setting of their own.",
	 trigger_opts, 2, 17, run_trigger},
	{"pull untrigger", "DOMAIN[/APP]", "Take that back", NULL, NULL, 1, 1, run_untrigger},
	{NULL},
};
