/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/task_args.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"
#include "controlplane/cli/when.h"

/* How the text of an option becomes that of a parameter. */
enum form {
	AS_IS,
	SPAN,	/* 60s: seconds */
	MOMENT, /* +2h: UTC */
	ONE,	/* a JSON list with this text */
	BLANKS, /* texts with blanks between them: a JSON list */
};

/* option, what its value is called, parameter, form, help of create, help of update */
#define TASK_OPTS(X)                                                                              \
	X("source", "URL", "SourceUrls", ONE,                                                     \
	  "pull from here: rtmp://, http://, srt://... (needed; one of the three)",               \
	  "another source")                                                                       \
	X("files", "URLS", "SourceUrls", BLANKS,                                                  \
	  "or play these .mp4 and .flv files, separated by blanks, one after the other",          \
	  "or other files, separated by blanks")                                                  \
	X("assets", "IDS", "SourceUrls", BLANKS,                                                  \
	  "or these assets (millrace asset), separated by blanks",                                \
	  "or other assets, separated by blanks")                                                 \
	X("protocol", "NAME", "SourceProtocol", AS_IS,                                            \
	  "of the source; default: what its URL says", "of the source")                           \
	X("destination", "URL", "DstUrl", AS_IS,                                                  \
	  "push to here: rtmp://host/app/stream, rtmps://... or srt://... (needed)",              \
	  "another destination, if it has not begun")                                             \
	X("more-destinations", "URLS", "DstUrls", BLANKS,                                         \
	  "and to these, separated by blanks, each by itself", "others; empty: none")             \
	X("backup-sources", "URLS", "BackupSourceUrls", BLANKS,                                   \
	  "shown while the source is away, separated by blanks", "others; empty: none")           \
	X("backup-after", "TIME", "BackupAfter", SPAN,                                            \
	  "without media, until another source is shown; default 3s",                             \
	  "without media, until another source is shown")                                         \
	X("backup-return", "TIME", "BackupReturn", SPAN,                                          \
	  "that a source must have flowed to be shown again; default 30s; -1: stay",              \
	  "that a source must have flowed to be shown again; -1: stay")                           \
	X("slate", "URL|ASSET", "SlateUrl", AS_IS,                                                \
	  "a film that is shown while no source is there",                                        \
	  "another film while no source is there; empty: none")                                   \
	X("repeat", "N", "RepeatNumber", AS_IS, "play the files N times more; -1: for ever",      \
	  "play the files N times more; -1: for ever; counts at once")                            \
	X("file-index", "N", "FileIndex", AS_IS, "begin with this file, from 0",                  \
	  "begin with this file, from 0")                                                         \
	X("offset", "TIME", "Offset", SPAN, "and this far into it", "and this far into it")       \
	X("start", "WHEN", "StartTime", MOMENT, "now (default), +2h, 2026-01-31T12:00:00Z (UTC)", \
	  "another start, if it has not begun")                                                   \
	X("end", "WHEN", "EndTime", MOMENT, "default +24h; the task is then deleted",             \
	  "another end")                                                                          \
	X("callback", "URL", "CallbackUrl", AS_IS, "POST events to this address",                 \
	  "another address for events; empty: none")                                              \
	X("region", "NAME", "Region", AS_IS, "of the nodes that may have it; default local",      \
	  "another region, if it has not begun")                                                  \
	X("retry-count", "N", "RetryCount", AS_IS,                                                \
	  "tries after a failure before the task goes offline; -1: any number",                   \
	  "tries after a failure before the task goes offline; -1: any number")                   \
	X("retry-interval", "TIME", "RetryInterval", SPAN,                                        \
	  "pause between two tries, for example 60s",                                             \
	  "pause between two tries; below the usual limit with --retry-policy only")              \
	X("retry-policy", "NAME", "RetryPolicy", AS_IS, "fixed (default) or exponential",         \
	  "fixed or exponential")                                                                 \
	X("retry-max-interval", "TIME", "RetryMaxInterval", SPAN,                                 \
	  "the longest pause, for exponential; default 5m", "the longest pause, for exponential")

#define CREATE_ONLY(X)                                                                             \
	X("name", "NAME", "TaskName", AS_IS, "a name to find it by", "")                           \
	X("id", "ID", "TaskId", AS_IS, "an id of your own: the same creation again makes nothing", \
	  "")

#define UPDATE_ONLY(X)                                      \
	X("list-at", "now|loop", "SourceUrlsAt", AS_IS, "", \
	  "when a running task takes other files or assets: at once or after the round")

#define CREATE_OPT(name, value, param, form, create, update) {name, value, create},
#define UPDATE_OPT(name, value, param, form, create, update) {name, value, update},
#define OPT_PARAM(name, value, param, form, create, update)  {param, form},

const struct opt task_create_opts[] = {TASK_OPTS(CREATE_OPT)
					       CREATE_ONLY(CREATE_OPT){NULL, NULL, NULL}};
const struct opt task_update_opts[] = {TASK_OPTS(UPDATE_OPT)
					       UPDATE_ONLY(UPDATE_OPT){NULL, NULL, NULL}};

struct opt_param {
	const char *name;
	enum form form;
};
static const struct opt_param create_params[] = {TASK_OPTS(OPT_PARAM) CREATE_ONLY(OPT_PARAM)};
static const struct opt_param update_params[] = {TASK_OPTS(OPT_PARAM) UPDATE_ONLY(OPT_PARAM)};

static_assert(array_len(create_params) + 4 <= TASK_PARAMS, "those that have no option too");

/* The first of both tables: exactly one is given to create, at most one to update. */
enum { OPT_SOURCE, OPT_FILES, OPT_ASSETS, SOURCES };

/* ---- one option --------------------------------------------------------------------------------- */

static int span_of(const char *option, const char *value, char **out)
{
	int64_t seconds = -1;

	if (strcmp(value, "-1") && !span_parse(value, &seconds))
		return cli_fail(CLI_USAGE, "--%s %s: must be a time such as 60s", option, value);
	must(asprintf(out, "%lld", (long long)seconds) > 0);
	return CLI_OK;
}

static int moment_of(const char *option, const char *value, char **out)
{
	char text[WHEN_TEXT];

	if (!when_parse(value, (int64_t)time(NULL), text))
		return cli_fail(CLI_USAGE,
				"--%s %s: must be now, +2h (s, m, h, d), or UTC such as "
				"2026-01-31T12:00:00Z",
				option, value);
	*out = strdup(text);
	must(*out);
	return CLI_OK;
}

static int list_of(const char *option, const char *value, bool one, char **out)
{
	json_t *list = json_array();
	bool fine = true;

	if (one)
		fine = !json_array_append_new(list, json_string(value));
	for (size_t n; !one && *value; value += n) {
		value += strspn(value, " ");
		n = strcspn(value, " ");
		fine = fine && (!n || !json_array_append_new(list, json_stringn(value, n)));
	}
	*out = fine ? json_dumps(list, JSON_COMPACT) : NULL;
	json_decref(list);
	return fine ? CLI_OK : cli_fail(CLI_USAGE, "--%s: not UTF-8 text", option);
}

static int add(struct task_params *p, const char *option, const struct opt_param *to,
	       const char *value)
{
	char *text = NULL;
	int rc = CLI_OK;

	switch (to->form) {
	case AS_IS:
		break;
	case SPAN:
		rc = span_of(option, value, &text);
		break;
	case MOMENT:
		rc = moment_of(option, value, &text);
		break;
	case ONE:
	case BLANKS:
		rc = list_of(option, value, to->form == ONE, &text);
		break;
	}
	if (text)
		p->owned[p->n_owned++] = text;
	if (!rc)
		task_param_add(p, to->name, text ? text : value);
	return rc;
}

/* ---- a command -------------------------------------------------------------------------------- */

/* CLI_OK, or what was wrong with the first that was. */
static int add_all(const struct args *a, const struct opt *opts, const struct opt_param *to,
		   struct task_params *p)
{
	static const char *const types[SOURCES] = {"live", "url", "vod"};
	int rc = CLI_OK;

	*p = (struct task_params){0};
	for (unsigned i = 0; !rc && opts[i].name; i++)
		if (a->value[i])
			rc = add(p, opts[i].name, &to[i], a->value[i]);
	for (unsigned i = 0; i < SOURCES; i++)
		if (a->value[i])
			task_param_add(p, "SourceType", types[i]);
	return rc;
}

static unsigned sources_given(const struct args *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SOURCES; i++)
		n += !!a->value[i];
	return n;
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

int task_create_params(const struct args *a, struct task_params *p)
{
	static const struct opt_param start = {"StartTime", MOMENT}, end = {"EndTime", MOMENT};
	const char *live = a->value[OPT_SOURCE];
	int rc = add_all(a, task_create_opts, create_params, p);

	if (rc)
		return rc;
	if (sources_given(a) != 1 || !task_param(p, "DstUrl"))
		return cli_fail(CLI_USAGE,
				"task create needs --destination URL and one of --source, "
				"--files, --assets");
	if (live && !task_param(p, "SourceProtocol")) {
		if (!protocol_of(live))
			return cli_fail(CLI_USAGE, "--source %s: say with --protocol what it is",
					live);
		task_param_add(p, "SourceProtocol", protocol_of(live));
	}
	if (!task_param(p, "StartTime"))
		add(p, "start", &start, "now");
	if (!task_param(p, "EndTime"))
		add(p, "end", &end, "+24h");
	if (!task_param(p, "Region"))
		task_param_add(p, "Region", "local");
	return CLI_OK;
}

int task_update_params(const struct args *a, struct task_params *p)
{
	int rc = add_all(a, task_update_opts, update_params, p);

	if (!rc && !p->n)
		rc = cli_fail(CLI_USAGE, "task update: say what is to change");
	if (!rc && sources_given(a) > 1)
		rc = cli_fail(CLI_USAGE, "task update: one of --source, --files, --assets");
	return rc;
}

void task_param_add(struct task_params *p, const char *name, const char *value)
{
	must(p->n + 1 < TASK_PARAMS);
	p->list[p->n++] = (struct client_param){name, value};
}

const char *task_param(const struct task_params *p, const char *name)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->list[i].name, name))
			return p->list[i].value;
	return NULL;
}

void task_params_fini(struct task_params *p)
{
	while (p->n_owned)
		free(p->owned[--p->n_owned]);
}
