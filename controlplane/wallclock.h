/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells when the wall clock was set: an NTP step, an operator, a guest that was resumed (interop P11).
 *
 * Timers of the loop run on the monotonic clock, so what is due by the wall clock is looked at again
 * then. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_WALLCLOCK_H
#define CONTROLPLANE_WALLCLOCK_H

struct event_base;
struct wallclock;

typedef void wallclock_set(void *arg);

/* NULL with errno where the system has no such timer. */
struct wallclock *wallclock_new(struct event_base *base, wallclock_set *fn, void *arg);
void wallclock_free(struct wallclock *w);

#endif
