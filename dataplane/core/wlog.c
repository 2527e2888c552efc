/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wlog.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/wlog_index.h"

#define RATE_US	   2000000u /* less says nothing of how many bytes a second brings */
#define CACHE_LINE 64
/*
 * Beyond what is retained the ring has room for two of the longest messages with their chunk
 * headers (one unpublished, one that trimming must leave), a mark's bytes, and retired blocks.
 */
#define RING_SLACK ((uint64_t)64 << 20)
/* Marks by bytes, so that neither trimming nor a walk to a boundary has far to go. */
#define MARK_BYTES_MIN	65536u
#define MARKS_BY_BYTES	256u
#define TRIM_MARKS_MAX	64u
#define TRIM_BLOCKS_MAX 64u
#define KEY_READS_MAX	8
#define KEYS_EVERY_US \
	500000u /* of the key frames that are remembered; where more come, less far back */

struct wlog {
	struct sink sink; /* puts bytes at `wr` */
	enum wire_format format;
	const struct wire *wire;
	struct arena *arena;
	struct quiet *quiet;
	uint64_t retain_us, retain_bytes, mark_bytes;
	uint32_t shift; /* of the block size */
	uint64_t ring_mask;
	uint8_t **ring; /* block n of the log is ring[n & ring_mask] */
	struct wlog_index index;

	/* What readers poll, in one line. */
	struct {
		_Atomic uint64_t head, tail, key;
	} __attribute__((aligned(CACHE_LINE))) shown;

	/* writer only */
	uint64_t wr __attribute__((aligned(CACHE_LINE)));
	uint64_t first, next;	 /* blocks [first, next) are held */
	uint64_t retired, stamp; /* blocks [first, retired) go when `stamp` has passed; 0: none */
	uint64_t marked_off, marked_us, last_us;
	bool mark_next, key_next, key_ready;
	struct wlog_key pending; /* key_next: of the next message; key_ready: goes with publish */
	struct wlog_key ready;

	struct {
		_Atomic uint64_t off;
	} __attribute__((aligned(CACHE_LINE))) hold[];
};

static uint64_t block_bytes(const struct wlog *log)
{
	return (uint64_t)1 << log->shift;
}

static uint8_t *at(const struct wlog *log, uint64_t off)
{
	return log->ring[(off >> log->shift) & log->ring_mask] + (off & (block_bytes(log) - 1));
}

static void put_bytes(struct sink *sink, const void *p, size_t n)
{
	struct wlog *log = container_of(sink, struct wlog, sink);
	const uint8_t *from = p;

	while (n) {
		size_t room = block_bytes(log) - (log->wr & (block_bytes(log) - 1));
		size_t take = min_of(room, n);

		memcpy(at(log, log->wr), from, take);
		log->wr += take;
		from += take;
		n -= take;
	}
}

/* ---- life ---- */

static int ring_init(struct wlog *log)
{
	uint64_t want = (log->retain_bytes + RING_SLACK) / block_bytes(log) + 1, n = 16;

	while (n < want)
		n *= 2;
	log->ring = malloc(n * sizeof(*log->ring));
	log->ring_mask = n - 1;
	return log->ring ? 0 : -ENOMEM;
}

struct wlog *wlog_new(enum wire_format format, struct arena *arena, struct quiet *quiet,
		      uint64_t retain_us, uint64_t retain_bytes)
{
	uint64_t marks = retain_us / WLOG_MARK_US + 2 * MARKS_BY_BYTES;
	struct wlog *log;
	size_t bytes;

	bytes = sizeof(*log) + quiet->cores * sizeof(log->hold[0]);
	log = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (!log)
		return NULL;
	memset(log, 0, bytes);
	log->sink.write = put_bytes;
	log->format = format;
	log->wire = wire_of(format);
	log->arena = arena;
	log->quiet = quiet;
	log->retain_us = retain_us;
	log->retain_bytes = retain_bytes;
	log->mark_bytes = max_of(retain_bytes / MARKS_BY_BYTES, (uint64_t)MARK_BYTES_MIN);
	log->shift = (uint32_t)__builtin_ctz(arena->block_bytes);
	log->mark_next = true;
	atomic_init(&log->shown.key, WLOG_NONE);
	for (unsigned i = 0; i < quiet->cores; i++)
		atomic_init(&log->hold[i].off, WLOG_NONE);
	if (index_init(&log->index, marks, retain_us / KEYS_EVERY_US) < 0 || ring_init(log) < 0) {
		wlog_free(log);
		return NULL;
	}
	return log;
}

void wlog_free(struct wlog *log)
{
	if (!log)
		return;
	for (uint64_t n = log->first; n < log->next; n++)
		arena_put(log->arena, log->ring[n & log->ring_mask]);
	index_fini(&log->index);
	free(log->ring);
	free(log);
}

enum wire_format wlog_format(const struct wlog *log)
{
	return log->format;
}

/* ---- writing ---- */

void wlog_begin_key(struct wlog *log, int64_t ts_ms, uint64_t now_us, uint64_t headers_gen)
{
	log->pending = (struct wlog_key){WLOG_NONE, ts_ms, now_us, headers_gen};
	log->key_next = true;
}

/* Blocks for n more bytes; all or none. */
static int reserve(struct wlog *log, uint64_t n)
{
	uint64_t before = log->next, want = ((log->wr + n - 1) >> log->shift) + 1;

	while (log->next < want) {
		uint8_t *block = NULL;

		if (log->next - log->first <= log->ring_mask)
			block = arena_get(log->arena);
		if (!block)
			goto fail;
		log->ring[log->next & log->ring_mask] = block;
		log->next++;
	}
	return 0;
fail:
	while (log->next > before) {
		log->next--;
		arena_put(log->arena, log->ring[log->next & log->ring_mask]);
	}
	return -ENOMEM;
}

static void mark(struct wlog *log, uint64_t off, uint64_t now_us)
{
	if (!log->mark_next && now_us - log->marked_us < WLOG_MARK_US &&
	    off - log->marked_off < log->mark_bytes)
		return;
	index_mark(&log->index, off, now_us);
	log->marked_off = off;
	log->marked_us = now_us;
	log->mark_next = false;
}

/* Blocks wholly before tail wait for a quiet point, one batch at a time. */
static void retire(struct wlog *log)
{
	uint64_t upto = atomic_load_explicit(&log->shown.tail, memory_order_relaxed) >> log->shift;

	if (log->retired > log->first || upto <= log->first)
		return;
	log->retired = upto;
	log->stamp = quiet_stamp(log->quiet);
}

/* Gives up all that is older than the next message; readers in it are lost or wait for a key. */
static void drop_history(struct wlog *log)
{
	wlog_drop_keys(log);
	wlog_publish(log);
	atomic_store_explicit(&log->shown.tail, log->wr, memory_order_release);
	index_drop_all(&log->index);
	log->mark_next = true;
	retire(log);
}

int wlog_append(struct wlog *log, const struct msg *m, uint64_t now_us)
{
	uint64_t start = log->wr;
	size_t size = log->wire->size(m);

	if (reserve(log, size) < 0) {
		drop_history(log);
		return -ENOMEM;
	}
	mark(log, start, now_us);
	log->wire->put(&log->sink, m);
	must(log->wr == start + size);
	log->last_us = now_us;
	if (log->key_next) {
		log->key_next = false;
		log->ready = log->pending;
		log->ready.off = start;
		log->key_ready = true;
	}
	return 0;
}

/* In this order, so that a reader who sees a key also sees its bytes and the mark before it. */
void wlog_publish(struct wlog *log)
{
	index_publish(&log->index);
	atomic_store_explicit(&log->shown.head, log->wr, memory_order_release);
	if (!log->key_ready)
		return;
	log->key_ready = false;
	index_key(&log->index, &log->ready);
	atomic_store_explicit(&log->shown.key, log->ready.off, memory_order_release);
}

void wlog_drop_keys(struct wlog *log)
{
	log->key_next = false;
	log->key_ready = false;
	index_drop_keys(&log->index);
	atomic_store_explicit(&log->shown.key, WLOG_NONE, memory_order_release);
}

/* ---- trimming ---- */

/* One step of the tail; false where nothing more is too old or too much. */
static bool trim_step(struct wlog *log, uint64_t now_us)
{
	uint64_t head = wlog_head(log), tail = wlog_tail(log);
	struct index_mark m[2];

	if (index_oldest(&log->index, m) == 2 && m[1].off <= head) {
		/* What lies between two marks came within WLOG_MARK_US after the first. */
		if (m[0].at_us + WLOG_MARK_US + log->retain_us > now_us &&
		    head - tail <= log->retain_bytes)
			return false;
		atomic_store_explicit(&log->shown.tail, m[1].off, memory_order_release);
		index_drop_first(&log->index);
		return true;
	}
	/* Only the newest messages are left: they go by age, all at once. */
	if (tail < head && head == log->wr && log->last_us + log->retain_us <= now_us) {
		atomic_store_explicit(&log->shown.tail, head, memory_order_release);
		index_drop_all(&log->index);
		log->mark_next = true;
	}
	return false;
}

static uint64_t held_from(const struct wlog *log)
{
	struct wlog *w = (struct wlog *)log;
	uint64_t low = WLOG_NONE;

	for (unsigned i = 0; i < log->quiet->cores; i++)
		low = min_of(low, atomic_load_explicit(&w->hold[i].off, memory_order_acquire));
	return low;
}

static void give_back(struct wlog *log)
{
	uint64_t limit;

	if (log->retired <= log->first || !quiet_passed(log->quiet, log->stamp))
		return;
	limit = min_of(log->retired, held_from(log) >> log->shift);
	for (unsigned i = 0; i < TRIM_BLOCKS_MAX && log->first < limit; i++) {
		arena_put(log->arena, log->ring[log->first & log->ring_mask]);
		log->first++;
	}
}

void wlog_trim(struct wlog *log, uint64_t now_us)
{
	for (unsigned i = 0; i < TRIM_MARKS_MAX && trim_step(log, now_us); i++)
		;
	give_back(log);
	retire(log);
}

uint64_t wlog_end(const struct wlog *log)
{
	return log->wr;
}

uint32_t wlog_blocks(const struct wlog *log)
{
	return (uint32_t)(log->next - log->first);
}

void wlog_hold(struct wlog *log, unsigned core, uint64_t off)
{
	atomic_store_explicit(&log->hold[core].off, off, memory_order_release);
}

bool wlog_is_held(const struct wlog *log)
{
	return held_from(log) != WLOG_NONE;
}

/* ---- reading ---- */

uint64_t wlog_head(const struct wlog *log)
{
	return atomic_load_explicit(&((struct wlog *)log)->shown.head, memory_order_acquire);
}

uint64_t wlog_tail(const struct wlog *log)
{
	return atomic_load_explicit(&((struct wlog *)log)->shown.tail, memory_order_acquire);
}

void wlog_ends(const struct wlog *log, struct wlog_ends *out)
{
	struct wlog *w = (struct wlog *)log;

	out->key = atomic_load_explicit(&w->shown.key, memory_order_acquire);
	out->tail = wlog_tail(log);
	out->head = wlog_head(log);
}

void wlog_prefetch(const struct wlog *log)
{
	if (log)
		__builtin_prefetch(&log->shown);
}

unsigned wlog_slices(const struct wlog *log, uint64_t off, uint32_t max, struct slice out[2])
{
	uint64_t size = block_bytes(log), room = size - (off & (size - 1));
	uint64_t n = min_of((uint64_t)max, size);

	out[0] = (struct slice){at(log, off), min_of(n, room)};
	if (n <= room)
		return 1;
	out[1] = (struct slice){at(log, off + room), n - room};
	return 2;
}

bool wlog_newest_key(const struct wlog *log, struct wlog_key *out)
{
	struct wlog_ends ends;

	/* The details may be a newer key's than the offset for a moment: look again. */
	for (int i = 0; i < KEY_READS_MAX; i++) {
		wlog_ends(log, &ends);
		if (ends.key == WLOG_NONE || ends.key < ends.tail)
			return false;
		if (index_newest(&log->index, out) && out->off == ends.key)
			return true;
	}
	return false;
}

bool wlog_key_before(const struct wlog *log, uint64_t at_us, struct wlog_key *out)
{
	return wlog_key_near(log, at_us, out) && out->at_us <= at_us;
}

bool wlog_key_near(const struct wlog *log, uint64_t at_us, struct wlog_key *out)
{
	return index_key_near(&log->index, at_us, wlog_tail(log), out);
}

bool wlog_key_after(const struct wlog *log, uint64_t off, struct wlog_key *out)
{
	return index_key_after(&log->index, off, out);
}

bool wlog_has_room(const struct wlog *log, uint64_t back_us, uint64_t now_us)
{
	struct wlog_ends ends;
	uint64_t since_us, room = min_of(log->retain_bytes, log->arena->bytes);

	wlog_ends(log, &ends);
	since_us = wlog_time_of(log, ends.tail);
	if (!since_us || now_us < since_us + RATE_US)
		return true;
	return (double)(ends.head - ends.tail) * (double)back_us <=
	       (double)room * (double)(now_us - since_us);
}

uint64_t wlog_before(const struct wlog *log, uint64_t at_us)
{
	uint64_t head = wlog_head(log);
	struct index_mark m;
	bool newest;

	if (!index_find_time(&log->index, at_us, &m, &newest))
		return WLOG_NONE;
	/* What lies behind the last mark came within WLOG_MARK_US after it. */
	return newest && m.at_us + WLOG_MARK_US <= at_us ? head : min_of(m.off, head);
}

/* The first bytes of the message at off, which ends before `end`. */
static size_t span_at(const struct wlog *log, uint64_t off, uint64_t end)
{
	uint8_t head[WIRE_HEAD_MAX] = {0};
	struct slice part[2];
	uint32_t n = (uint32_t)min_of(end - off, (uint64_t)sizeof(head));
	unsigned parts = wlog_slices(log, off, n, part);

	memcpy(head, part[0].p, part[0].n);
	if (parts == 2)
		memcpy(head + part[0].n, part[1].p, part[1].n);
	return log->wire->span(head);
}

uint64_t wlog_boundary(const struct wlog *log, uint64_t off)
{
	struct wlog_ends ends;
	struct index_mark from;
	uint64_t pos;

	wlog_ends(log, &ends);
	must(off <= ends.head);
	if (off < ends.tail)
		return WLOG_NONE;
	if (off == ends.head)
		return off;
	/* A mark before the tail that was seen here may stand in a block that is gone. */
	if (!index_find(&log->index, off, &from) || from.off < ends.tail)
		return WLOG_NONE;
	for (pos = from.off; pos < off;) {
		size_t n = span_at(log, pos, ends.head);

		must(n > 0 && n <= ends.head - pos);
		pos += n;
	}
	return pos;
}

uint64_t wlog_time_of(const struct wlog *log, uint64_t off)
{
	struct index_mark m;

	return index_find(&log->index, off, &m) ? m.at_us : 0;
}

/* ---- checking ---- */

void wlog_check(const struct wlog *log)
{
	struct wlog_ends ends;
	struct index_mark m = {WLOG_NONE, 0};
	uint64_t pos, i = 0;
	bool head_seen = false, key_seen;

	wlog_ends(log, &ends);
	must(ends.tail <= ends.head && ends.head <= log->wr);
	must(log->first <= ends.tail >> log->shift && log->retired <= ends.tail >> log->shift);
	must(log->wr <= log->next << log->shift && log->next - log->first <= log->ring_mask + 1);
	key_seen = ends.key == WLOG_NONE || ends.key < ends.tail;
	if (!index_nth(&log->index, i, &m))
		m.off = WLOG_NONE;
	must(m.off == WLOG_NONE || m.off >= ends.tail);
	for (pos = ends.tail;; pos += span_at(log, pos, log->wr)) {
		must(pos <= log->wr);
		head_seen |= pos == ends.head;
		key_seen |= pos == ends.key;
		must(m.off >= pos);
		if (m.off == pos && !index_nth(&log->index, ++i, &m))
			m.off = WLOG_NONE;
		if (pos == log->wr)
			break;
		must(span_at(log, pos, log->wr) > 0);
	}
	must(head_seen && key_seen && m.off == WLOG_NONE);
}
