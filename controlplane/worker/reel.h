/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live channel's objects: segments, the playlist of the newest, and the index of all.
 *
 *   FOLDER/1543895706266.ts  FOLDER/playlist.m3u8  FOLDER/.index (base/segindex.h)
 *
 * Each file is written under a name that is no object's, synced and renamed, and the playlist names
 * only what is there: a kill at any moment leaves a set that plays. A new run goes on where the last
 * one ended, behind a discontinuity. One process at a time writes a folder (-EWOULDBLOCK else).
 *
 * Threads: one owner; calls wait for the disk.
 */
#ifndef WORKER_REEL_H
#define WORKER_REEL_H

#include <stdbool.h>
#include <stdint.h>

#define REEL_WINDOW_MAX 100

struct reel;

struct reel_stats {
	uint64_t files, bytes, failed; /* failed: segments that were not kept */
	int error;		       /* -errno of the last of them */
};

/* The folder must be there. NULL with -errno in *error. */
struct reel *reel_open(const char *folder, const char *playlist, unsigned window, int *error);
void reel_close(struct reel *r);
/* A segment, the bytes of fd (the caller's); -1: there was no memory for it. */
void reel_put(struct reel *r, int fd, int64_t begin_ms, int64_t duration_us, bool discontinuity);
const struct reel_stats *reel_stats(const struct reel *r);

#endif
