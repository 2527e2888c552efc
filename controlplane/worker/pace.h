/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real time for a time line: when a frame is due on the monotonic clock.
 *
 * A source that was late by more than PACE_LATE_US moves the line instead of being followed by a
 * burst (interop M23). Threads: pure, any.
 */
#ifndef WORKER_PACE_H
#define WORKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_LATE_US 2000000

struct pace {
	bool begun;
	uint64_t zero_us; /* the clock when the line was at 0 */
};

static inline uint64_t pace_due_us(struct pace *p, int64_t dts_us, uint64_t now_us)
{
	uint64_t due;

	if (!p->begun)
		p->zero_us = now_us - (uint64_t)dts_us;
	p->begun = true;
	due = p->zero_us + (uint64_t)dts_us;
	if (now_us > due + PACE_LATE_US) {
		p->zero_us += now_us - due;
		due = now_us;
	}
	return due;
}

#endif
