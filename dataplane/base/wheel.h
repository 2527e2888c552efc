/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of one thread: a hashed timing wheel with coarse slots.
 *
 * A timer is embedded in what it belongs to. It fires at or after its deadline, at most one slot
 * (WHEEL_SLOT_US) late when wheel_poll() is called on time, never early. Arming an armed timer
 * moves it; a later deadline costs nothing until the old slot comes (lazy re-arm).
 * A callback may arm and cancel any timer, its own too.
 *
 * Threads: one owner. No clock inside: `now` is an argument.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOT_US 4096u
#define WHEEL_SLOTS   4096u /* one turn: 16.8 s; longer timers ride several turns */

struct timer {
	struct timer *next, **prev; /* in a slot; prev NULL: not armed */
	uint64_t deadline_us;
	uint64_t slot; /* number of the slot it waits in: at or before its deadline's */
	void (*fire)(struct timer *, uint64_t now_us);
};

struct wheel {
	struct timer *slot[WHEEL_SLOTS];
	uint64_t busy[WHEEL_SLOTS / 64]; /* one bit per slot that holds timers */
	uint64_t done;			 /* number of the last slot that was served */
	uint32_t armed;
};

void wheel_init(struct wheel *w, uint64_t now_us);
/* fire must be set. A deadline in the past fires at the next poll. */
void wheel_arm(struct wheel *w, struct timer *t, uint64_t deadline_us);
void wheel_cancel(struct wheel *w, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
	return t->prev != 0;
}
/* Fires what is due, returns how many. */
unsigned wheel_poll(struct wheel *w, uint64_t now_us);
/* When to poll next: nothing fires earlier (and perhaps nothing then); UINT64_MAX if none is armed. */
uint64_t wheel_next(const struct wheel *w, uint64_t now_us);

#endif
