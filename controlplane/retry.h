/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a task that failed is tried again (interop P1, P2).
 *
 *   fixed        RetryInterval, as the API's documentation has it
 *   exponential  RetryInterval doubled by every retry, at most RetryMaxInterval, minus up to a quarter so
 *                that tasks which failed together do not come back together; a reason that is final
 *                (reasons.def) waits RetryMaxInterval from the first time on
 *
 * The jitter comes from the task and the retry, not from chance. Threads: pure, any.
 */
#ifndef CONTROLPLANE_RETRY_H
#define CONTROLPLANE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/model.h"

#define RETRY_MAX_S_DEFAULT 300

/* May it be tried again after so many retries? A RetryCount of -1 allows any number of retries. */
bool retry_left(const struct task *t, int64_t used);
/* From the failure to the retry, for the retry that comes after so many others. */
int64_t retry_wait_ms(const struct task *t, int64_t used, enum reason reason);
/* No wait is longer. */
int64_t retry_longest_ms(const struct task *t);

#endif
