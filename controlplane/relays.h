/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of relay tasks: by id, by destination, in order of creation.
 *
 * Invariant: ids are unique; the task of a relay in the table is replaced only by relays_swap().
 * Destinations are unique too, but for moments in which another node gave one to another task.
 * Threads: one owner.
 */
#ifndef CONTROLPLANE_RELAYS_H
#define CONTROLPLANE_RELAYS_H

#include <sys/queue.h>

#include "controlplane/reconcile.h"
#include "controlplane/schedule.h"

/* Somebody who waits until what is being written is settled. */
struct waiter {
	STAILQ_ENTRY(waiter) link;
	void (*fn)(void *arg);
	void *arg;
};

#define LEASE_TEXT 128

/* Of several nodes: whether this one has the task. Times are of the monotonic clock. */
struct hold {
	bool mine, taking, renewing;
	bool pending;			/* it has undelivered callbacks */
	uint64_t until_us;		/* mine: not after this time */
	uint64_t asked_us, renewing_us; /* the last try to take, to renew */
	uint64_t retry_us;		/* no try to take before */
	uint64_t need_us;		/* since when somebody should have it; 0: nobody need */
	char lease[LEASE_TEXT];		/* "<owner> <epoch>" of the last time */
	char holder[72];		/* the node that had it when we tried */
};

struct relay;

/* A destination that is taken. */
struct claim {
	const char *url; /* of the relay's task */
	struct relay *relay;
};

/* One task and what this process knows about it. */
struct relay {
	struct task *task;
	struct task *wish; /* being written to Redis; NULL: nothing is */
	struct legs legs;
	struct wake wake;
	struct claim *claim; /* its destinations */
	unsigned claims;
	bool unborn; /* the wish is the creation: only the destination counts yet */
	struct hold hold;
	bool dirty; /* Redis does not have what is true */
	STAILQ_HEAD(, waiter) waiters;
	TAILQ_ENTRY(relay) link;   /* oldest first */
	LIST_ENTRY(relay) wishing; /* while it has a wish */
};

struct relays {
	void *by_id, *by_dst; /* tsearch trees of struct relay, of struct claim */
	TAILQ_HEAD(relay_list, relay) list;
	size_t n;
};

void relays_init(struct relays *rs);
struct relay *relays_find(const struct relays *rs, const char *id);
struct relay *relays_by_dst(const struct relays *rs, const char *dst_url);
/* Another relay, which has one of t's destinations. */
struct relay *relays_rival(const struct relays *rs, const struct task *t);
/* Takes t; its id must not be there. */
struct relay *relays_add(struct relays *rs, struct task *t);
/* Frees r and its task. Nobody may be waiting. */
void relays_del(struct relays *rs, struct relay *r);
/* Takes next, frees what was; the id is the same. */
void relays_swap(struct relays *rs, struct relay *r, struct task *next);

void relay_wait(struct relay *r, void (*fn)(void *arg), void *arg);
/* Takes the waiters off r and calls them; they may end r. */
void relay_wake(struct relay *r);

#endif
