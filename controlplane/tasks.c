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

	LIST_FOREACH (r, &ts->wishing, wishing)
		for (unsigned i = 0; i < dests_count(r->wish); i++)
			if (!strcmp(dests_url(r->wish, i), dst_url))
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

size_t tasks_running(const struct tasks *ts)
{
	struct relay *r;
	size_t n = 0;

	TAILQ_FOREACH (r, &ts->all.list, link)
		n += (!ts->cluster || r->hold.mine) && task_is_active(r->task);
	return n;
}

uint64_t tasks_room(const struct tasks *ts, const struct config *conf)
{
	return ts->cluster ? cluster_room(ts) : (uint64_t)conf->tasks_running;
}

const char *tasks_node(const struct tasks *ts, const struct relay *r)
{
	if (ts->cluster && !r->hold.mine)
		return r->hold.holder;
	return task_is_active(r->task) ? ts->node : "";
}

void tasks_view(struct tasks *ts, const struct relay *r, struct task_view *v)
{
	v->now_ms = (int64_t)clock_wall_ms();
	v->now_us = (int64_t)clock_us();
	reconcile_view(ts->reconcile, r->task, &r->legs, v);
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

static void tell_dest(struct tasks *ts, const struct task *t, unsigned n)
{
	const struct dest *d = &t->dest[n];
	char now[24], number[12], text[300];
	struct task_field f[] = {{"Event", "task.destination"},
				 {"Time", now},
				 {"Node", ts->node},
				 {"TaskId", t->id},
				 {"Destination", number},
				 {"State", dest_state_name(d->state)},
				 {"Reason", d->reason},
				 {"Detail", d->detail}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	snprintf(number, sizeof(number), "%u", n);
	store_event(ts->store, f, array_len(f));
	log_info("task",
		 "what=task.destination task=%s destination=%u state=%s reason=%s detail=%s", t->id,
		 n, dest_state_name(d->state), *d->reason ? d->reason : "none",
		 log_q(text, sizeof(text), d->detail));
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
		tasks_bury(ts, r, hook);
		reconcile_forget(ts->reconcile, r->task);
	} else {
		tasks_save(ts, r, hook);
	}
	if (fx->dest)
		tell_dest(ts, r->task, fx->dest - 1);
	else if (fx->exit_reason || fx->state_event)
		tell(ts, r->task, "task.state");
	if (hook)
		hooks_add(ts->hooks, r->task->id, hook);
}

/* before: the task as it was, if it was to begin or its end has come. */
static json_t *to_be_told(const struct tasks *ts, const struct relay *r, const struct task_view *v)
{
	const struct task *t = r->task;
	bool due = t->end_s * 1000 <= v->now_ms ||
		   (t->state == TASK_IDLE && t->start_s * 1000 <= v->now_ms);

	return ts->scheduled && due ? view_audit(t) : NULL;
}

static void tell_scheduled(struct tasks *ts, const struct relay *r, json_t *before, bool over)
{
	json_t *after = before && !over ? view_audit(r->task) : NULL;

	if (before)
		ts->scheduled(ts->scheduled_arg, r->task->id, before, after);
	json_decref(before);
	json_decref(after);
}

/* One transition that the machine says; false: none. *over: the task is. */
static bool step_once(struct tasks *ts, struct relay *r, struct task_view *v, bool *over)
{
	struct effects fx;
	json_t *before;

	tasks_view(ts, r, v);
	before = to_be_told(ts, r, v);
	if (!machine_step(r->task, v, &fx)) {
		json_decref(before);
		return false;
	}
	follow(ts, r, &fx);
	*over = fx.exit_reason;
	tell_scheduled(ts, r, before, *over);
	return true;
}

void tasks_step(struct tasks *ts, struct relay *r)
{
	struct task_view v;
	bool over = false;

	if (r->wish || !ts->loaded || !tasks_is_mine(ts, r))
		return;
	while (step_once(ts, r, &v, &over))
		if (over) {
			tasks_relay_end(ts, r);
			return;
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

void tasks_changed(void *arg, const char *id)
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
			tasks_bury(ts, r, NULL);
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

	if (ts->cluster && !c->fx.exit_reason)
		tasks_claim_keep(ts, c->next);
	if (ts->cluster)
		tasks_claim_end(ts, r->task, c->fx.exit_reason ? NULL : c->next);
	snprintf(id, sizeof(id), "%s", r->task->id);
	r->unborn = false;
	relays_swap(&ts->all, r, c->next);
	tell(ts, r->task, created ? "task.created" : c->fx.changed ? "task.state" : "task.updated");
	if (c->hook)
		hooks_add(ts->hooks, r->task->id, c->hook);
	c->done(c->arg, NULL);
	if (c->fx.exit_reason) {
		reconcile_forget(ts->reconcile, r->task);
		tasks_relay_end(ts, r);
		return;
	}
	/* Who waited comes first: afterwards r may be gone. */
	relay_wake(r);
	tasks_changed(ts, id);
	if (ts->cluster)
		cluster_poke(ts);
}

static void on_committed(void *arg, const char *error)
{
	struct commit *c = arg;

	c->relay->wish = NULL;
	LIST_REMOVE(c->relay, wishing);
	if (error)
		commit_failed(c, error);
	else
		commit_confirmed(c);
	free(c);
}

static void save_wish(struct commit *c)
{
	tasks_save_wish(c->ts, c->next, c->fx.exit_reason,
			c->relay->unborn ? "" : c->relay->hold.lease, c->hook, on_committed, c);
}

static void on_claimed(void *arg, const char *error)
{
	if (error)
		on_committed(arg, error);
	else
		save_wish(arg);
}

void tasks_commit(struct tasks *ts, struct relay *r, struct task *next, const struct effects *fx,
		  tasks_done *done, void *arg)
{
	struct commit *c = calloc(1, sizeof(*c));

	must(c && !r->wish);
	*c = (struct commit){ts, r, next, make_hook(next, fx), *fx, done, arg};
	r->wish = next;
	LIST_INSERT_HEAD(&ts->wishing, r, wishing);
	if (ts->cluster && !fx->exit_reason &&
	    (r->unborn || (strcmp(r->task->dst_url, next->dst_url) ||
			   strcmp(r->task->dst_urls, next->dst_urls))))
		tasks_claim_wish(ts, r->unborn ? NULL : r->task, next, on_claimed, c);
	else
		save_wish(c);
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

	if (t && (ts->cluster || !relays_rival(&ts->all, t))) {
		relays_add(&ts->all, t);
		return;
	}
	if (t)
		log_error("task_unreadable", "task=%s why=\"a destination is another task's\"", id);
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
	tasks_resave(ts, true);
	if (ts->cluster)
		cluster_resume(ts);
	else
		tasks_resave_orphans(ts);
}

static void on_clock_set(void *arg)
{
	tasks_changed(arg, NULL);
}

const struct store_ops tasks_store_ops = {on_store_task, on_store_hook, on_store_ready};

static void on_resave(evutil_socket_t fd, short what, void *arg)
{
	struct tasks *ts = arg;

	if (ts->loaded && store_ready(ts->store))
		tasks_resave(ts, false);
}

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
	LIST_INIT(&ts->wishing);
	ts->wake_timer = evtimer_new(base, on_wake, ts);
	ts->resave = event_new(base, -1, EV_PERSIST, on_resave, ts);
	must(ts->wake_timer && ts->resave);
	event_add(ts->resave, &tv);
	ts->wallclock = wallclock_new(base, on_clock_set, ts);
	return ts;
}

void tasks_free(struct tasks *ts)
{
	struct relay *r;

	if (!ts)
		return;
	cluster_free(ts->cluster);
	ts->cluster = NULL;
	while ((r = TAILQ_FIRST(&ts->all.list)))
		tasks_relay_end(ts, r);
	tasks_tombs_free(ts);
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

void tasks_watch(struct tasks *ts, tasks_scheduled *fn, void *arg)
{
	ts->scheduled = fn;
	ts->scheduled_arg = arg;
}

void tasks_connect(struct tasks *ts, struct store *store, struct reconcile *reconcile)
{
	ts->store = store;
	ts->reconcile = reconcile;
}
