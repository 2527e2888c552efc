/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The legs of tasks: what should be there, what is, and the commands between. The pull of a task whose
 * source the data plane cannot read is a worker (controlplane/jobs.h); all other legs are on the data
 * plane.
 *
 * Level-triggered: every RECONCILE_MS, and whenever the data plane came back, its lists are compared
 * with what tasks want (machine_wants); between, events keep the picture fresh. A leg belongs to one
 * attempt; one of another attempt is removed before the next is made. Legs of tasks that do not exist
 * are removed. Nothing is touched before reconcile_begin(): the tasks must be known first.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_RECONCILE_H
#define CONTROLPLANE_RECONCILE_H

#include "controlplane/dp.h"
#include "controlplane/jobs.h"
#include "controlplane/machine.h"

#define RECONCILE_MS 5000
#define DP_GONE_US   2000000 /* away for longer than this: running tasks are recovering */

struct assets;
struct config;
struct event_base;
struct jobs;
struct reconcile;

struct leg {
	enum leg_state state;
	enum reason reason; /* of FAILED */
	char detail[160];
	unsigned attempt; /* 0: not one that a task wants */
	bool busy;	  /* a command is unanswered */
	bool removing;	  /* and it is a removal */
	bool listed;	  /* seen in the list that is being read */
	uint64_t command; /* number of the last command: lists asked for before it say nothing */
	int64_t slot;	  /* in shared memory; -1: not known */
	struct job_progress progress; /* of a worker */
};

/* What this module needs to know of a task. */
struct legs {
	struct leg leg[LEGS];
	struct leg *more; /* of several destinations: from leg number LEGS on; else NULL */
};

struct reconcile_ops {
	/* The task and its legs; false: no such task. */
	bool (*find)(void *arg, const char *task_id, const struct task **t, struct legs **legs);
	/* Calls back with every task. */
	void (*each)(void *arg, void (*fn)(void *fn_arg, const struct task *t, struct legs *l),
		     void *fn_arg);
	/* Something changed for one task, or (NULL) for all. */
	void (*changed)(void *arg, const char *task_id);
	/* From a worker that plays a list of files. */
	void (*position)(void *arg, const char *task_id, const struct job_progress *p);
	void (*skipped)(void *arg, const char *task_id, int64_t file, const char *reason,
			const char *detail);
	/* It plays the list that waited. */
	void (*list)(void *arg, const char *task_id);
	/* From one with several sources: which is shown now. */
	void (*source)(void *arg, const char *task_id, int64_t number, const char *reason);
};

void legs_init(struct legs *l);
void legs_fini(struct legs *l);
/* Leg by number, below LEGS_MAX; made where it was not there. */
struct leg *legs_at(struct legs *l, unsigned leg);
/* NULL: it never was there. */
const struct leg *legs_seen(const struct legs *l, unsigned leg);

struct reconcile *reconcile_new(struct event_base *base, struct dp *dp,
				const struct reconcile_ops *ops, void *arg);
/* For jobs_new(); arg is the struct reconcile. */
extern const struct jobs_ops reconcile_jobs_ops;
void reconcile_connect(struct reconcile *r, struct jobs *jobs, const struct assets *assets,
		       const struct config *conf);
void reconcile_free(struct reconcile *r);
/* All tasks are loaded. */
void reconcile_begin(struct reconcile *r);
/* From the data plane's client. */
void reconcile_up(struct reconcile *r);
void reconcile_down(struct reconcile *r);
void reconcile_event(struct reconcile *r, const char *name, json_t *event);
enum dp_view reconcile_dp_view(const struct reconcile *r);
/* The legs as the machine sees them. */
void reconcile_view(const struct reconcile *r, const struct task *t, const struct legs *l,
		    struct task_view *v);
/* Sends what brings the legs of this task nearer to what it wants. */
void reconcile_task(struct reconcile *r, const struct task *t, struct legs *l);
/* push.until of ctl.def; 0: no end. Said again when the data plane is back. */
void reconcile_push_until(struct reconcile *r, uint64_t until_us);
/* The task is gone: so must be its legs. */
void reconcile_forget(struct reconcile *r, const struct task *t);

#endif
