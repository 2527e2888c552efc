/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk reader, bytes for it by hand, and what came out; one test program includes it once. */
#ifndef UNIT_MEDIA_RTMP_IN_FIXTURE_H
#define UNIT_MEDIA_RTMP_IN_FIXTURE_H

#include "media/rtmp_in.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/check.h"
#include "media/rtmp_out.h"

#define MESSAGE_MAX 16777215

/* A chunk stream as a peer sends it. */
static uint8_t wire[20 << 20];
static struct wr out;

static uint64_t allocs;
static struct mem mem;
static struct rtmp_in in;

static inline int setup(void **state)
{
	allocs = 0;
	mem = (struct mem){.max = 64 << 20, .allocs = &allocs};
	rtmp_in_init(&in, &mem, MESSAGE_MAX, 64);
	out = wr_of(wire, sizeof(wire));
	return 0;
}

static inline int teardown(void **state)
{
	rtmp_in_fini(&in);
	return mem.used != 0;
}

static inline void basic(uint8_t fmt, uint32_t csid)
{
	if (csid < 64) {
		wr_u8(&out, (uint8_t)(fmt << 6 | csid));
	} else if (csid < 320) {
		wr_u8(&out, (uint8_t)(fmt << 6));
		wr_u8(&out, (uint8_t)(csid - 64));
	} else {
		wr_u8(&out, (uint8_t)(fmt << 6 | 1));
		wr_u8(&out, (uint8_t)(csid - 64));
		wr_u8(&out, (uint8_t)((csid - 64) >> 8));
	}
}

static inline void extended(uint32_t ts)
{
	if (ts >= 0xffffff)
		wr_be32(&out, ts);
}

static inline void type0(uint32_t csid, uint32_t ts, uint32_t len, uint8_t type)
{
	basic(0, csid);
	wr_be24(&out, min_of(ts, 0xffffffu));
	wr_be24(&out, len);
	wr_u8(&out, type);
	wr_le32(&out, 1);
	extended(ts);
}

static inline void type1(uint32_t csid, uint32_t delta, uint32_t len, uint8_t type)
{
	basic(1, csid);
	wr_be24(&out, min_of(delta, 0xffffffu));
	wr_be24(&out, len);
	wr_u8(&out, type);
	extended(delta);
}

static inline void type2(uint32_t csid, uint32_t delta)
{
	basic(2, csid);
	wr_be24(&out, min_of(delta, 0xffffffu));
	extended(delta);
}

static inline void type3(uint32_t csid)
{
	basic(3, csid);
}

/* n payload bytes that start with `first` and count up. */
static inline void bytes(uint32_t n, uint8_t first)
{
	for (uint32_t i = 0; i < n; i++)
		wr_u8(&out, (uint8_t)(first + i));
}

/*
 * Feeds what was written and forgets it; pieces of `piece` bytes, of random size where it is 0.
 * Returns 0 or the error; the messages go to got[].
 */
#define GOT_MAX 256
static struct {
	struct msg m;
	uint8_t first, last; /* payload bytes */
	uint32_t sum;
} got[GOT_MAX];
static uint32_t got_n;

static inline void note(const struct msg *m)
{
	assert_true(got_n < GOT_MAX);
	assert_non_null(m->data);
	got[got_n].m = *m;
	got[got_n].first = m->len ? m->data[0] : 0;
	got[got_n].last = m->len ? m->data[m->len - 1] : 0;
	got[got_n].sum = 0;
	for (uint32_t i = 0; i < m->len; i++)
		got[got_n].sum = got[got_n].sum * 31 + m->data[i];
	got_n++;
}

static inline int feed_pieces(size_t piece, unsigned *seed)
{
	size_t n = wr_len(&out), off = 0;
	struct msg m;

	assert_false(out.bad);
	out = wr_of(wire, sizeof(wire));
	got_n = 0;
	while (off < n) {
		size_t want = piece ? piece : 1 + (size_t)rand_r(seed) % 300;
		size_t end = min_of(off + want, n);

		while (off < end) {
			int taken = rtmp_in_feed(&in, wire + off, end - off, &m);

			if (taken < 0)
				return taken;
			assert_in_range(taken, 1, end - off);
			off += (size_t)taken;
			if (m.type != MSG_NONE)
				note(&m);
		}
	}
	return 0;
}

static inline int feed(void)
{
	return feed_pieces(SIZE_MAX / 2, NULL);
}

static inline void assert_msg(uint32_t i, uint8_t type, int64_t ts_ms, uint32_t len)
{
	assert_true(i < got_n);
	assert_int_equal(got[i].m.type, type);
	assert_int_equal(got[i].m.ts_ms, ts_ms);
	assert_int_equal(got[i].m.len, len);
}

#endif
