/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of bpf/ that the data plane uses: tcpstat counts by stream, trace
 * measures connecting and stalls, steer chooses cores,
 * lookup brings many addresses to few listeners (lookup.h).
 *
 *   kernel_open --listeners opened--> kernel_steer --privileges dropped--> kernel_poll ... --> kernel_close
 *
 * All are optional: what cannot be loaded is said once, with the reason, and the rest runs without.
 *
 * Threads: main, but kernel_poll() is the control thread's, between the second and the last.
 */
#ifndef DATAPLANE_KERNEL_H
#define DATAPLANE_KERNEL_H

#include "core/core.h"
#include "session/listeners.h"

/* Before listeners are opened: sockets are counted by the cgroup in which they were made, which after an
 * upgrade is that of the process before this one; cgroup "": there is none. */
void kernel_open(const struct config *conf, const char *cgroup);
/* Where sockets are counted, "": nowhere. */
const char *kernel_cgroup(void);
/* cpu[]: of each core, -1 where it is not pinned. */
void kernel_steer(struct engine *e, const struct listeners *l, const int *cpu);
/* Once a second is enough: what the programs counted goes into shared memory. */
void kernel_poll(void *engine);
/* The listeners are another process's now: they are no longer steered by this one. Control thread. */
void kernel_let_go(void);
void kernel_close(void);

#endif
