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
 * Sends that outlive their turn (the user-space TCP's, until they are acknowledged) hold the quiet
 * point back: a core passes it as far as quiet_now() was when its oldest one was chosen, and does not
 * sleep meanwhile.
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
/* The same, but not beyond `most`, an earlier quiet_now() of this core. */
void quiet_pass_to(struct quiet *q, unsigned core, uint64_t most);
/* What is chosen to be read from here on was not unpublished at this stamp or before. */
uint64_t quiet_now(struct quiet *q);
void quiet_sleep(struct quiet *q, unsigned core);
void quiet_wake(struct quiet *q, unsigned core); /* nothing where it is awake */
/* A stamp for what was unpublished before this call. */
uint64_t quiet_stamp(struct quiet *q);
bool quiet_passed(const struct quiet *q, uint64_t stamp);

#endif
