/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The destinations of a task that has several (DstUrls): each with a state, retries and reasons of its
 * own, so that one that is dead or slow changes nothing for the others (interop P8).
 *
 *   Trying --its push runs--> Running --it failed--> Retrying --its time came--> Trying
 *   Trying, Running --failed and no retry left--> Failed, until the task is started again
 *   Running --the data plane has no such push any more--> Trying
 *
 * Number 0 is DstUrl, the others are DstUrls in their order. RetryCount, RetryInterval and the policy are
 * the task's and count for each destination by itself. The task runs while one of them does, and its
 * retries are used up when all of them have Failed (machine.h). Threads: pure, any.
 */
#ifndef CONTROLPLANE_DESTS_H
#define CONTROLPLANE_DESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/reasons.h"

#define DESTS_MAX 8 /* of one task */

enum dest_state { DEST_TRYING, DEST_RUNNING, DEST_RETRYING, DEST_FAILED, DEST_STATES };

enum dest_event {
	DEST_RUNS,
	DEST_FAILS,    /* and a retry is left */
	DEST_GIVES_UP, /* it failed and none is left */
	DEST_RETRY_DUE,
	DEST_LOST, /* there is no such push any more */
	DEST_STABLE,
	DEST_EVENTS,
};

struct dest {
	char *url, *reason, *detail; /* never NULL */
	enum dest_state state;
	int64_t retries;
	int64_t next_try_ms, running_ms; /* wall clock; 0: neither waiting nor running */
	/* Of this process only. */
	int64_t next_try_us, running_us;
	unsigned attempt; /* number of the present try, from 1 */
};

struct effects;
struct leg_view;
struct task;
struct task_view;

const char *dest_state_name(enum dest_state s);
/* -1: the event means nothing in this state. */
int dest_after_event(enum dest_state s, enum dest_event e);

/* Where the task pushes to: at least one, n below dests_count(). */
unsigned dests_count(const struct task *t);
const char *dests_url(const struct task *t, unsigned n);

/*
 * t->dest as t->dst_url and t->dst_urls say; destinations that were there keep their state. With a single
 * destination there is no t->dest, and the task's own state says all.
 */
void dests_build(struct task *t);
/* The stored states (t->dst_states) into t->dest. now: both clocks. */
void dests_load(struct task *t, int64_t now_ms, int64_t now_us);
void dests_copy(struct task *to, const struct task *from);
void dests_free(struct task *t);

/* A new start of the task: everything is tried anew. */
void dests_start(struct task *t);
/* Nothing is to run any more; what each said last stays. */
void dests_halt(struct task *t);
/* One transition of one destination of a task that is at work; false: nothing follows. */
bool dests_step(struct task *t, const struct task_view *v, struct effects *fx);
/* All destinations as if they were one push: running where one does, failed where all have. */
struct leg_view dests_view(const struct task *t);
/* The first that says why it does not run. */
const struct dest *dests_culprit(const struct task *t);
/* The attempt of its push that should be there; 0: none should. */
unsigned dests_wants(const struct task *t, unsigned n);
int64_t dests_wake_us(const struct task *t);

#endif
