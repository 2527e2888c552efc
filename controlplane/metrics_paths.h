/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /metrics says of the paths to peers, of programs in the kernel, and the data plane's histograms.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_METRICS_PATHS_H
#define CONTROLPLANE_METRICS_PATHS_H

#include "controlplane/metrics_text.h"
#include "controlplane/shm.h"

/* One stream that has series of its own. */
struct metrics_path {
	const char *name;
	struct shm_paths paths;
	struct shm_hist join, lag;
};

void metrics_node_paths(const struct shm *shm, struct evbuffer *out);
void metrics_stream_paths(const struct metrics_path *p, size_t n, struct evbuffer *out);

#endif
