/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/tasks_in.h"
#include "controlplane/view.h"
#include "controlplane/wallclock.h"

#define RESAVE_MS 5000

/* ---- the table ----------------------------------------------------------------------------- */

struct relay *tasks_find(struct tasks *ts, const char *id)
{
	struct relay *r = relays_find(&ts->all, id);

	return r && !r->unborn ? r : NULL;
}

struct relay *tasks_claimed(struct tasks *ts, const char *id)
{
	return relays_find(&ts->all, id);
}

struct relay *tasks_by_dst(struct tasks *ts, const char *dst_url)
{
	struct relay *r;

	TAILQ_FOREACH (r, &ts->all.list, link)
		if (r->wish && !strcmp(r->wish->dst_url, dst_url))
			return r;
	return relays_by_dst(&ts->all, dst_url);
}

void tasks_relay_end(struct tasks *ts, struct relay *r)
{
	struct relay ghost;

	schedule_del(&ts->wakes, &r->wake);
	STAILQ_INIT(&ghost.waiters);
	STAILQ_CONCAT(&ghost.waiters, &r->waiters);
	relays_del(&ts->all, r);
	relay_wake(&ghost);
}

static struct relay *born(struct relay *r, bool forward)
{
	while (r && r->unborn)
		r = forward ? TAILQ_NEXT(r, link) : TAILQ_PREV(r, relay_list, link);
	return r;
}

struct relay *tasks_first(struct tasks *ts)
{
	return born(TAILQ_FIRST(&ts->all.list), true);
}

struct relay *tasks_next(struct relay *r)
{
	return born(TAILQ_NEXT(r, link), true);
}

struct relay *tasks_last(struct tasks *ts)
{
	return born(TAILQ_LAST(&ts->all.list, relay_list), false);
}

struct relay *tasks_prev(struct relay *r)
{
	return born(TAILQ_PREV(r, relay_list, link), false);
}

size_t tasks_count(const struct tasks *ts)
{
	return ts->all.n;
}

bool tasks_loaded(const struct tasks *ts)
{
	return ts->loaded;
}

void tasks_view(struct tasks *ts, const struct relay *r, struct task_view *v)
{
	v->now_ms = (int64_t)clock_wall_ms();
	v->now_us = (int64_t)clock_us();
	reconcile_view(ts->reconcile, r->task, &r->legs, v);
}

/* ---- saving -------------------------------------------------------------------------------- */

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
static void bury(struct tasks *ts, const struct relay *r, const struct hook *hook)
{
	const char *id = r->task->id;
	struct tomb *tomb = calloc(1, sizeof(*tomb));

	must(tomb);
	snprintf(tomb->id, sizeof(tomb->id), "%s", id);
	snprintf(tomb->lease, sizeof(tomb->lease), "%s", r->hold.lease);
	TAILQ_INSERT_TAIL(&ts->tombs, tomb, link);
	save_removed(ts, id, tomb->lease, hook, false);
}

static void resave(struct tasks *ts, bool every)
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

static void on_resave(evutil_socket_t fd, short what, void *arg)
{
	struct tasks *ts = arg;

	if (ts->loaded && store_ready(ts->store))
		resave(ts, false);
}

/* ---- telling ------------------------------------------------------------------------------- */

static struct hook *make_hook(const struct task *t, const struct effects *fx)
{
	char id[UUID_TEXT], *body;
	struct hook *hook = NULL;

	if (!*t->callback_url)
		return NULL;
	body = view_callback(t, fx, (int64_t)clock_wall_ms());
	if (body)
		hook = hook_new(uuid_make(id), t->callback_url, body);
	free(body);
	return hook;
}

static void tell(struct tasks *ts, const struct task *t, const char *event)
{
	char now[24], text[300];
	struct task_field f[] = {{"Event", event},
				 {"Time", now},
				 {"Node", ts->node},
				 {"TaskId", t->id},
				 {"State", task_state_name(t->state)},
				 {"Reason", t->reason},
				 {"Detail", t->detail}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	store_event(ts->store, f, array_len(f));
	log_info("task", "what=%s task=%s state=%s reason=%s detail=%s", event, t->id,
		 task_state_name(t->state), *t->reason ? t->reason : "none",
		 log_q(text, sizeof(text), t->detail));
}

/* ---- what happens by itself ---------------------------------------------------------------- */

static void arm_wake(struct tasks *ts)
{
	uint64_t next = schedule_next(&ts->wakes), now = clock_us();
	uint64_t wait = next > now ? next - now : 0;
	struct timeval tv = {(time_t)(wait / 1000000), (suseconds_t)(wait % 1000000)};

	if (next == UINT64_MAX)
		evtimer_del(ts->wake_timer);
	else
		evtimer_add(ts->wake_timer, &tv);
}

/* One transition: save it with its callback, tell it. */
static void follow(struct tasks *ts, struct relay *r, const struct effects *fx)
{
	struct hook *hook = make_hook(r->task, fx);

	if (fx->exit_reason) {
		bury(ts, r, hook);
		reconcile_forget(ts->reconcile, r->task->id);
	} else {
		save(ts, r->task, false, r->hold.lease, hook, false, on_saved,
		     saving_new(ts, r->task->id));
	}
	if (fx->exit_reason || fx->state_event)
		tell(ts, r->task, "task.state");
	if (hook)
		hooks_add(ts->hooks, r->task->id, hook);
}

void tasks_step(struct tasks *ts, struct relay *r)
{
	struct task_view v;
	struct effects fx;

	if (r->wish || !ts->loaded || !tasks_is_mine(ts, r))
		return;
	for (tasks_view(ts, r, &v); machine_step(r->task, &v, &fx); tasks_view(ts, r, &v)) {
		follow(ts, r, &fx);
		if (fx.exit_reason) {
			tasks_relay_end(ts, r);
			return;
		}
	}
	reconcile_task(ts->reconcile, r->task, &r->legs);
	schedule_set(&ts->wakes, &r->wake, (uint64_t)machine_wake_us(r->task, &v));
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct tasks *ts = arg;
	uint64_t now = clock_us();
	struct wake *w;

	while ((w = schedule_pop(&ts->wakes, now)))
		tasks_step(ts, container_of(w, struct relay, wake));
	arm_wake(ts);
}

static void step_all(struct tasks *ts)
{
	struct relay *r, *next;

	for (r = TAILQ_FIRST(&ts->all.list); r; r = next) {
		next = TAILQ_NEXT(r, link);
		tasks_step(ts, r);
	}
}

static void on_changed(void *arg, const char *id)
{
	struct tasks *ts = arg;
	struct relay *r = id ? relays_find(&ts->all, id) : NULL;

	if (r)
		tasks_step(ts, r);
	else if (!id)
		step_all(ts);
	arm_wake(ts);
}

/* ---- wishes -------------------------------------------------------------------------------- */

struct commit {
	struct tasks *ts;
	struct relay *relay;
	struct task *next;
	struct hook *hook;
	struct effects fx;
	tasks_done *done;
	void *arg;
};

static void commit_failed(struct commit *c, const char *error)
{
	struct tasks *ts = c->ts;
	struct relay *r = c->relay;

	task_free(c->next);
	hook_free(c->hook);
	/*
	 * A lost connection leaves open what Redis did: what was true before is written again, and
	 * what was never true is removed.
	 */
	c->done(c->arg, error);
	if (r->unborn) {
		/* Of several nodes: if it was made after all, their tables show it. */
		if (!ts->cluster)
			bury(ts, r, NULL);
		tasks_relay_end(ts, r);
		return;
	}
	r->dirty = true;
	relay_wake(r);
}

static void commit_confirmed(struct commit *c)
{
	struct tasks *ts = c->ts;
	struct relay *r = c->relay;
	bool created = r->unborn;
	char id[64];

	snprintf(id, sizeof(id), "%s", r->task->id);
	r->unborn = false;
	relays_swap(&ts->all, r, c->next);
	tell(ts, r->task, created ? "task.created" : c->fx.changed ? "task.state" : "task.updated");
	if (c->hook)
		hooks_add(ts->hooks, r->task->id, c->hook);
	c->done(c->arg, NULL);
	if (c->fx.exit_reason) {
		reconcile_forget(ts->reconcile, r->task->id);
		tasks_relay_end(ts, r);
		return;
	}
	/* Who waited comes first: afterwards r may be gone. */
	relay_wake(r);
	on_changed(ts, id);
	if (ts->cluster)
		cluster_poke(ts);
}

static void on_committed(void *arg, const char *error)
{
	struct commit *c = arg;

	c->relay->wish = NULL;
	if (error)
		commit_failed(c, error);
	else
		commit_confirmed(c);
	free(c);
}

void tasks_commit(struct tasks *ts, struct relay *r, struct task *next, const struct effects *fx,
		  tasks_done *done, void *arg)
{
	struct commit *c = calloc(1, sizeof(*c));

	must(c && !r->wish);
	*c = (struct commit){ts, r, next, make_hook(next, fx), *fx, done, arg};
	r->wish = next;
	save(ts, next, fx->exit_reason, r->unborn ? "" : r->hold.lease, c->hook, false,
	     on_committed, c);
}

void tasks_create(struct tasks *ts, struct task *t, tasks_done *done, void *arg)
{
	struct relay *r = relays_add(&ts->all, task_copy(t));

	r->unborn = true;
	tasks_commit(ts, r, t, &(struct effects){0}, done, arg);
}

/* ---- from the store ------------------------------------------------------------------------ */

struct task *tasks_read(const char *id, const struct task_field *f, size_t n)
{
	struct task *t = task_new();
	bool fine = true;

	for (size_t i = 0; i < n; i++)
		fine = task_set_field(t, f[i].name, f[i].value) && fine;
	if (fine && !strcmp(t->id, id) &&
	    task_loaded(t, (int64_t)clock_wall_ms(), (int64_t)clock_us()))
		return t;
	/* Left as it is: a person may want to look. */
	log_error("task_unreadable", "task=%s", id);
	task_free(t);
	return NULL;
}

static void on_store_task(void *arg, const char *id, const struct task_field *f, size_t n)
{
	struct tasks *ts = arg;
	struct task *t = tasks_read(id, f, n);

	if (t && !tasks_by_dst(ts, t->dst_url)) {
		relays_add(&ts->all, t);
		return;
	}
	if (t)
		log_error("task_unreadable", "task=%s why=\"DstUrl is another task's\"", id);
	task_free(t);
}

static void on_store_hook(void *arg, const char *task_id, const char *text)
{
	struct tasks *ts = arg;
	struct hook *hook = hook_parse(text);

	/* Of several nodes: those of a task belong to who takes it. */
	if (hook && ts->cluster && relays_find(&ts->all, task_id))
		hook_free(hook);
	else if (hook)
		hooks_add(ts->hooks, task_id, hook);
	else
		log_error("callback_unreadable", "task=%s", task_id);
}

/* Callbacks of a task that is gone stand alone. */
static void resave_orphans(void *arg, const char *task_id)
{
	struct tasks *ts = arg;

	if (!relays_find(&ts->all, task_id) && !tomb_find(ts, task_id))
		save_removed(ts, task_id, "", NULL, true);
}

void tasks_begin(struct tasks *ts)
{
	ts->loaded = true;
	log_info("tasks_loaded", "tasks=%zu callbacks=%zu", ts->all.n,
		 hooks_count(ts->hooks).pending);
	reconcile_begin(ts->reconcile);
	step_all(ts);
	arm_wake(ts);
}

static void on_store_ready(void *arg, bool first)
{
	struct tasks *ts = arg;

	if (first && ts->cluster) {
		cluster_begin(ts);
		return;
	}
	if (first) {
		tasks_begin(ts);
		return;
	}
	resave(ts, true);
	if (ts->cluster)
		cluster_resume(ts);
	else
		hooks_each_task(ts->hooks, resave_orphans, ts);
}

static void on_clock_set(void *arg)
{
	on_changed(arg, NULL);
}

const struct store_ops tasks_store_ops = {on_store_task, on_store_hook, on_store_ready};

/* ---- from reconcile ------------------------------------------------------------------------ */

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

const struct reconcile_ops tasks_reconcile_ops = {on_find, on_each, on_changed, on_position,
						  on_skipped};

/* ---- life ---------------------------------------------------------------------------------- */

struct tasks *tasks_new(struct event_base *base, struct hooks *hooks, const char *node)
{
	struct tasks *ts = calloc(1, sizeof(*ts));
	struct timeval tv = {RESAVE_MS / 1000, 0};

	must(ts);
	ts->hooks = hooks;
	ts->node = node;
	relays_init(&ts->all);
	TAILQ_INIT(&ts->tombs);
	ts->wake_timer = evtimer_new(base, on_wake, ts);
	ts->resave = event_new(base, -1, EV_PERSIST, on_resave, ts);
	must(ts->wake_timer && ts->resave);
	event_add(ts->resave, &tv);
	ts->wallclock = wallclock_new(base, on_clock_set, ts);
	return ts;
}

void tasks_free(struct tasks *ts)
{
	struct tomb *tomb;
	struct relay *r;

	if (!ts)
		return;
	cluster_free(ts->cluster);
	ts->cluster = NULL;
	while ((r = TAILQ_FIRST(&ts->all.list)))
		tasks_relay_end(ts, r);
	while ((tomb = TAILQ_FIRST(&ts->tombs))) {
		TAILQ_REMOVE(&ts->tombs, tomb, link);
		free(tomb);
	}
	schedule_fini(&ts->wakes);
	event_free(ts->wake_timer);
	event_free(ts->resave);
	wallclock_free(ts->wallclock);
	free(ts);
}

void tasks_stop(struct tasks *ts)
{
	ts->loaded = false;
}

void tasks_connect(struct tasks *ts, struct store *store, struct reconcile *reconcile)
{
	ts->store = store;
	ts->reconcile = reconcile;
}
