/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of tasks.h: what its files share. */
#ifndef CONTROLPLANE_TASKS_IN_H
#define CONTROLPLANE_TASKS_IN_H

#include "controlplane/store_redis_lease.h"
#include "controlplane/tasks.h"

/* A task that must not be in Redis, and may be. */
struct tomb {
	TAILQ_ENTRY(tomb) link;
	char id[64], lease[LEASE_TEXT];
};

struct tasks {
	struct hooks *hooks;
	struct store *store;
	struct reconcile *reconcile;
	const char *node;
	struct event *wake_timer, *resave;
	struct wallclock *wallclock;
	struct schedule wakes;
	struct relays all;
	LIST_HEAD(, relay) wishing; /* few of many */
	TAILQ_HEAD(, tomb) tombs;
	tasks_scheduled *scheduled; /* NULL: nobody is told */
	void *scheduled_arg;
	bool loaded;
	struct cluster *cluster; /* NULL: one node, which has every task */
};

/* Out of the table; wishes that waited for it do not find it any more. */
void tasks_relay_end(struct tasks *ts, struct relay *r);
/* Everything that follows from how things are; r may be gone afterwards. */
void tasks_step(struct tasks *ts, struct relay *r);
/* The tasks of this node are known: they begin. */
void tasks_begin(struct tasks *ts);
/* Something changed for one task, or (NULL) for all; arg is the struct tasks. */
void tasks_changed(void *arg, const char *id);
/* It is to be done: media flows, or should. */
static inline bool task_is_active(const struct task *t)
{
	return t->state == TASK_STARTING || t->state == TASK_RUNNING || t->state == TASK_RECOVERING;
}
/* NULL: these fields are no task. */
struct task *tasks_read(const char *id, const struct task_field *f, size_t n);

/* ---- tasks_save.c ------------------------------------------------------------------------------- */

/* Writes what is to become true; lease: of the writer, "" for a creation. */
void tasks_save_wish(struct tasks *ts, const struct task *next, bool remove, const char *lease,
		     const struct hook *hook, store_done *done, void *arg);
/* Writes what is true, behind. hook: the one callback that belongs to the change, or NULL. */
void tasks_save(struct tasks *ts, const struct relay *r, const struct hook *hook);
/* The task is over, whatever Redis does: it is removed there now or when Redis is back. */
void tasks_bury(struct tasks *ts, const struct relay *r, const struct hook *hook);
/* Writes again what Redis does not have; every: it may have nothing of it. */
void tasks_resave(struct tasks *ts, bool every);
/* Callbacks of tasks that are gone. */
void tasks_resave_orphans(struct tasks *ts);
void tasks_tombs_free(struct tasks *ts);

/* ---- tasks_claim.c, all of it only with ts->cluster ---------------------------------------------- */

/* All destinations of next; was: the task as it is, NULL for a creation. done gets TASKS_DST_TAKEN. */
void tasks_claim_wish(struct tasks *ts, const struct task *was, const struct task *next,
		      tasks_done *done, void *arg);
/* They are the task's until they are given up. */
void tasks_claim_keep(struct tasks *ts, const struct task *t);
/* Those of was that next (NULL: the task is over) does not have. */
void tasks_claim_end(struct tasks *ts, const struct task *was, const struct task *next);

/* ---- tasks_cluster.c, all of it only with ts->cluster -------------------------------------------- */

/* Whether this node may act for the task now. */
bool cluster_mine(const struct tasks *ts, const struct relay *r);
/* The store is loaded: takes back what this node had, then tasks_begin(). */
void cluster_begin(struct tasks *ts);
uint64_t cluster_room(const struct tasks *ts);
/* Redis is back. */
void cluster_resume(struct tasks *ts);
/* A task was made or changed: do not wait for the next turn. */
void cluster_poke(struct tasks *ts);
void cluster_free(struct cluster *c);

#endif
