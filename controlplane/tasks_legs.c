/* SPDX-License-Identifier: Apache-2.0 */
/* What reconcile asks about tasks, and what workers tell of them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/check.h"
#include "controlplane/tasks_in.h"

static bool on_find(void *arg, const char *id, const struct task **t, struct legs **legs)
{
	struct tasks *ts = arg;
	struct relay *r = relays_find(&ts->all, id);

	if (!r || !tasks_is_mine(ts, r))
		return false;
	*t = r->task;
	*legs = &r->legs;
	return true;
}

static void on_each(void *arg, void (*fn)(void *fn_arg, const struct task *t, struct legs *l),
		    void *fn_arg)
{
	struct tasks *ts = arg;
	struct relay *r;

	TAILQ_FOREACH (r, &ts->all.list, link)
		if (tasks_is_mine(ts, r))
			fn(fn_arg, r->task, &r->legs);
}

/* Kept with the next regular save: a restart goes on a few seconds before. */
static void on_position(void *arg, const char *id, const struct job_progress *p)
{
	struct tasks *ts = arg;
	struct relay *r = relays_find(&ts->all, id);

	if (!r || !task_is_list(r->task))
		return;
	r->task->current_file = p->file;
	r->task->current_offset_s = p->offset_s;
	r->task->current_round = p->round;
	r->dirty = true;
}

static void on_skipped(void *arg, const char *id, int64_t file, const char *reason,
		       const char *detail)
{
	struct tasks *ts = arg;
	struct relay *r = relays_find(&ts->all, id);
	char now[24], index[24], text[300];
	struct task_field f[] = {{"Event", "task.file_skipped"},
				 {"Time", now},
				 {"Node", ts->node},
				 {"TaskId", id},
				 {"FileIndex", index},
				 {"Reason", reason},
				 {"Detail", detail}};

	if (!r)
		return;
	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	snprintf(index, sizeof(index), "%lld", (long long)file);
	snprintf(text, sizeof(text), "file %s: %s%s%s", index, reason, *detail ? ": " : "", detail);
	task_text(&r->task->skipped, text);
	r->dirty = true;
	store_event(ts->store, f, array_len(f));
	log_warn("file_skipped", "task=%s file=%s reason=%s", id, index, reason);
}

static void on_list(void *arg, const char *id)
{
	struct tasks *ts = arg;
	struct relay *r = relays_find(&ts->all, id);
	char now[24];
	struct task_field f[] = {
		{"Event", "task.list"}, {"Time", now}, {"Node", ts->node}, {"TaskId", id}};

	if (!r)
		return;
	/* A change that is being written does not bring back what is over. */
	if (r->wish && !strcmp(r->wish->next_urls, r->task->next_urls))
		task_take_list(r->wish);
	task_take_list(r->task);
	r->task->current_file = r->task->current_offset_s = 0;
	r->dirty = true;
	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	store_event(ts->store, f, array_len(f));
	log_info("list", "task=%s", id);
}

static void on_source(void *arg, const char *id, int64_t number, const char *reason)
{
	struct tasks *ts = arg;
	struct relay *r = relays_find(&ts->all, id);
	char now[24], source[24];
	struct task_field f[] = {{"Event", "task.source"}, {"Time", now},      {"Node", ts->node},
				 {"TaskId", id},	   {"Source", source}, {"Reason", reason}};

	if (!r)
		return;
	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	snprintf(source, sizeof(source), "%lld", (long long)number);
	r->task->active_source = number;
	task_text(&r->task->source_reason, strcmp(reason, "none") ? reason : "");
	r->dirty = true;
	store_event(ts->store, f, array_len(f));
	log_info("source", "task=%s source=%s reason=%s", id, source, reason);
}

const struct reconcile_ops tasks_reconcile_ops = {on_find,    on_each, tasks_changed, on_position,
						  on_skipped, on_list, on_source};
