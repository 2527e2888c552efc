/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about relay tasks: the RPC API in the words of a command line. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/status.h"
#include "controlplane/cli/when.h"

#define REGION "local" /* the API asks for one; a node has only itself */

static const struct opt create_opts[] = {
	{"source", "URL", "pull from here: rtmp://, http://, srt://... (needed; one of the three)"},
	{"files", "URLS",
	 "or play these .mp4 and .flv files, separated by blanks, one after the other"},
	{"assets", "IDS", "or these assets (millrace asset), separated by blanks"},
	{"destination", "URL",
	 "push to here: rtmp://host/app/stream, rtmps://... or srt://... (needed)"},
	{"more-destinations", "URLS", "and to these, separated by blanks, each by itself"},
	{"backup-sources", "URLS", "shown while the source is away, separated by blanks"},
	{"slate", "URL|ASSET", "a film that is shown while no source is there"},
	{"repeat", "N", "play the files N times more; -1: for ever"},
	{"id", "ID", "an id of your own: the same creation again makes nothing"},
	{"retry-policy", "NAME", "fixed (default) or exponential"},
	{"name", "NAME", "a name to find it by"},
	{"start", "WHEN", "now (default), +2h, 2026-01-31T12:00:00Z (UTC)"},
	{"end", "WHEN", "default +24h; the task is then deleted"},
	{"callback", "URL", "POST events to this address"},
	{"retry-count", "N", "tries after a failure before the task goes offline"},
	{"retry-interval", "TIME", "pause between two tries, for example 60s"},
	{"protocol", "NAME", "of the source; default: what its URL says"},
	{NULL, NULL, NULL},
};
enum {
	OPT_SOURCE,
	OPT_FILES,
	OPT_ASSETS,
	OPT_DESTINATION,
	OPT_MORE,
	OPT_BACKUPS,
	OPT_SLATE,
	OPT_REPEAT,
	OPT_ID,
	OPT_RETRY_POLICY,
	OPT_NAME,
	OPT_START,
	OPT_END,
	OPT_CALLBACK,
	OPT_RETRY_COUNT,
	OPT_RETRY_INTERVAL,
	OPT_PROTOCOL
};

static const struct opt update_opts[] = {
	{"source", "URL", "another source"},
	{"start", "WHEN", "another start, if it has not begun"},
	{"end", "WHEN", "another end"},
	{"callback", "URL", "another address for events; empty: none"},
	{NULL, NULL, NULL},
};
enum { UPD_SOURCE, UPD_START, UPD_END, UPD_CALLBACK };

/* ---- options to parameters ---- */

/* The value as the API takes it in dst; NULL where the option was not given. */
static int moment(const char *option, const char *value, char dst[WHEN_TEXT], const char **out)
{
	*out = NULL;
	if (!value)
		return CLI_OK;
	if (!when_parse(value, (int64_t)time(NULL), dst))
		return cli_fail(CLI_USAGE,
				"--%s %s: must be now, +2h (s, m, h, d), or UTC such as "
				"2026-01-31T12:00:00Z",
				option, value);
	*out = dst;
	return CLI_OK;
}

static const char *protocol_of(const char *url)
{
	static const struct {
		const char *scheme, *protocol;
	} known[] = {
		{"rtmp://", "rtmp"},	  {"rtmps://", "rtmp"}, {"http://", "http-flv"},
		{"https://", "http-flv"}, {"rtsp://", "rtsp"},	{"srt://", "srt"},
	};

	for (size_t i = 0; i < array_len(known); i++)
		if (!strncasecmp(url, known[i].scheme, strlen(known[i].scheme)))
			return known[i].protocol;
	return NULL;
}

/* ["url"]; the caller frees it. NULL when it is not text (bad UTF-8). */
static char *url_list(const char *url)
{
	json_t *list = json_array();
	char *text = NULL;

	if (!json_array_append_new(list, json_string(url)))
		text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

/* Of texts that are separated by blanks: a JSON list, the caller frees it. NULL: not text, or none. */
static char *blank_list(const char *texts)
{
	json_t *list = json_array();
	char *text = NULL;
	bool fine = true;

	for (size_t n; texts && *texts; texts += n) {
		texts += strspn(texts, " ");
		n = strcspn(texts, " ");
		fine = fine && (!n || !json_array_append_new(list, json_stringn(texts, n)));
	}
	if (fine && json_array_size(list))
		text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

/* Calls and prints the answer, or the line of text for people. */
static int call(struct cli *cli, const char *action, const struct client_param *params,
		const char *text)
{
	json_t *answer;
	int rc = client_rpc(cli, action, params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		puts(text ? text : client_text(answer, "TaskId"));
	json_decref(answer);
	return CLI_OK;
}

/* ---- commands ---- */

/* What is played, as the API takes it. */
struct source {
	const char *type, *protocol;
	char *urls, *more, *backups; /* JSON lists or NULL */
};

static int create(struct cli *cli, const struct args *a, const struct source *src)
{
	char start_room[WHEN_TEXT], end_room[WHEN_TEXT], seconds[24];
	const char *start, *end, *interval = a->value[OPT_RETRY_INTERVAL];
	int64_t span;

	if (moment("start", a->value[OPT_START] ? a->value[OPT_START] : "now", start_room,
		   &start) ||
	    moment("end", a->value[OPT_END] ? a->value[OPT_END] : "+24h", end_room, &end))
		return CLI_USAGE;
	if (interval) {
		if (!span_parse(interval, &span))
			return cli_fail(CLI_USAGE,
					"--retry-interval %s: must be a time such as 60s",
					interval);
		snprintf(seconds, sizeof(seconds), "%lld", (long long)span);
		interval = seconds;
	}
	return call(cli, "CreateLivePullToPush",
		    (struct client_param[]){{"Region", REGION},
					    {"TaskName", a->value[OPT_NAME]},
					    {"StartTime", start},
					    {"EndTime", end},
					    {"TaskId", a->value[OPT_ID]},
					    {"SourceType", src->type},
					    {"SourceProtocol", src->protocol},
					    {"SourceUrls", src->urls},
					    {"BackupSourceUrls", src->backups},
					    {"SlateUrl", a->value[OPT_SLATE]},
					    {"RepeatNumber", a->value[OPT_REPEAT]},
					    {"DstUrl", a->value[OPT_DESTINATION]},
					    {"DstUrls", src->more},
					    {"RetryPolicy", a->value[OPT_RETRY_POLICY]},
					    {"CallbackUrl", a->value[OPT_CALLBACK]},
					    {"RetryCount", a->value[OPT_RETRY_COUNT]},
					    {"RetryInterval", interval},
					    {NULL, NULL}},
		    NULL);
}

/* Which of the three kinds of source was given. */
static int find_source(const struct args *a, struct source *src)
{
	const char *live = a->value[OPT_SOURCE], *files = a->value[OPT_FILES];
	const char *assets = a->value[OPT_ASSETS];

	if (!a->value[OPT_DESTINATION] || !!live + !!files + !!assets != 1)
		return cli_fail(CLI_USAGE,
				"task create needs --destination URL and one of --source, "
				"--files, --assets");
	src->type = live ? "live" : files ? "url" : "vod";
	src->protocol = a->value[OPT_PROTOCOL];
	if (live && !src->protocol && !(src->protocol = protocol_of(live)))
		return cli_fail(CLI_USAGE, "--source %s: say with --protocol what it is", live);
	src->urls = live ? url_list(live) : blank_list(files ? files : assets);
	if (!src->urls)
		return cli_fail(CLI_USAGE, "the source is empty or not UTF-8 text");
	src->more = blank_list(a->value[OPT_MORE]);
	src->backups = blank_list(a->value[OPT_BACKUPS]);
	return CLI_OK;
}

static int run_create(struct cli *cli, const struct args *a)
{
	struct source src = {0};
	int rc = find_source(a, &src);

	if (!rc)
		rc = create(cli, a, &src);
	free(src.urls);
	free(src.more);
	free(src.backups);
	return rc;
}

static int run_update(struct cli *cli, const struct args *a)
{
	const char *start, *end, *source = a->value[UPD_SOURCE];
	char start_room[WHEN_TEXT], end_room[WHEN_TEXT];
	char *urls = NULL;
	int rc;

	if (!a->n_given)
		return cli_fail(CLI_USAGE, "task update: say what is to change");
	if (moment("start", a->value[UPD_START], start_room, &start) ||
	    moment("end", a->value[UPD_END], end_room, &end))
		return CLI_USAGE;
	if (source && !(urls = url_list(source)))
		return cli_fail(CLI_USAGE, "--source: not UTF-8 text");
	rc = call(cli, "UpdateLivePullToPush",
		  (struct client_param[]){{"Region", REGION},
					  {"TaskId", a->rest[0]},
					  {"SourceUrls", urls},
					  {"StartTime", start},
					  {"EndTime", end},
					  {"CallbackUrl", a->value[UPD_CALLBACK]},
					  {NULL, NULL}},
		  "updated");
	free(urls);
	return rc;
}

/* The status with the rows of all tasks, page after page; some may come or go meanwhile. */
static int all_tasks(struct cli *cli, json_t **status)
{
	int rc = client_get(cli, "/local/status", NULL, status);
	json_t *rows, *totals, *page;
	char skip[24];
	size_t had;

	if (rc)
		return rc;
	rows = json_object_get(*status, "tasks");
	totals = json_object_get(*status, "totals");
	do {
		had = json_array_size(rows);
		if ((double)had >= client_number(totals, "tasks"))
			return CLI_OK;
		snprintf(skip, sizeof(skip), "%zu", had);
		rc = client_get(cli, "/local/status",
				(struct client_param[]){{"skip", skip}, {NULL, NULL}}, &page);
		if (rc) {
			json_decref(*status);
			return rc;
		}
		json_array_extend(rows, json_object_get(page, "tasks"));
		json_decref(page);
	} while (json_array_size(rows) > had);
	return CLI_OK;
}

static int run_list(struct cli *cli, const struct args *a)
{
	json_t *status, *list;
	int rc = all_tasks(cli, &status);

	if (rc)
		return rc;
	if (cli->json) {
		list = json_pack("{s:O*}", "tasks", json_object_get(status, "tasks"));
		client_print(list);
		json_decref(list);
	} else {
		status_print_tasks(stdout, status, cli->color);
	}
	json_decref(status);
	return CLI_OK;
}

static const char *state_word(const json_t *task)
{
	switch ((int)client_number(task, "TaskStatus")) {
	case 0:
		return "Idle: its start time has not come";
	case 1:
		return "Running";
	case 2:
		return "Recovering: an error, trying again";
	case 3:
		return "Offline: stopped, or no tries left";
	default:
		return "Exit";
	}
}

/* Every member of an object as a line; members of objects inside it too. */
static void print_members(const json_t *o)
{
	const char *key;
	char safe[2200], *text;
	json_t *v;

	json_object_foreach ((json_t *)o, key, v) {
		if (json_is_object(v)) {
			print_members(v);
			continue;
		}
		text = json_is_string(v) ? strdup(json_string_value(v))
					 : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		if (text && *text)
			printf("%-18s %s\n", key, format_safe(safe, sizeof(safe), text));
		free(text);
	}
}

static int run_show(struct cli *cli, const struct args *a)
{
	json_t *answer;
	int rc = client_rpc(
		cli, "DescribeLivePullToPush",
		(struct client_param[]){{"Region", REGION}, {"TaskId", a->rest[0]}, {NULL, NULL}},
		&answer);

	if (rc)
		return rc;
	if (cli->json) {
		client_print(answer);
	} else {
		printf("%-18s %s\n", "State", state_word(answer));
		/* Said above, said again in TaskInfo, or about the call and not the task. */
		json_object_del(answer, "State");
		json_object_del(answer, "TaskId");
		json_object_del(answer, "RequestId");
		json_object_del(answer, "RetCode");
		json_object_del(answer, "Description");
		print_members(answer);
	}
	json_decref(answer);
	return CLI_OK;
}

/* One call per task named; goes on after one that was refused and returns the first trouble. */
static int for_each(struct cli *cli, const struct args *a, const char *action, const char *done)
{
	char line[256];
	int rc, first = CLI_OK;

	for (unsigned i = 0; i < a->n_rest; i++) {
		snprintf(line, sizeof(line), "%.200s: %s", a->rest[i], done);
		rc = call(cli, action,
			  (struct client_param[]){
				  {"Region", REGION}, {"TaskId", a->rest[i]}, {NULL, NULL}},
			  line);
		if (rc && !first)
			first = rc;
		if (rc == CLI_UNREACHABLE)
			break;
	}
	return first;
}

static int run_stop(struct cli *cli, const struct args *a)
{
	return for_each(cli, a, "StopLivePullToPush", "stopped");
}

static int run_restart(struct cli *cli, const struct args *a)
{
	return for_each(cli, a, "RestartLivePullToPush", "started again");
}

static int run_delete(struct cli *cli, const struct args *a)
{
	return for_each(cli, a, "DeleteLivePullToPush", "deleted");
}

const struct command task_commands[] = {
	{"task create", "", "Create a relay task; prints its id",
	 "Pulls a live stream, or plays a list of files as one, and pushes it on from its start time\n"
	 "to its end time, and tries again after failures.",
	 create_opts, 0, 0, run_create},
	{"task list", "", "List the relay tasks", NULL, NULL, 0, 0, run_list},
	{"task show", "TASK", "Show one relay task", NULL, NULL, 1, 1, run_show},
	{"task update", "TASK", "Change a relay task",
	 "A running task takes another callback address only; a stopped one another source and\n"
	 "other times too.",
	 update_opts, 1, 1, run_update},
	{"task stop", "TASK...", "Stop relay tasks; they stay and can be restarted", NULL, NULL, 1,
	 ARGS_REST, run_stop},
	{"task restart", "TASK...", "Start stopped relay tasks, or running ones anew", NULL, NULL,
	 1, ARGS_REST, run_restart},
	{"task delete", "TASK...", "Stop and delete relay tasks", NULL, NULL, 1, ARGS_REST,
	 run_delete},
	{NULL},
};
