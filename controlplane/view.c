/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/rules.h"

const char *uuid_make(char dst[UUID_TEXT])
{
	uint8_t b[16];

	must(getrandom(b, sizeof(b), 0) == sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(dst, UUID_TEXT,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return dst;
}

static void put_time(json_t *into, const char *name, int64_t unix_s)
{
	char text[TIME_TEXT];

	json_object_set_new(into, name, json_string(unix_s ? time_text(text, unix_s) : ""));
}

json_t *view_task_info(const struct task *t)
{
	json_t *sources = json_loads(t->source_urls, 0, NULL);
	json_t *info = json_pack(
		"{ss ss ss ss ss* so ss ss sI sI sI sI sI}", "TaskId", t->id, "TaskName", t->name,
		"Region", t->region, "SourceType", t->source_type, "SourceProtocol",
		t->source_protocol, "SourceUrls", sources ? sources : json_array(), "DstUrl",
		t->dst_url, "CallbackURL", t->callback_url, "RepeatNumber", (json_int_t)t->repeat,
		"FileIndex", (json_int_t)t->file_index, "Offset", (json_int_t)t->offset_s,
		"RetryCount", (json_int_t)t->retry_count, "RetryInterval",
		(json_int_t)t->retry_interval_s);

	must(info);
	if (*t->retry_policy) {
		json_object_set_new(info, "RetryPolicy", json_string(t->retry_policy));
		json_object_set_new(info, "RetryMaxInterval", json_integer(t->retry_max_s));
	}
	put_time(info, "StartTime", t->start_s);
	put_time(info, "EndTime", t->end_s);
	return info;
}

json_t *view_task(const struct task *t, const struct task_numbers *n)
{
	json_t *v = json_pack("{ss si ss ss si sI sI so ss ss ss sI sI sI sI sI ss}", "TaskId",
			      t->id, "TaskStatus", task_status(t->state), "TaskInvalidReason",
			      task_invalid_reason(t), "TaskExitReason", "", "TaskExitTime", 0,
			      "CurrentFileIndex", (json_int_t)t->current_file, "CurrentOffset",
			      (json_int_t)t->current_offset_s, "TaskInfo", view_task_info(t),
			      "State", task_state_name(t->state), "Reason", t->reason, "Detail",
			      t->detail, "RetriesUsed", (json_int_t)t->retries, "InBps",
			      (json_int_t)n->in_bps, "OutBps", (json_int_t)n->out_bps,
			      "LastMediaAgeMs", (json_int_t)n->last_media_age_ms, "CurrentRound",
			      (json_int_t)t->current_round, "LastSkipped", t->skipped);

	must(v);
	put_time(v, "NextRetryTime", t->next_try_ms / 1000);
	put_time(v, "RunningSince", t->running_ms / 1000);
	put_time(v, "FirstMediaTime", n->first_media_ms / 1000);
	return v;
}

/* Masked, as text. */
static json_t *shown_url(const char *url)
{
	char text[2200];
	json_t *shown = json_string(log_url(text, sizeof(text), url));

	return shown ? shown : json_string("");
}

json_t *view_task_row(const struct task *t, const struct task_numbers *n)
{
	char *source = task_source_url(t);
	json_t *row =
		json_pack("{ss ss si ss ss so so sI sI sI}", "TaskId", t->id, "TaskName", t->name,
			  "TaskStatus", task_status(t->state), "State", task_state_name(t->state),
			  "Reason", t->reason, "SourceUrl", shown_url(source ? source : ""),
			  "DstUrl", shown_url(t->dst_url), "Retries", (json_int_t)t->retries,
			  "in_bps", (json_int_t)n->in_bps, "out_bps", (json_int_t)n->out_bps);

	must(row);
	put_time(row, "StartTime", t->start_s);
	put_time(row, "EndTime", t->end_s);
	free(source);
	return row;
}

char *view_callback(const struct task *t, const struct effects *fx, int64_t now_ms)
{
	char now[24], *text;
	json_t *body;

	if (!fx->exit_reason && !fx->state_event)
		return NULL;
	snprintf(now, sizeof(now), "%lld", (long long)(now_ms / 1000));
	body = json_pack("{ss ss ss so si}", "Event",
			 fx->exit_reason ? "LivePullToPushExit" : "LivePullToPushRunning",
			 "EventTime", now, "TaskId", t->id, "TaskInfo", view_task_info(t),
			 "TaskStatus", task_status(t->state));
	must(body);
	if (fx->exit_reason) {
		json_object_set_new(body, "TaskExitReason", json_string(fx->exit_reason));
		json_object_set_new(body, "TaskExitTime", json_integer(now_ms / 1000));
	} else if (t->state == TASK_OFFLINE) {
		json_object_set_new(body, "TaskInvalidReason", json_string(task_offline_reason(t)));
	}
	if (*t->reason)
		json_object_set_new(body, "Reason", json_string(t->reason));
	text = json_dumps(body, JSON_COMPACT);
	must(text);
	json_decref(body);
	return text;
}
