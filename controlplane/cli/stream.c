/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about streams. */
#include <string.h>
#include <time.h>

#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/status.h"
#include "controlplane/cli/when.h"

static const struct opt list_opts[] = {
	{"all", NULL, "also the streams inside relay tasks"},
	{NULL, NULL, NULL},
};
enum { OPT_ALL };

/* {"streams": [...]} with what a list shows. */
static json_t *only_streams(const json_t *status, bool all)
{
	json_t *streams = json_array(), *s;
	size_t i;

	json_array_foreach (json_object_get(status, "streams"), i, s) {
		if (all || !client_flag(s, "internal"))
			json_array_append(streams, s);
	}
	return json_pack("{s:o}", "streams", streams);
}

static int run_list(struct cli *cli, const struct args *a)
{
	bool all = a->value[OPT_ALL];
	json_t *status, *list;
	int rc = client_get(cli, "/local/status", NULL, &status);

	if (rc)
		return rc;
	if (cli->json) {
		list = only_streams(status, all);
		client_print(list);
		json_decref(list);
	} else {
		status_print_streams(stdout, status, cli->color, all);
	}
	json_decref(status);
	return CLI_OK;
}

static void print_text(const char *name, const char *text)
{
	char safe[1024];

	if (*text)
		printf("%-12s %s\n", name, format_safe(safe, sizeof(safe), text));
}

static void print_stream(const json_t *s)
{
	char a[FORMAT_TEXT], b[FORMAT_TEXT], size[FORMAT_TEXT] = "";

	print_text("stream", client_text(s, "stream"));
	print_text("publisher", client_text(s, "publisher"));
	print_text("protocol", client_text(s, "protocol"));
	print_text("encoder", client_text(s, "encoder"));
	print_text("since", status_age(a, json_object_get(s, "since")));
	print_text("video", client_text(s, "video"));
	if (client_number(s, "width") > 0)
		snprintf(size, sizeof(size), "%.0fx%.0f", client_number(s, "width"),
			 client_number(s, "height"));
	print_text("picture", size);
	print_text("audio", client_text(s, "audio"));
	printf("%-12s %.0f ms\n", "key frames", client_number(s, "gop_ms"));
	printf("%-12s %.0f ms ago\n", "last media", client_number(s, "media_age_ms"));
	printf("%-12s %s, %s in all\n", "in", format_rate(a, client_number(s, "in_bps")),
	       format_bytes(b, client_number(s, "bytes_in")));
	printf("%-12s %s, %s in all\n", "out", format_rate(a, client_number(s, "out_bps")),
	       format_bytes(b, client_number(s, "bytes_out")));
	printf("%-12s %.0f by RTMP, %.0f by HTTP-FLV, %.0f by WebSocket, %.0f by HLS\n", "viewers",
	       client_number(s, "viewers_rtmp"), client_number(s, "viewers_flv"),
	       client_number(s, "viewers_ws"), client_number(s, "viewers_hls"));
	printf("%-12s %.0f\n", "pushes", client_number(s, "pushes"));
	printf("%-12s %.0f\n", "skips", client_number(s, "skips"));
}

static int run_show(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"stream", a->rest[0]}, {NULL, NULL}};
	json_t *answer;
	int rc = client_get(cli, "/local/streams", params, &answer);

	return rc ? rc : client_show(cli, answer, print_stream);
}

static int run_kick(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"stream", a->rest[0]}, {NULL, NULL}};
	json_t *answer;
	int rc = client_post(cli, "/local/stream/kick", params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		printf("%s: its publisher was disconnected\n", a->rest[0]);
	json_decref(answer);
	return CLI_OK;
}

static const struct opt forbid_opts[] = {
	{"until", "WHEN", "default 180 days from now: +2h, 2026-01-31T12:00:00Z (UTC)"},
	{NULL, NULL, NULL},
};
enum { FORBID_UNTIL };

/* Calls action on STREAM, ingest-domain/app/name. */
static int act(struct cli *cli, const char *stream, const char *action, const char *until,
	       const char *done)
{
	char domain[1024], *app, *name;
	struct client_param params[] = {{"DomainName", domain}, {"AppName", NULL},
					{"StreamName", NULL},	{"LiveStreamType", "publisher"},
					{"ResumeTime", until},	{NULL, NULL}};
	json_t *answer;
	int rc;

	snprintf(domain, sizeof(domain), "%s", stream);
	app = strchr(domain, '/');
	name = strrchr(domain, '/');
	if (!app || app == name)
		return cli_fail(CLI_USAGE, "%s: must be DOMAIN/APP/NAME", stream);
	*app = *name = 0;
	params[1].value = app + 1;
	params[2].value = name + 1;
	rc = client_rpc(cli, action, params, &answer);
	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		printf("%s: %s\n", stream, done);
	json_decref(answer);
	return CLI_OK;
}

static int run_forbid(struct cli *cli, const struct args *a)
{
	char until[WHEN_TEXT];
	const char *when = a->value[FORBID_UNTIL];

	if (when && !when_parse(when, (int64_t)time(NULL), until))
		return cli_fail(CLI_USAGE,
				"--until %s: must be +2h (s, m, h, d), or UTC such as "
				"2026-01-31T12:00:00Z",
				when);
	return act(cli, a->rest[0], "ForbidLiveStream", when ? until : NULL,
		   "nobody may publish it");
}

static int run_resume(struct cli *cli, const struct args *a)
{
	return act(cli, a->rest[0], "ResumeLiveStream", NULL, "it may be published again");
}

const struct command stream_commands[] = {
	{"stream list", "", "List the live streams", NULL, list_opts, 0, 0, run_list},
	{"stream show", "STREAM", "Show one stream",
	 "STREAM is domain/app/name, for example default/live/a.", NULL, 1, 1, run_show},
	{"stream kick", "STREAM", "Disconnect a stream's publisher",
	 "STREAM is domain/app/name. An encoder may connect again; a relay task does.", NULL, 1, 1,
	 run_kick},
	{"stream forbid", "STREAM", "Disconnect a stream's publisher and let nobody publish it",
	 "STREAM is ingest-domain/app/name.", forbid_opts, 1, 1, run_forbid},
	{"stream resume", "STREAM", "Let a forbidden stream be published again",
	 "STREAM is ingest-domain/app/name.", NULL, 1, 1, run_resume},
	{NULL},
};
