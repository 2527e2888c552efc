/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wire log: one stream's bytes in one wire format, append-only, in shared memory.
 *
 * Bytes have 64-bit offsets that start at 0 and never repeat. They live in arena blocks; the index
 * tells the newest key frame (where to join, where to skip to) and, every WLOG_MARK_US, which offset
 * a message began at and when (so that lag has an age, and a reader can find the end of the message
 * it is in). The writer never waits: wlog_trim() drops the oldest bytes by age and by size, whoever
 * still reads them; readers see `tail` move and are moved by core/cursor.
 *
 *      tail             key          key      head      wr
 *       |----------------|------------|--------|.........|
 *       ^ oldest byte    ^ join here           ^ published
 *
 * Invariants (wlog_check)
 *   1. tail <= head <= wr; tail, head and every key and mark are message boundaries
 *   2. every byte in [tail, wr) has its block
 *   3. blocks are given back only after every core passed a quiet point after tail moved past them,
 *      and no hold lies inside them
 *
 * Threads: one writer (the stream's home core). Readers on any core use only the functions marked
 * "reader", between quiet points.
 */
#ifndef CORE_WLOG_H
#define CORE_WLOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "core/quiet.h"
#include "media/wire.h"

#define WLOG_MARK_US 50000u
#define WLOG_NONE    UINT64_MAX

struct wlog_key {
	uint64_t off;	  /* first byte of the key frame's message */
	int64_t ts_ms;	  /* its timestamp */
	uint64_t at_us;	  /* when it was appended, CLOCK_MONOTONIC */
	uint64_t headers; /* generation of the stream's sequence headers that it needs */
};

/* The log's offsets as a reader needs them together: key <= head where there is a key. */
struct wlog_ends {
	uint64_t tail, head;
	uint64_t key; /* the newest key frame; WLOG_NONE: none */
};

struct wlog;

/*
 * A log without a block yet. retain_us: age, retain_bytes: size bound of what is kept (the newest
 * key frame's GOP is kept as long as it is within both). NULL without memory.
 */
struct wlog *wlog_new(enum wire_format format, struct arena *arena, struct quiet *quiet,
		      uint64_t retain_us, uint64_t retain_bytes);
/* Every reader must be gone and a quiet point passed. NULL is fine. */
void wlog_free(struct wlog *log);
enum wire_format wlog_format(const struct wlog *log);

/* ---- writer ---- */
/* Marks the next message as a key frame. Before its wlog_append(). */
void wlog_begin_key(struct wlog *log, int64_t ts_ms, uint64_t now_us, uint64_t headers_gen);
/*
 * Appends one message; not visible before wlog_publish(). 0, or -ENOMEM when the arena is empty:
 * then nothing of the message is kept, history is dropped (tail = head) and the caller goes on.
 */
int wlog_append(struct wlog *log, const struct msg *m, uint64_t now_us);
void wlog_publish(struct wlog *log);
/* Moves tail by age and size, gives blocks back that may go; bounded work per call. */
void wlog_trim(struct wlog *log, uint64_t now_us);
/* Forgets every key frame up to now: nobody joins or skips to them (a codec changed, M8). */
void wlog_drop_keys(struct wlog *log);
/* Where the next message will begin. */
uint64_t wlog_end(const struct wlog *log);
/* Arena blocks held, retired ones too. */
uint32_t wlog_blocks(const struct wlog *log);
/* Keeps bytes from `off` on in memory for sends of `core` that outlive its turn; WLOG_NONE: none. */
void wlog_hold(struct wlog *log, unsigned core, uint64_t off); /* by that core */
/* True while any core holds bytes: not yet wlog_free(). */
bool wlog_is_held(const struct wlog *log);

/* ---- reader ---- */
void wlog_ends(const struct wlog *log, struct wlog_ends *out);
/* Gets what wlog_ends() reads into the cache; NULL is fine. */
void wlog_prefetch(const struct wlog *log);
uint64_t wlog_head(const struct wlog *log);
uint64_t wlog_tail(const struct wlog *log);
/*
 * Bytes [off, off + max) as at most two slices; off >= tail, off + max <= head, max > 0; at most one
 * block's worth, however large max is. Returns the number of slices (1 or 2).
 */
unsigned wlog_slices(const struct wlog *log, uint64_t off, uint32_t max, struct slice out[2]);
/* The newest key frame; false if there is none. */
bool wlog_newest_key(const struct wlog *log, struct wlog_key *out);
/*
 * The newest key frame of at_us or before, where viewers that are deliberately late join; false if
 * none is left, or headers have changed since. Of those more frequent than two a second, the older
 * ones are forgotten before their bytes are.
 */
bool wlog_key_before(const struct wlog *log, uint64_t at_us, struct wlog_key *out);
/* The same; where none is so old, the oldest one that is left. */
bool wlog_key_near(const struct wlog *log, uint64_t at_us, struct wlog_key *out);
/* The first key frame behind off; false: there is none. */
bool wlog_key_after(const struct wlog *log, uint64_t off, struct wlog_key *out);
/* Whether the log's bounds hold its last back_us, judged by what it holds now; of less than two seconds
 * nothing is known, and that is fine. */
bool wlog_has_room(const struct wlog *log, uint64_t back_us, uint64_t now_us);
/* A message boundary up to which everything was appended at at_us or before, to WLOG_MARK_US;
 * WLOG_NONE where that is older than the marks. */
uint64_t wlog_before(const struct wlog *log, uint64_t at_us);
/* First message boundary at or after off, WLOG_NONE if off < tail or no mark is left before it. */
uint64_t wlog_boundary(const struct wlog *log, uint64_t off);
/* When the byte at off was appended, to WLOG_MARK_US; 0 if unknown (older than the marks). */
uint64_t wlog_time_of(const struct wlog *log, uint64_t off);

/* Aborts if an invariant is broken; for tests and expensive(). Writer's thread. */
void wlog_check(const struct wlog *log);

#endif
