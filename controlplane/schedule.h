/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wakes up when: a binary heap of wakes, each embedded in what it wakes.
 *
 * No clock inside: `now` and deadlines are microseconds of whatever clock the caller uses.
 * Invariant: a wake is in the heap exactly once or not at all (slot 0). Threads: one owner.
 */
#ifndef CONTROLPLANE_SCHEDULE_H
#define CONTROLPLANE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct wake {
	uint64_t at_us;
	size_t slot; /* place in the heap, from 1; 0: not in it */
};

struct schedule {
	struct wake **heap;
	size_t n, cap;
};

void schedule_fini(struct schedule *s);
/* Adds w, or moves it. */
void schedule_set(struct schedule *s, struct wake *w, uint64_t at_us);
/* Fine where w is not in it. */
void schedule_del(struct schedule *s, struct wake *w);
/* Takes out the earliest one that is due, NULL if none is. */
struct wake *schedule_pop(struct schedule *s, uint64_t now_us);
/* UINT64_MAX where nothing waits. */
uint64_t schedule_next(const struct schedule *s);

#endif
