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
	if (*t->next_urls) {
		json_object_set_new(info, "NextSourceUrls", json_loads(t->next_urls, 0, NULL));
		json_object_set_new(info, "SourceUrlsAt", json_string(t->next_at));
	}
	if (*t->dst_urls)
		json_object_set_new(info, "DstUrls", json_loads(t->dst_urls, 0, NULL));
	if (task_switches(t)) {
		json_object_set_new(info, "BackupSourceUrls",
				    *t->backup_urls ? json_loads(t->backup_urls, 0, NULL)
						    : json_array());
		json_object_set_new(info, "BackupAfter", json_integer(t->backup_after_s));
		json_object_set_new(info, "BackupReturn", json_integer(t->backup_return_s));
		json_object_set_new(info, "SlateUrl", json_string(t->slate_url));
	}
	put_time(info, "StartTime", t->start_s);
	put_time(info, "EndTime", t->end_s);
	return info;
}

json_t *view_audit(const struct task *t)
{
	json_t *info = view_task_info(t);

	json_object_set_new(info, "State", json_string(task_state_name(t->state)));
	return info;
}

/* Masked, as text. */
static json_t *shown_url(const char *url)
{
	char text[2200];
	json_t *shown = json_string(log_url(text, sizeof(text), url));

	return shown ? shown : json_string("");
}

static json_t *destination(const struct task *t, unsigned n)
{
	const struct dest *d = &t->dest[n];
	json_t *o = json_pack("{ss ss ss ss sI}", "DstUrl", d->url, "State",
			      dest_state_name(d->state), "Reason", d->reason, "Detail", d->detail,
			      "RetriesUsed", (json_int_t)d->retries);

	must(o);
	put_time(o, "NextRetryTime", d->next_try_ms / 1000);
	put_time(o, "RunningSince", d->running_ms / 1000);
	return o;
}

/* Of a task that has several. masked: for people. */
static void put_destinations(json_t *into, const struct task *t, const struct task_numbers *n,
			     bool masked)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < t->dests; i++) {
		json_t *o = destination(t, i);

		json_object_set_new(o, "OutBps", json_integer(n->dest_bps[i]));
		if (masked)
			json_object_set_new(o, "DstUrl", shown_url(t->dest[i].url));
		json_array_append_new(list, o);
	}
	if (t->dests)
		json_object_set(into, "Destinations", list);
	json_decref(list);
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
	json_object_set_new(v, "Reconnects", json_integer(t->reconnects));
	json_object_set_new(v, "LastReason", json_string(t->last_reason));
	put_time(v, "StateSince", t->since_ms / 1000);
	put_time(v, "NextRetryTime", t->next_try_ms / 1000);
	put_time(v, "RunningSince", t->running_ms / 1000);
	put_time(v, "FirstMediaTime", n->first_media_ms / 1000);
	if (task_switches(t)) {
		json_object_set_new(v, "ActiveSource", json_integer(t->active_source));
		json_object_set_new(v, "SourceReason", json_string(t->source_reason));
	}
	put_destinations(v, t, n, false);
	return v;
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
	put_destinations(row, t, n, true);
	free(source);
	return row;
}

static const char *event_name(const struct effects *fx)
{
	if (fx->dest) /* ours */
		return "LivePullToPushDestination";
	return fx->exit_reason ? "LivePullToPushExit" : "LivePullToPushRunning";
}

char *view_callback(const struct task *t, const struct effects *fx, int64_t now_ms)
{
	char now[24], *text;
	json_t *body;

	if (!fx->exit_reason && !fx->state_event && !fx->dest)
		return NULL;
	snprintf(now, sizeof(now), "%lld", (long long)(now_ms / 1000));
	body = json_pack("{ss ss ss so si}", "Event", event_name(fx), "EventTime", now, "TaskId",
			 t->id, "TaskInfo", view_task_info(t), "TaskStatus", task_status(t->state));
	must(body);
	if (fx->dest) {
		json_object_set_new(body, "Destination", destination(t, fx->dest - 1));
	} else if (fx->exit_reason) {
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
