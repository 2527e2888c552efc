/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of a task from the slots of its legs in shared memory.
 */
#ifndef CONTROLPLANE_NUMBERS_H
#define CONTROLPLANE_NUMBERS_H

#include "controlplane/relays.h"
#include "controlplane/shm.h"
#include "controlplane/view.h"

/* shm may be NULL: then there are none. */
void numbers_of(const struct shm *shm, const struct relay *r, uint64_t now_us,
		struct task_numbers *out);
/* One leg's slot; false: it has none. shm may be NULL. */
bool numbers_of_leg(const struct shm *shm, const struct relay *r, unsigned leg,
		    struct shm_relay_view *v);
/* Milliseconds since a moment of the monotonic clock; -1 for a moment of 0. */
int64_t numbers_age_ms(uint64_t moment_us, uint64_t now_us);

#endif
