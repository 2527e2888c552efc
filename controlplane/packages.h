/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which streams are packaged as HLS, and by which worker.
 *
 *   (none) --it is live (hls.mode always), or asked for (on_demand)--> reading its numbers
 *   reading --> placed --it ended, nobody asks--> (none)
 *   placed --its worker is gone--> waiting --soon--> placed
 *   placed --it cannot be carried--> failed --after a while--> (none)
 *
 * Media and discontinuity sequence never go back (interop L1): the data plane knows them of streams that
 * it still holds, Redis of all others. A stream whose worker was lost twice gets one of its own, so
 * that what kills a worker takes no others along.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_PACKAGES_H
#define CONTROLPLANE_PACKAGES_H

#include "controlplane/cp.h"

struct packages;

struct packages_count {
	size_t placed, waiting, failed, workers;
	uint64_t segments, bytes, dropped, failures, workers_lost;
	uint64_t files, files_bytes, files_failed; /* hls.folder */
};

/* program: path of millrace-worker. */
struct packages *packages_new(struct cp *cp, const char *program);
/* After the data plane's client and the store are freed. */
void packages_free(struct packages *ps);
/* The data plane is there, with what it holds; or away, with its channels. */
void packages_up(struct packages *ps);
void packages_down(struct packages *ps);
/* stream.publish, hls.wanted and hls.idle; others are passed over. */
void packages_event(struct packages *ps, const char *name, const json_t *event);
struct packages_count packages_count(const struct packages *ps);
/* A new list for the owner: {"stream","state","reason","detail",...}. */
json_t *packages_list(const struct packages *ps);

#endif
