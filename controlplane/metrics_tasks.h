/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of relay tasks and their legs. Threads: the event loop's. */
#ifndef CONTROLPLANE_METRICS_TASKS_H
#define CONTROLPLANE_METRICS_TASKS_H

#include "controlplane/metrics_text.h"
#include "controlplane/shm.h"
#include "controlplane/tasks.h"

/* At most `most` tasks get series of their own. shm may be NULL. */
void metrics_tasks(struct tasks *tasks, const struct shm *shm, size_t most, struct evbuffer *out);

#endif
