/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quiet points: when memory that other cores may be reading can be used again.
 *
 * A core that may hold pointers into shared memory is "in"; at the end of each turn of its loop it
 * passes a quiet point: it holds none. Something unpublished at stamp s may be reused once every
 * core has passed a point, or slept, after s. (Quiescent-state-based reclamation.)
 *
 *   s = quiet_stamp()  after unpublishing;  later: quiet_passed(s) -> reuse
 *
 * Threads: quiet_pass/_sleep/_wake by the core itself; quiet_stamp and quiet_passed by anybody.
 * A core must not sleep with a send in flight that the kernel reads from shared memory; sends that
 * outlive the turn (zero copy) are held back by wlog_hold() instead.
 */
#ifndef CORE_QUIET_H
#define CORE_QUIET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define QUIET_CORES_MAX 256

struct quiet {
	_Atomic uint64_t now;
	unsigned cores;
	struct {
		_Atomic uint64_t seen; /* UINT64_MAX: asleep */
	} __attribute__((aligned(64))) core[QUIET_CORES_MAX];
};

void quiet_init(struct quiet *q, unsigned cores); /* every core asleep */
void quiet_pass(struct quiet *q, unsigned core);
void quiet_sleep(struct quiet *q, unsigned core);
void quiet_wake(struct quiet *q, unsigned core); /* nothing where it is awake */
/* A stamp for what was unpublished before this call. */
uint64_t quiet_stamp(struct quiet *q);
bool quiet_passed(const struct quiet *q, uint64_t stamp);

#endif
