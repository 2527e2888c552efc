/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "api/config.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "controlplane/peers.h"
#include "controlplane/store_redis_nodes.h"
#include "controlplane/tasks_in.h"

#define TURNS	     16 /* of a lease */
#define PENDING_US   2000000
#define HAND_OVER_MS 300     /* legs are closed within it, then another node may begin */
#define SILENCE_US   3000000 /* of a node whose heart beats every second */
#define STEPS	     4	     /* of a lease: a node waits one for each that comes before it */

struct cluster {
	struct tasks *tasks;
	const struct config *conf;
	char owner[96]; /* of this node and state folder; no blanks */
	struct event *turn;
	uint64_t lease_us, fence_us, pending_us;
	char last_event[48];
	unsigned starting; /* leases whose answer the start waits for */
	bool drained;
	struct peers peers;
	bool reading_peers;
	void (*beat)(void *arg); /* our heartbeat has changed */
	void *beat_arg;
	size_t load; /* as it was told last */
};

/* ---- what is whose --------------------------------------------------------------------------------- */

static bool keeps(const struct cluster *c)
{
	return !strcmp(c->conf->cluster_redis_lost, "keep");
}

bool cluster_mine(const struct tasks *ts, const struct relay *r)
{
	return r->hold.mine && (keeps(ts->cluster) || clock_us() < r->hold.until_us);
}

bool tasks_is_mine(const struct tasks *ts, const struct relay *r)
{
	return !ts->cluster || cluster_mine(ts, r);
}

/* Somebody must act for it. */
static bool has_work(const struct relay *r)
{
	int64_t now_ms = (int64_t)clock_wall_ms();
	const struct task *t = r->task;

	return task_is_active(t) || r->hold.pending || now_ms >= t->end_s * 1000 ||
	       (t->state == TASK_IDLE && now_ms >= t->start_s * 1000);
}

bool tasks_drained(const struct tasks *ts)
{
	return ts->cluster && ts->cluster->drained;
}

uint64_t cluster_room(const struct tasks *ts)
{
	return max_of(peers_room(&ts->cluster->peers, clock_us()),
		      (uint64_t)ts->cluster->conf->tasks_running);
}

/* ---- letting go ------------------------------------------------------------------------------------ */

static void let_go(struct tasks *ts, struct relay *r, const char *why)
{
	log_info("lease", "what=%s task=%s", why, r->task->id);
	r->hold.mine = false;
	r->hold.need_us = 0;
	r->hold.holder[0] = 0;
	reconcile_forget(ts->reconcile, r->task);
	legs_fini(&r->legs);
	legs_init(&r->legs);
	schedule_del(&ts->wakes, &r->wake);
	hooks_forget(ts->hooks, r->task->id);
}

static void tell_lease(struct tasks *ts, const char *event, const char *id)
{
	char now[24];
	struct task_field f[] = {
		{"Event", event}, {"Time", now}, {"Node", ts->node}, {"TaskId", id}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	store_event(ts->store, f, array_len(f));
}

static void hand_over(struct tasks *ts, struct relay *r)
{
	let_go(ts, r, "drained");
	store_lease_end(ts->store, r->task->id, r->hold.lease, HAND_OVER_MS);
	tell_lease(ts, "task.released", r->task->id);
}

void tasks_drain(struct tasks *ts, bool on)
{
	if (!ts->cluster)
		return;
	ts->cluster->drained = on;
	ts->cluster->beat(ts->cluster->beat_arg);
	cluster_poke(ts);
}

/* ---- taking ------------------------------------------------------------------------------------------ */

static void start_answered(struct cluster *c)
{
	if (c->starting && !--c->starting)
		tasks_begin(c->tasks);
}

/* The table gets what Redis has. */
static void refresh(struct tasks *ts, struct relay *r, struct task *t)
{
	if (r)
		relays_swap(&ts->all, r, t);
	else
		relays_add(&ts->all, t);
}

static void take_hooks(struct tasks *ts, const char *id, const struct store_taken *taken)
{
	const char *task_id;

	for (size_t i = 0; i < taken->hooks_n; i++) {
		struct hook *h = hook_parse(taken->hooks[i]);

		if (h && !hooks_find(ts->hooks, h->id, &task_id))
			hooks_add(ts->hooks, id, h);
		else
			hook_free(h);
	}
}

static void own(struct tasks *ts, struct relay *r, const struct store_taken *taken)
{
	struct cluster *c = ts->cluster;
	struct task *t;

	snprintf(r->hold.lease, sizeof(r->hold.lease), "%s %llu", c->owner,
		 (unsigned long long)taken->epoch);
	if (!taken->n) {
		store_lease_end(ts->store, r->task->id, r->hold.lease, 1);
		tasks_relay_end(ts, r);
		return;
	}
	t = tasks_read(r->task->id, taken->fields, taken->n);
	if (!t) {
		store_lease_end(ts->store, r->task->id, r->hold.lease, 1);
		return;
	}
	refresh(ts, r, t);
	r->hold.mine = true;
	r->hold.need_us = 0;
	r->hold.until_us = r->hold.asked_us + c->lease_us * 7 / 8;
	log_info("lease", "what=taken task=%s lease=\"%s\"", r->task->id, r->hold.lease);
	tell_lease(ts, "task.taken", r->task->id);
	take_hooks(ts, r->task->id, taken);
}

static void on_id(void *arg, const char *id);

static void on_took(void *arg, const char *id, const struct store_taken *taken)
{
	struct cluster *c = arg;
	struct tasks *ts = c->tasks;
	struct relay *r = relays_find(&ts->all, id);

	if (!r) {
		start_answered(c);
		return;
	}
	r->hold.taking = false;
	r->hold.need_us = 0;
	snprintf(r->hold.holder, sizeof(r->hold.holder), "%.*s", (int)strcspn(taken->holder, "/ "),
		 taken->holder);
	if (taken->epoch)
		own(ts, r, taken);
	else
		r->hold.retry_us =
			clock_us() + (taken->error ? c->lease_us / TURNS
						   : (uint64_t)max_of(taken->held_ms, 1) * 1000);
	/* Its holder does something about it: how far that is, if the event of it was lost. */
	if (!taken->epoch && r->task->state != TASK_RUNNING)
		on_id(c, id);
	r = relays_find(&ts->all, id);
	if (r)
		relay_wake(r);
	start_answered(c);
	r = relays_find(&ts->all, id);
	if (r)
		tasks_step(ts, r);
	cluster_poke(ts);
}

static void take(struct tasks *ts, struct relay *r, bool own_only)
{
	struct cluster *c = ts->cluster;

	r->hold.taking = true;
	r->hold.asked_us = clock_us();
	store_lease_take(ts->store, r->task->id, c->owner, (int64_t)(c->lease_us / 1000), own_only,
			 on_took, c);
}

void tasks_claim(struct tasks *ts, struct relay *r)
{
	if (!r->hold.taking)
		take(ts, r, false);
}

/* Takes the task when it is this node's turn. */
static void look_after(struct tasks *ts, struct relay *r, uint64_t now, size_t *load)
{
	struct cluster *c = ts->cluster;
	bool ending = !task_is_active(r->task) && r->task->state != TASK_IDLE;
	unsigned before;

	if (r->hold.taking || r->unborn || r->wish || !has_work(r)) {
		r->hold.need_us = 0;
		return;
	}
	if (now < r->hold.retry_us || c->drained ||
	    !peers_region_fits(c->conf->cluster_region, r->task->region) ||
	    (!ending && *load >= (size_t)c->conf->tasks_running))
		return;
	if (!r->hold.need_us)
		r->hold.need_us = now;
	before = peers_before(&c->peers, ts->node, r->task->id, r->task->region, ending, now);
	/* Only a look whether its holder is still there gives nobody anything. */
	if (!*r->hold.holder)
		peers_give(&c->peers);
	if (now - r->hold.need_us < c->lease_us / STEPS * min_of(before, STEPS))
		return;
	take(ts, r, false);
	++*load;
}

/* ---- keeping ----------------------------------------------------------------------------------------- */

static void on_renewed(void *arg, const char *id, bool known, bool held)
{
	struct cluster *c = arg;
	struct relay *r = relays_find(&c->tasks->all, id);

	if (!r || !known || !r->hold.mine)
		return;
	if (held)
		r->hold.until_us =
			max_of(r->hold.until_us, r->hold.renewing_us + c->lease_us * 7 / 8);
	else
		let_go(c->tasks, r, "lost");
	r->hold.renewing = false;
}

/* Still ours, and with something to do? */
static void keep(struct tasks *ts, struct relay *r, uint64_t now)
{
	struct cluster *c = ts->cluster;
	size_t waiting;

	if (now >= r->hold.until_us && !keeps(c)) {
		let_go(ts, r, "ended");
		r->hold.renewing = false;
		return;
	}
	if (c->drained && store_ready(ts->store) && !r->wish && !r->dirty) {
		hand_over(ts, r);
		return;
	}
	free(hooks_texts(ts->hooks, r->task->id, &waiting));
	r->hold.pending = waiting;
	if (store_ready(ts->store) && !r->wish && !r->dirty && !has_work(r)) {
		let_go(ts, r, "released");
		store_lease_end(ts->store, r->task->id, r->hold.lease, 1);
		return;
	}
	if (!store_ready(ts->store)) {
		r->hold.renewing = false;
		return;
	}
	if (r->hold.renewing || now - r->hold.renewing_us < c->lease_us / 3)
		return;
	r->hold.renewing = true;
	r->hold.renewing_us = now;
	store_lease_renew(ts->store, r->task->id, r->hold.lease, (int64_t)(c->lease_us / 1000),
			  on_renewed, c);
}

/* The data plane stops by itself when this process does not, or cannot. */
static void fence(struct tasks *ts)
{
	struct cluster *c = ts->cluster;
	uint64_t until = UINT64_MAX;
	struct relay *r;

	TAILQ_FOREACH (r, &ts->all.list, link)
		if (r->hold.mine && task_is_active(r->task))
			until = min_of(until, r->hold.until_us);
	if (until == UINT64_MAX || keeps(c))
		until = 0;
	reconcile_push_until(ts->reconcile, until);
}

/* ---- what other nodes do ------------------------------------------------------------------------------- */

static void on_fresh(void *arg, const char *id, const struct task_field *f, size_t n)
{
	struct cluster *c = arg;
	struct relay *r = relays_find(&c->tasks->all, id);
	struct task *t;

	if (!f || (r && (r->hold.mine || r->hold.taking || r->wish || r->unborn)))
		return;
	if (!n) {
		if (r)
			tasks_relay_end(c->tasks, r);
		return;
	}
	t = tasks_read(id, f, n);
	if (!t)
		return;
	refresh(c->tasks, r, t);
	if (!r)
		cluster_poke(c->tasks);
}

static void on_id(void *arg, const char *id)
{
	struct cluster *c = arg;

	store_task_read(c->tasks->store, id, on_fresh, c);
}

static void on_pending(void *arg, const char *id)
{
	struct cluster *c = arg;
	struct relay *r = relays_find(&c->tasks->all, id);

	if (r && !r->hold.mine)
		r->hold.pending = true;
}

static void note_taken(struct cluster *c, struct relay *r, const char *node)
{
	snprintf(r->hold.holder, sizeof(r->hold.holder), "%s", node);
	r->hold.retry_us = clock_us() + c->lease_us;
	r->hold.need_us = 0;
}

static void on_event(void *arg, const char *entry, const struct task_field *f, size_t n)
{
	struct cluster *c = arg;
	const char *event = "", *node = "", *id = "";
	bool first = !*c->last_event;
	struct relay *r;

	snprintf(c->last_event, sizeof(c->last_event), "%s", entry);
	for (size_t i = 0; i < n; i++) {
		event = strcmp(f[i].name, "Event") ? event : f[i].value;
		node = strcmp(f[i].name, "Node") ? node : f[i].value;
		id = strcmp(f[i].name, "TaskId") ? id : f[i].value;
	}
	/* What happened between the load and this first look. */
	if (first)
		store_ids_read(c->tasks->store, "mr:tasks", on_id, c);
	if (first || strncmp(event, "task.", 5) || !*id || strlen(id) > TASK_ID_MAX ||
	    !strcmp(node, c->tasks->node))
		return;
	r = relays_find(&c->tasks->all, id);
	if (r && !r->hold.mine) {
		r->hold.retry_us = 0;
		if (!strcmp(event, "task.taken"))
			note_taken(c, r, node);
		else if (!strcmp(event, "task.released"))
			r->hold.holder[0] = 0;
	}
	on_id(c, id);
}

static void on_peer(void *arg, const char *name, int64_t seen_ms, const struct task_field *f,
		    size_t n)
{
	struct cluster *c = arg;

	if (strcmp(name, c->tasks->node))
		peers_hear(&c->peers, name, f, n, clock_us());
}

static void on_peers(void *arg, const char *error)
{
	struct cluster *c = arg;

	c->reading_peers = false;
}

static void read_others(struct tasks *ts, uint64_t now)
{
	struct cluster *c = ts->cluster;

	if (!c->reading_peers) {
		c->reading_peers = true;
		store_nodes_read(ts->store, on_peer, on_peers, c);
	}
	store_events_read(ts->store, c->last_event, on_event, c);
	if (now - c->pending_us < PENDING_US)
		return;
	c->pending_us = now;
	store_ids_read(ts->store, "mr:hooks:pending", on_pending, c);
}

/* ---- turns ---------------------------------------------------------------------------------------------- */

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct tasks *ts = arg;
	uint64_t now = clock_us();
	struct cluster *c = ts->cluster;
	struct relay *r, *next;
	size_t load;

	if (!ts->loaded)
		return;
	for (r = TAILQ_FIRST(&ts->all.list); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->hold.mine)
			keep(ts, r, now);
	}
	fence(ts);
	if (!store_ready(ts->store))
		return;
	load = tasks_running(ts);
	if (load != c->load) {
		c->load = load;
		c->beat(c->beat_arg);
	}
	peers_round(&c->peers);
	peers_set(&c->peers, ts->node, c->conf->cluster_region, load,
		  (uint64_t)c->conf->tasks_running, c->drained, now);
	TAILQ_FOREACH (r, &ts->all.list, link)
		if (!r->hold.mine)
			look_after(ts, r, now, &load);
	read_others(ts, now);
}

void cluster_poke(struct tasks *ts)
{
	event_active(ts->cluster->turn, EV_TIMEOUT, 0);
}

/* One task on its way from Redis. */
struct reread {
	struct cluster *cluster;
	void (*fn)(void *arg);
	void *arg;
};

static void on_reread(void *arg, const char *id, const struct task_field *f, size_t n)
{
	struct reread *rr = arg;

	on_fresh(rr->cluster, id, f, n);
	rr->fn(rr->arg);
	free(rr);
}

void tasks_reread(struct tasks *ts, const char *id, void (*fn)(void *arg), void *arg)
{
	struct reread *rr = calloc(1, sizeof(*rr));

	must(rr);
	*rr = (struct reread){ts->cluster, fn, arg};
	store_task_read(ts->store, id, on_reread, rr);
}

void cluster_begin(struct tasks *ts)
{
	struct cluster *c = ts->cluster;
	struct relay *r;

	c->beat(c->beat_arg);
	c->starting = 1;
	TAILQ_FOREACH (r, &ts->all.list, link) {
		c->starting++;
		/* Of a time before there were several nodes. */
		tasks_claim_keep(ts, r->task);
		take(ts, r, true);
	}
	start_answered(c);
}

void cluster_resume(struct tasks *ts)
{
	struct relay *r;

	TAILQ_FOREACH (r, &ts->all.list, link) {
		r->hold.renewing = false;
		/* What happened without Redis was written just now, but told to nobody. */
		if (r->hold.mine)
			tell_lease(ts, "task.taken", r->task->id);
	}
	store_ids_read(ts->store, "mr:tasks", on_id, ts->cluster);
	cluster_poke(ts);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static void name_owner(struct cluster *c, const char *node, const char *state_dir)
{
	char machine[64] = "", text[1200], hex[DIGEST_TEXT];
	FILE *f = fopen("/etc/machine-id", "re");

	if (f && !fgets(machine, sizeof(machine), f))
		machine[0] = 0;
	if (f)
		fclose(f);
	snprintf(text, sizeof(text), "%s %s", machine, state_dir);
	snprintf(c->owner, sizeof(c->owner), "%s/%.16s", node, digest_text(hex, text));
	for (char *p = c->owner; *p; p++)
		if (*p == ' ')
			*p = '_';
}

void tasks_join(struct tasks *ts, struct event_base *base, const struct config *conf,
		const char *state_dir, void (*beat)(void *arg), void *beat_arg)
{
	struct cluster *c = calloc(1, sizeof(*c));
	struct timeval tv;

	must(c);
	c->tasks = ts;
	c->conf = conf;
	c->beat = beat;
	c->beat_arg = beat_arg;
	c->peers.silence_us = SILENCE_US;
	c->lease_us = (uint64_t)conf->cluster_lease * 1000;
	name_owner(c, ts->node, state_dir);
	tv = (struct timeval){0, (suseconds_t)min_of(c->lease_us / TURNS, 999999u)};
	c->turn = event_new(base, -1, EV_PERSIST, on_turn, ts);
	must(c->turn && !event_add(c->turn, &tv));
	ts->cluster = c;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	event_free(c->turn);
	free(c);
}
