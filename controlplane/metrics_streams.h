/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of streams and their domains.
 *
 * The streams with the highest bit rates have series of their own, as many as `most`; gauges of all
 * others are summed as stream="rest". Counters have no rest: a stream that moves in or out would
 * look like a counter that jumps. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_METRICS_STREAMS_H
#define CONTROLPLANE_METRICS_STREAMS_H

#include <stdbool.h>

#include "controlplane/metrics_text.h"
#include "controlplane/shm.h"
#include "controlplane/streams.h"

/* only: NULL, or the streams that are asked for (metrics_stream_wanted). */
void metrics_streams(const struct shm *shm, const struct streams *words, const char *only,
		     size_t most, struct evbuffer *out);
/* only is a stream's name, or the beginning of names with a '*' behind it. */
bool metrics_stream_wanted(const char *name, const char *only);

#endif
