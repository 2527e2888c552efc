/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics (Prometheus text format 0.0.4), GET /healthz, and METRICS.md.
 *
 * Numbers of the data plane come from shared memory at the moment of the question. Threads: the event
 * loop's; metrics_label and metrics_doc are pure.
 */
#ifndef CONTROLPLANE_METRICS_H
#define CONTROLPLANE_METRICS_H

#include <stdio.h>

#include "controlplane/cp.h"

void metrics_handle(struct cp *cp, struct http_call *c);
/* 200 while the data plane and Redis are connected, otherwise 503; the body says which. */
void metrics_health(struct cp *cp, struct http_call *c);
/* A label's value with \, " and line ends escaped and bytes that are not UTF-8 as %XX; returns dst. */
const char *metrics_label(char *dst, size_t n, const char *text);
/* METRICS.md. */
void metrics_doc(FILE *to);

#endif
