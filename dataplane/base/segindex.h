/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segments that a live channel ever had: when each began, how long it is; and playlists of them.
 *
 * One file of lines of the same length, in order of time, only ever appended to:
 *
 *   "1543895706266 0005005000 00000002\n"   began (wall clock, ms), lasts (us), breaks up to it
 *
 * So a segment's number is its line's, and a time is found by halving. A segment's file is named by
 * its beginning. A line is written before its file has that name: a line may lack its file (a crash,
 * a deletion) and readers look, but no file lacks its line. Half a line that a crash left is cut off
 * by the next writer and passed over by readers.
 *
 * Threads: any, also of several processes; the writer holds the file's lock.
 */
#ifndef BASE_SEGINDEX_H
#define BASE_SEGINDEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SEGINDEX_FILE ".index" /* in the channel's folder; no object's name */
#define SEGINDEX_NAME 32       /* room for a segment's name */
#define SEGINDEX_STEP 512      /* lines that are read at a time */

struct segline {
	int64_t begin_ms, duration_us;
	int64_t breaks; /* more than in the line before: a discontinuity is between them */
};

/* The descriptor or -errno; for reading -ENOENT where there never was a segment. */
int segindex_read_open(const char *folder);
/* Made where there is none; -EWOULDBLOCK: another writer is there. */
int segindex_write_open(const char *folder);
int64_t segindex_count(int fd);
/* Lines from number `from` on, at most max; how many, fewer at the end or where one is broken. */
size_t segindex_lines(int fd, int64_t from, struct segline *dst, size_t max);
/* The first segment that ends after ms, or the count. */
int64_t segindex_find(int fd, int64_t ms);
/* Appends and syncs. 0 or -errno, and nothing is appended. */
int segindex_add(int fd, const struct segline *l);
/* "1543895706266.ts" */
char *segindex_name(char dst[SEGINDEX_NAME], int64_t begin_ms);
/* Whether the segment's file is in the folder. */
int segindex_has(int folder_fd, int64_t begin_ms);

/* RFC 8216, version 3. number: of the first segment; ended: nothing follows. */
void segindex_playlist(FILE *to, const struct segline *lines, size_t n, int64_t number, int ended);

#endif
