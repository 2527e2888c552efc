/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packaging run in its folder (archive.h has the layout): files that appear whole, and their
 * playlist.
 *
 * Threads: the archive's thread; archive_playlist() is pure.
 */
#ifndef WORKER_ARCHIVE_RUN_H
#define WORKER_ARCHIVE_RUN_H

#include <stdio.h>
#include <sys/queue.h>

#include "controlplane/worker/archive.h"

struct archive_entry {
	TAILQ_ENTRY(archive_entry) link;
	struct archive_segment s;
};

TAILQ_HEAD(archive_entries, archive_entry);

struct archive_run {
	LIST_ENTRY(archive_run) link;
	uint64_t number;
	char folder[1600];
	int64_t target_ms;
	struct archive_entries entries;
	bool shortened; /* the oldest are gone */
};

/* Makes the run's folder. 0 or -errno. */
int archive_run_begin(struct archive_run *r, const char *root, const char *stream,
		      int64_t first_seq, int64_t wall_ms);
/* A file of that name with the descriptor's bytes. 0 or -errno. */
int archive_run_file(const struct archive_run *r, const char *name, int fd, uint64_t *bytes);
/* A segment and the playlist with it. 0 or -errno. */
int archive_run_put(struct archive_run *r, const struct archive_segment *s, int fd,
		    uint64_t *bytes);
/* Segments that began before that are removed. */
void archive_run_shorten(struct archive_run *r, int64_t before_ms);
/* The playlist gets its end. 0 or -errno. */
int archive_run_end(struct archive_run *r);
void archive_run_fini(struct archive_run *r);

/* The run's playlist: EVENT, VOD where it has ended, no type where the oldest are gone (RFC 8216). */
void archive_playlist(FILE *to, const struct archive_run *r, bool ended);
/* Removes runs whose playlist did not change since then. */
void archive_sweep(const char *root, int64_t before_s);

#endif
