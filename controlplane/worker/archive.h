/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments kept as files (hls.folder), beside the live playlists.
 *
 *   FOLDER/DOMAIN/APP/NAME/20260131T120000Z-17/   one packaging run, by its time and first number
 *       index.m3u8                                EVENT while it grows, VOD with an end after it
 *       17.ts 18.ts ...  init-1.mp4  key-17
 *
 * Each file is written under another name, synced, renamed; a playlist names only what is there. So
 * a kill at any moment leaves a set that plays. A thread of its own does it: disks may be slow or
 * full. What does not fit into its bounded queue is left out and counted, and a run goes on after
 * it behind a discontinuity; packaging never waits.
 * Threads: the packaging thread calls; archive_stats() too.
 */
#ifndef WORKER_ARCHIVE_H
#define WORKER_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "api/reasons.h"

struct archive;

struct archive_segment {
	int64_t seq, duration_us, pdt_ms;
	int64_t init, key; /* 0: none */
	char iv[33];
	bool fmp4, discontinuity;
};

struct archive_stats {
	uint64_t files, bytes, failed; /* failed: not kept, for whatever reason */
	enum reason reason;	       /* of the last failure */
};

/* retain_ms: how long files stay. NULL: the folder cannot be written. */
struct archive *archive_new(const char *folder, int64_t retain_ms);
/* Waits for what is queued, a bounded while. */
void archive_free(struct archive *a);
/* A new run of a stream (domain/app/name); its number for the calls below. */
uint64_t archive_begin(struct archive *a, const char *stream, int64_t first_seq, int64_t target_ms);
/* fd stays the caller's. */
void archive_init_section(struct archive *a, uint64_t run, int64_t init, int fd);
void archive_key(struct archive *a, uint64_t run, int64_t key, int fd);
void archive_put(struct archive *a, uint64_t run, const struct archive_segment *s, int fd);
void archive_end(struct archive *a, uint64_t run);
void archive_stats(struct archive *a, struct archive_stats *out);

#endif
