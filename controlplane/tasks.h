/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tasks of this node: the one place where they live, change, are saved and are told about.
 *
 * A wish (create, change, stop, delete) is worked out on a copy, written to Redis, and becomes true
 * only when Redis confirmed it; until then the task stands still and other wishes for it wait. What
 * happens by itself (media flows, a leg failed, a time came) becomes true at once and is saved
 * behind: if Redis is away, it is written when it is back.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_TASKS_H
#define CONTROLPLANE_TASKS_H

#include "controlplane/hooks.h"
#include "controlplane/relays.h"
#include "controlplane/store_redis.h"

struct tasks;

/*
 * How errors begin: a destination is another task's on some node, its number and that task's id
 * follow; the id is taken.
 */
#define TASKS_DST_TAKEN "TAKEN "
#define TASKS_ID_TAKEN	"BUSY "

/* error: NULL, or why nothing changed. Called once, from the loop or, without Redis, from within. */
typedef void tasks_done(void *arg, const char *error);

struct tasks *tasks_new(struct event_base *base, struct hooks *hooks, const char *node);
/*
 * Of several nodes on one Redis (cluster.enabled): each task is done by the node that holds its lease.
 * A node takes tasks that have something to do, are of its regions and fit in (tasks.running), the
 * emptiest node first (peers.h); renews three times a lease; and stops at the end of a lease that it
 * could not renew, an eighth early, as its data plane does by itself. beat: this node's heartbeat
 * has changed. Before tasks_connect().
 */
void tasks_join(struct tasks *ts, struct event_base *base, const struct config *conf,
		const char *state_dir, void (*beat)(void *arg), void *beat_arg);
/* Gives all tasks to other nodes and takes no more (on), or takes part again. */
void tasks_drain(struct tasks *ts, bool on);
bool tasks_drained(const struct tasks *ts);
/* How many tasks this node has to do now. */
size_t tasks_running(const struct tasks *ts);
/* How many tasks there may be, here or on all nodes together. */
uint64_t tasks_room(const struct tasks *ts, const struct config *conf);
/* The node that has the task now, as far as is known; "": none. */
const char *tasks_node(const struct tasks *ts, const struct relay *r);
/* Reads the task as another node left it, then calls fn, also where it can not. */
void tasks_reread(struct tasks *ts, const char *id, void (*fn)(void *arg), void *arg);
/* Whether this node may change the task now; r->hold.holder: who could, when it was last asked. */
bool tasks_is_mine(const struct tasks *ts, const struct relay *r);
/* Tries to become that; then those who wait for r are called. */
void tasks_claim(struct tasks *ts, struct relay *r);
/* From here on nothing happens by itself; wishes that are open still end. */
void tasks_stop(struct tasks *ts);
/* After the store and the data plane's client are freed. */
void tasks_free(struct tasks *ts);
/*
 * A task began or ended because its time came: `before` it and `after` (view_audit(); NULL: it is gone),
 * both borrowed.
 */
typedef void tasks_scheduled(void *arg, const char *id, json_t *before, json_t *after);
void tasks_watch(struct tasks *ts, tasks_scheduled *fn, void *arg);
void tasks_connect(struct tasks *ts, struct store *store, struct reconcile *reconcile);

/* For the store (store_ops) and for reconcile (reconcile_ops); arg is the struct tasks. */
extern const struct store_ops tasks_store_ops;
extern const struct reconcile_ops tasks_reconcile_ops;
/* The first load is complete: tasks can be asked for. */
bool tasks_loaded(const struct tasks *ts);

size_t tasks_count(const struct tasks *ts);
/* NULL where there is none; one that is not born yet is not found. */
struct relay *tasks_find(struct tasks *ts, const char *id);
/* As tasks_find(), or one that is not born yet. */
struct relay *tasks_claimed(struct tasks *ts, const char *id);
/* Its deletion is not confirmed by Redis yet: nothing new may have the id. */
bool tasks_is_leaving(struct tasks *ts, const char *id);
/* Whose destination it is or is about to be, unborn ones included. */
struct relay *tasks_by_dst(struct tasks *ts, const char *dst_url);
/* Oldest first; unborn ones are left out. */
struct relay *tasks_first(struct tasks *ts);
struct relay *tasks_next(struct relay *r);
struct relay *tasks_last(struct tasks *ts);
struct relay *tasks_prev(struct relay *r);
void tasks_view(struct tasks *ts, const struct relay *r, struct task_view *v);

/* Takes t, with its id set. */
void tasks_create(struct tasks *ts, struct task *t, tasks_done *done, void *arg);
/* r->wish must be NULL (see relay_wait). Takes next; fx: what follows from the change. */
void tasks_commit(struct tasks *ts, struct relay *r, struct task *next, const struct effects *fx,
		  tasks_done *done, void *arg);

#endif
