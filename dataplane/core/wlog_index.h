/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of a wire log: marks (a message began at this offset at this time) and key frames.
 * Inside of core/wlog only.
 *
 * Both are rings that the writer overwrites while other cores read. An entry's number never
 * repeats; the writer announces the number (`begun`) before it touches the slot and stores the
 * fields with release order, a reader loads them with acquire order and then looks whether `begun`
 * has come round to its slot: if so it throws away what it read. Nobody ever waits.
 *
 * Threads: one writer; functions marked "reader" from any core.
 */
#ifndef CORE_WLOG_INDEX_H
#define CORE_WLOG_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/wlog.h"

struct index_mark {
	uint64_t off, at_us;
};

struct index_mark_slot {
	_Atomic uint64_t off, at_us;
};

struct index_key_slot {
	_Atomic uint64_t off, at_us, headers;
	_Atomic int64_t ts_ms;
};

struct wlog_index {
	struct index_mark_slot *mark;
	uint64_t mark_mask;
	_Atomic uint64_t marks_first; /* number of the oldest mark that is still in the log */
	_Atomic uint64_t marks_begun, marks; /* numbers go up to these */
	uint64_t marks_wr;		     /* writer: with those not published yet */
	struct index_key_slot *key;
	uint64_t key_mask;
	_Atomic uint64_t keys_first; /* older ones are for nobody: a codec changed */
	_Atomic uint64_t keys_begun, keys;
};

/* Room for at least `marks` marks and `keys` key frames. 0 or -ENOMEM. */
int index_init(struct wlog_index *x, uint64_t marks, uint64_t keys);
void index_fini(struct wlog_index *x);
/* Not visible before index_publish(). A full ring takes no more: the index gets coarser, not wrong. */
void index_mark(struct wlog_index *x, uint64_t off, uint64_t at_us);
void index_publish(struct wlog_index *x);
/* Visible at once. */
void index_key(struct wlog_index *x, const struct wlog_key *key);
/* Forgets all key frames. Writer. */
void index_drop_keys(struct wlog_index *x);
/* The oldest published marks, at most two; how many there are. Writer. */
unsigned index_oldest(const struct wlog_index *x, struct index_mark out[2]);
/* Forgets the oldest mark, or all (unpublished ones too). Writer. */
void index_drop_first(struct wlog_index *x);
void index_drop_all(struct wlog_index *x);
/* Mark number i of those in the log, for wlog_check(). Writer. */
bool index_nth(const struct wlog_index *x, uint64_t i, struct index_mark *out);

/* The last mark at or before off; false where none is left. Reader. */
bool index_find(const struct wlog_index *x, uint64_t off, struct index_mark *out);
/* The newest key frame ever put in; false where there is none or it is being replaced. Reader. */
bool index_newest(const struct wlog_index *x, struct wlog_key *out);
/* The first key frame behind off; false: there is none. Reader. */
bool index_key_after(const struct wlog_index *x, uint64_t off, struct wlog_key *out);
/*
 * The newest key frame of at_us or before; where none is so old, the oldest one. It lies at or behind
 * `from`, and headers have not changed since. Reader.
 */
bool index_key_near(const struct wlog_index *x, uint64_t at_us, uint64_t from,
		    struct wlog_key *out);
/* The last mark of at_us or before; *newest: none is younger. False where none is left. Reader. */
bool index_find_time(const struct wlog_index *x, uint64_t at_us, struct index_mark *out,
		     bool *newest);

#endif
