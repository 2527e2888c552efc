/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits for a live channel's disk: segments on their way to the reel, which a thread of its own
 * feeds, so that a disk that stands still holds up neither the stream nor its reader.
 *
 * At most SPOOL_BYTES wait. What comes on top is left out and counted as not kept (-ETIMEDOUT), and a
 * discontinuity stands in its place.
 *
 * Threads: one owner; the reel is the spool's.
 */
#ifndef WORKER_SPOOL_H
#define WORKER_SPOOL_H

#include "controlplane/worker/reel.h"

#define SPOOL_BYTES (64u << 20)

struct spool;

struct spool *spool_new(struct reel *r);
/* As reel_put(), later. */
void spool_put(struct spool *s, int fd, int64_t begin_ms, int64_t duration_us, bool discontinuity);
struct reel_stats spool_stats(struct spool *s);
/* Waits until all is written, wait_us at most; what is left then is given up and counted. */
void spool_drain(struct spool *s, uint64_t wait_us);
/*
 * Drains no more. Closes the reel, or leaves thread and reel to the process's end where the disk still
 * stands still.
 */
void spool_free(struct spool *s);

#endif
