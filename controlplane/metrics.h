/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics and GET /healthz.
 *
 * Numbers of the data plane come from shared memory at the moment of the question. How many series
 * there can be is bounded by metrics.streams_max (METRICS.md). Threads: the event loop's.
 */
#ifndef CONTROLPLANE_METRICS_H
#define CONTROLPLANE_METRICS_H

#include "controlplane/cp.h"
#include "controlplane/metrics_text.h"

void metrics_handle(struct cp *cp, struct http_call *c);
/* 200 while the data plane and Redis are connected, otherwise 503; the body says which. */
void metrics_health(struct cp *cp, struct http_call *c);

#endif
