/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the store: leases of tasks, and what other nodes changed.
 *
 * mr:task:{id}:lease holds "<owner> <epoch>" and ends by itself. The epoch, mr:task:{id}:epoch, grows
 * whenever the lease is taken: writes of an owner whose epoch has passed are refused (store_save with
 * a lease). All of it is compare-and-set in Lua on keys of one hash tag. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_LEASE_H
#define CONTROLPLANE_STORE_REDIS_LEASE_H

#include "controlplane/store_redis.h"

/* What came of a try to take a lease; texts are borrowed. */
struct store_taken {
	const char *error; /* not NULL: nothing is known */
	uint64_t epoch;	   /* 0: another holds it */
	char holder[161];
	int64_t held_ms; /* by that one, unless it is renewed */
	const struct task_field *fields;
	size_t n; /* 0: there is no such task */
	const char *const *hooks;
	size_t hooks_n;
};

typedef void store_took(void *arg, const char *id, const struct store_taken *t);
typedef void store_renewed(void *arg, const char *id, bool known, bool held);
typedef void store_read_task(void *arg, const char *id, const struct task_field *f, size_t n);
typedef void store_read_event(void *arg, const char *entry, const struct task_field *f, size_t n);
typedef void store_read_id(void *arg, const char *id);

/* own: only if owner holds it already. fn is called once, from the loop. */
void store_lease_take(struct store *s, const char *id, const char *owner, int64_t lease_ms,
		      bool own, store_took *fn, void *arg);
/* Also of one that ended while nobody else took it. */
void store_lease_renew(struct store *s, const char *id, const char *lease, int64_t lease_ms,
		       store_renewed *fn, void *arg);
/* It ends after ms, unless another has it. */
void store_lease_end(struct store *s, const char *id, const char *lease, int64_t ms);
/* Reads one task; f is NULL where Redis is away, fn is called once, then perhaps from within. */
void store_task_read(struct store *s, const char *id, store_read_task *fn, void *arg);
/* Entries of mr:events after that one, 200 at most; "": only the newest, or "0-0" where there is none. */
void store_events_read(struct store *s, const char *after, store_read_event *fn, void *arg);
/* The ids in a set or sorted set of ids. */
void store_ids_read(struct store *s, const char *key, store_read_id *fn, void *arg);

#endif
