/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What FFmpeg's error codes mean to us. Its own texts are never shown: they may hold URLs.
 */
#ifndef WORKER_FAULT_H
#define WORKER_FAULT_H

#include <stdbool.h>

#include "controlplane/worker/job.h"

/* open: while connecting, where the same code means something else than later. */
void fault_of(struct fault *f, int averror, bool open);
__attribute__((format(printf, 3, 4))) void fault_set(struct fault *f, enum reason why,
						     const char *fmt, ...);

#endif
