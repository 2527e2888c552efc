/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks on their way to Redis: now with a wish, behind for what happened by itself, again after it was away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/tasks_in.h"

static int64_t due_ms(const struct task *t)
{
	if (t->state == TASK_IDLE)
		return t->start_s * 1000;
	return t->next_try_ms ? t->next_try_ms : t->end_s * 1000;
}

/* hook: the one callback that belongs to this change, or NULL; all: write the whole queue instead. */
static void save(struct tasks *ts, const struct task *t, bool remove, const char *lease,
		 const struct hook *hook, bool all, store_done *done, void *arg)
{
	struct task_field fields[TASK_FIELDS];
	struct store_change c = {.id = t->id,
				 .remove = remove,
				 .fields = fields,
				 .created_ms = t->created_ms,
				 .due_ms = due_ms(t),
				 .replace_hooks = all,
				 .lease = ts->cluster ? lease : NULL};
	const char *one = hook ? hook->text : NULL;
	const char **queue = NULL;

	task_fields(t, fields);
	c.hooks = &one;
	c.hooks_n = hook ? 1 : 0;
	if (all)
		c.hooks = queue = hooks_texts(ts->hooks, t->id, &c.hooks_n);
	store_save(ts->store, &c, done, arg);
	free(queue);
}

/* Another node has the task: what this one wanted to write does not matter any more. */
static bool is_lost(const char *error)
{
	return !strncmp(error, "LOST", 4);
}

/* A save that nobody waits for. */
struct saving {
	struct tasks *ts;
	char id[64];
};

static struct saving *saving_new(struct tasks *ts, const char *id)
{
	struct saving *s = calloc(1, sizeof(*s));

	must(s);
	s->ts = ts;
	snprintf(s->id, sizeof(s->id), "%s", id);
	return s;
}

static void on_saved(void *arg, const char *error)
{
	struct saving *s = arg;
	struct relay *r = relays_find(&s->ts->all, s->id);

	if (r && error && !is_lost(error))
		r->dirty = true;
	free(s);
}

static struct tomb *tomb_find(struct tasks *ts, const char *id)
{
	struct tomb *tomb;

	TAILQ_FOREACH (tomb, &ts->tombs, link)
		if (!strcmp(tomb->id, id))
			return tomb;
	return NULL;
}

bool tasks_is_leaving(struct tasks *ts, const char *id)
{
	return tomb_find(ts, id);
}

static void on_buried(void *arg, const char *error)
{
	struct saving *s = arg;
	struct tomb *tomb = tomb_find(s->ts, s->id);

	if (tomb && (!error || is_lost(error))) {
		TAILQ_REMOVE(&s->ts->tombs, tomb, link);
		free(tomb);
	}
	free(s);
}

static void save_removed(struct tasks *ts, const char *id, const char *lease,
			 const struct hook *hook, bool all)
{
	struct task *ghost = task_new();

	task_text(&ghost->id, id);
	save(ts, ghost, true, lease, hook, all, on_buried, saving_new(ts, id));
	task_free(ghost);
}

/* The task is over, whatever Redis does: it is removed there now or when Redis is back. */
void tasks_bury(struct tasks *ts, const struct relay *r, const struct hook *hook)
{
	const char *id = r->task->id;
	struct tomb *tomb = calloc(1, sizeof(*tomb));

	must(tomb);
	snprintf(tomb->id, sizeof(tomb->id), "%s", id);
	snprintf(tomb->lease, sizeof(tomb->lease), "%s", r->hold.lease);
	TAILQ_INSERT_TAIL(&ts->tombs, tomb, link);
	save_removed(ts, id, tomb->lease, hook, false);
	if (ts->cluster)
		tasks_claim_end(ts, r->task, NULL);
}

void tasks_resave(struct tasks *ts, bool every)
{
	struct tomb *tomb;
	struct relay *r;

	TAILQ_FOREACH (r, &ts->all.list, link) {
		/* A wish is on its way: what is true now must not be written after it. */
		if (r->unborn || r->wish || (!r->dirty && !every) || !tasks_is_mine(ts, r))
			continue;
		r->dirty = false;
		save(ts, r->task, false, r->hold.lease, NULL, true, on_saved,
		     saving_new(ts, r->task->id));
	}
	TAILQ_FOREACH (tomb, &ts->tombs, link)
		save_removed(ts, tomb->id, tomb->lease, NULL, true);
}

/* Callbacks of a task that is gone stand alone. */
static void resave_orphans(void *arg, const char *task_id)
{
	struct tasks *ts = arg;

	if (!relays_find(&ts->all, task_id) && !tomb_find(ts, task_id))
		save_removed(ts, task_id, "", NULL, true);
}

void tasks_resave_orphans(struct tasks *ts)
{
	hooks_each_task(ts->hooks, resave_orphans, ts);
}

void tasks_save_wish(struct tasks *ts, const struct task *next, bool remove, const char *lease,
		     const struct hook *hook, store_done *done, void *arg)
{
	save(ts, next, remove, lease, hook, false, done, arg);
}

void tasks_save(struct tasks *ts, const struct relay *r, const struct hook *hook)
{
	save(ts, r->task, false, r->hold.lease, hook, false, on_saved, saving_new(ts, r->task->id));
}

void tasks_tombs_free(struct tasks *ts)
{
	struct tomb *tomb;

	while ((tomb = TAILQ_FIRST(&ts->tombs))) {
		TAILQ_REMOVE(&ts->tombs, tomb, link);
		free(tomb);
	}
}
