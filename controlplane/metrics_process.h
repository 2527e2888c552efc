/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says about a process of ours: CPU time, memory, file descriptors.
 *
 * Threads: any.
 */
#ifndef CONTROLPLANE_METRICS_PROCESS_H
#define CONTROLPLANE_METRICS_PROCESS_H

#include <stdbool.h>

/* -1: not to be had (another user's process does not show its descriptors). */
struct process_view {
	double cpu_s, resident_bytes, open_fds, max_fds;
};

/* false: there is no such process. */
bool process_read(int pid, struct process_view *out);

#endif
