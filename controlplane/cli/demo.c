/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/when.h"

#define TASK_NAME "millrace-demo"
#define REGION	  "local"

void demo_init(struct demo *d, struct child *ffmpeg, const char *reach)
{
	/* Two seconds between key frames: a viewer joins at the newest one. */
	static const char *const words[] = {
		"ffmpeg",
		"-nostdin",
		"-hide_banner",
		"-loglevel",
		"warning",
		"-re",
		"-f",
		"lavfi",
		"-i",
		"testsrc2=size=1280x720:rate=25",
		"-re",
		"-f",
		"lavfi",
		"-i",
		"sine=frequency=440:sample_rate=44100",
		"-c:v",
		"libx264",
		"-preset",
		"ultrafast",
		"-tune",
		"zerolatency",
		"-pix_fmt",
		"yuv420p",
		"-g",
		"50",
		"-b:v",
		"1500k",
		"-maxrate",
		"1500k",
		"-bufsize",
		"1500k",
		"-c:a",
		"aac",
		"-b:a",
		"96k",
		"-f",
		"flv",
	};

	memset(d, 0, sizeof(*d));
	snprintf(d->source, sizeof(d->source), "rtmp://%s/live/demo", reach);
	snprintf(d->destination, sizeof(d->destination), "rtmp://%s/live/relay", reach);
	for (size_t i = 0; i < array_len(words); i++)
		child_arg(ffmpeg, words[i]);
	child_arg(ffmpeg, d->source);
}

static bool source_is_live(const json_t *status)
{
	json_t *s;
	size_t i;

	json_array_foreach (json_object_get(status, "streams"), i, s) {
		if (!strcmp(client_text(s, "stream"), "default/live/demo"))
			return true;
	}
	return false;
}

static bool is_good(const struct demo *d, const json_t *task)
{
	return strcmp(client_text(task, "State"), "Offline") &&
	       strcmp(client_text(task, "State"), "Exit") &&
	       !strcmp(client_text(task, "SourceUrl"), d->source) &&
	       !strcmp(client_text(task, "DstUrl"), d->destination);
}

static int rpc(struct demo *d, const struct cli *cli, const char *action,
	       const struct client_param *params)
{
	json_t *answer;
	int rc = client_try_rpc(cli, action, params, &answer, d->trouble, sizeof(d->trouble));

	if (rc)
		return rc;
	d->trouble[0] = '\0';
	json_decref(answer);
	return CLI_OK;
}

static void create(struct demo *d, const struct cli *cli)
{
	char start[WHEN_TEXT], end[WHEN_TEXT], urls[400];
	int64_t now = (int64_t)time(NULL);

	when_text(now, start);
	when_text(now + 6 * 86400, end);
	snprintf(urls, sizeof(urls), "[\"%s\"]", d->source);
	rpc(d, cli, "CreateLivePullToPush",
	    (struct client_param[]){{"Region", REGION},
				    {"TaskName", TASK_NAME},
				    {"StartTime", start},
				    {"EndTime", end},
				    {"SourceType", "live"},
				    {"SourceProtocol", "rtmp"},
				    {"SourceUrls", urls},
				    {"DstUrl", d->destination},
				    {NULL, NULL}});
}

/*
 * A demo that is started again finds its task before its source is back, and a source that was away
 * is tried again in a minute only: nobody should watch that.
 */
static void hurry(struct demo *d, const struct cli *cli, const json_t *task)
{
	if (d->hurried || strcmp(client_text(task, "State"), "Recovering"))
		return;
	d->hurried = true;
	rpc(d, cli, "RestartLivePullToPush",
	    (struct client_param[]){
		    {"Region", REGION}, {"TaskId", client_text(task, "TaskId")}, {NULL, NULL}});
}

void demo_tick(struct demo *d, const struct cli *cli, const json_t *status)
{
	bool good = false, live = source_is_live(status);
	json_t *task;
	size_t i;

	if (!client_flag(json_object_get(status, "redis"), "connected"))
		return;
	json_array_foreach (json_object_get(status, "tasks"), i, task) {
		if (strcmp(client_text(task, "TaskName"), TASK_NAME))
			continue;
		if (!good && is_good(d, task)) {
			good = true;
			if (live)
				hurry(d, cli, task);
		} else if (rpc(d, cli, "DeleteLivePullToPush",
			       (struct client_param[]){{"Region", REGION},
						       {"TaskId", client_text(task, "TaskId")},
						       {NULL, NULL}})) {
			return; /* its destination is still taken; the next status tries again */
		}
	}
	if (!good && live)
		create(d, cli);
}
