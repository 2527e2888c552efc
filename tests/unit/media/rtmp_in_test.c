/* SPDX-License-Identifier: Apache-2.0 */
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

static int setup(void **state)
{
	allocs = 0;
	mem = (struct mem){.max = 64 << 20, .allocs = &allocs};
	rtmp_in_init(&in, &mem, MESSAGE_MAX, 64);
	out = wr_of(wire, sizeof(wire));
	return 0;
}

static int teardown(void **state)
{
	rtmp_in_fini(&in);
	return mem.used != 0;
}

static void basic(uint8_t fmt, uint32_t csid)
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

static void extended(uint32_t ts)
{
	if (ts >= 0xffffff)
		wr_be32(&out, ts);
}

static void type0(uint32_t csid, uint32_t ts, uint32_t len, uint8_t type)
{
	basic(0, csid);
	wr_be24(&out, min_of(ts, 0xffffffu));
	wr_be24(&out, len);
	wr_u8(&out, type);
	wr_le32(&out, 1);
	extended(ts);
}

static void type1(uint32_t csid, uint32_t delta, uint32_t len, uint8_t type)
{
	basic(1, csid);
	wr_be24(&out, min_of(delta, 0xffffffu));
	wr_be24(&out, len);
	wr_u8(&out, type);
	extended(delta);
}

static void type2(uint32_t csid, uint32_t delta)
{
	basic(2, csid);
	wr_be24(&out, min_of(delta, 0xffffffu));
	extended(delta);
}

static void type3(uint32_t csid)
{
	basic(3, csid);
}

/* n payload bytes that start with `first` and count up. */
static void bytes(uint32_t n, uint8_t first)
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

static void note(const struct msg *m)
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

static int feed_pieces(size_t piece, unsigned *seed)
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

static int feed(void)
{
	return feed_pieces(SIZE_MAX / 2, NULL);
}

static void assert_msg(uint32_t i, uint8_t type, int64_t ts_ms, uint32_t len)
{
	assert_true(i < got_n);
	assert_int_equal(got[i].m.type, type);
	assert_int_equal(got[i].m.ts_ms, ts_ms);
	assert_int_equal(got[i].m.len, len);
}

static void test_one_message(void **state)
{
	type0(4, 1000, 5, MSG_AUDIO);
	bytes(5, 10);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 1);
	assert_msg(0, MSG_AUDIO, 1000, 5);
	assert_int_equal(got[0].m.csid, 4);
	assert_int_equal(got[0].m.stream_id, 1);
	assert_int_equal(got[0].first, 10);
	assert_int_equal(got[0].last, 14);
}

static void test_empty_message(void **state)
{
	type0(4, 1, 0, MSG_AUDIO);
	type3(4);
	assert_int_equal(feed_pieces(1, NULL), 0);
	assert_int_equal(got_n, 2);
	assert_msg(0, MSG_AUDIO, 1, 0);
	assert_msg(1, MSG_AUDIO, 2, 0);
}

static void test_message_of_type_0_is_stepped_over(void **state)
{
	type0(4, 1, 200, MSG_NONE);
	bytes(128, 0);
	type3(4);
	bytes(72, 0);
	type0(4, 5, 1, MSG_AUDIO);
	bytes(1, 9);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 1);
	assert_msg(0, MSG_AUDIO, 5, 1);
	assert_int_equal(in.odd, 1);
}

static void test_a_message_in_one_chunk_is_handed_out_in_place(void **state)
{
	struct msg m;
	int n;

	type0(4, 0, 100, MSG_AUDIO);
	bytes(100, 0);
	n = (int)wr_len(&out);
	assert_int_equal(rtmp_in_feed(&in, wire, (size_t)n, &m), n);
	assert_ptr_equal(m.data, wire + 12);
	assert_int_equal(allocs, 1); /* the table of chunk streams */
}

static void test_no_allocation_per_message(void **state)
{
	uint64_t warm;

	for (int i = 0; i < 40; i++) {
		type1(6, 40, 5000, MSG_VIDEO);
		bytes(128, 0);
		for (uint32_t left = 5000 - 128; left;) {
			uint32_t take = min_of(left, 128u);

			type3(6);
			bytes(take, 0);
			left -= take;
		}
		if (i == 0) {
			assert_int_equal(feed_pieces(1000, NULL), 0);
			warm = allocs;
		}
	}
	assert_int_equal(feed_pieces(1000, NULL), 0);
	assert_int_equal(got_n, 39);
	assert_int_equal(allocs, warm);
}

static void test_T5_chunk_stream_ids_of_all_three_forms(void **state)
{
	static const uint32_t ids[] = {2, 3, 63, 64, 65, 319, 320, 1000, 65598, 65599};

	for (size_t i = 0; i < 10; i++) {
		type0(ids[i], 0, 200, MSG_DATA);
		bytes(128, (uint8_t)i);
	}
	for (size_t i = 0; i < 10; i++) {
		type3(ids[i]);
		bytes(72, (uint8_t)(i + 128));
	}
	assert_int_equal(feed_pieces(1, NULL), 0);
	assert_int_equal(got_n, 10);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(got[i].m.csid, ids[i]);
		assert_int_equal(got[i].first, i);
		assert_int_equal(got[i].last, i + 199);
	}
}

static void test_T5_long_form_of_a_short_id_is_the_same_chunk_stream(void **state)
{
	type0(100, 10, 1, MSG_AUDIO);
	bytes(1, 0);
	wr_u8(&out, 3 << 6 | 1); /* three bytes for 100 */
	wr_u8(&out, 100 - 64);
	wr_u8(&out, 0);
	bytes(1, 0);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 2);
	assert_int_equal(got[1].m.csid, 100);
}

static void test_T5_open_chunk_streams_are_capped(void **state)
{
	for (uint32_t i = 0; i < 64; i++) {
		type0(1000 + 128 * i, 0, 1, MSG_DATA); /* all meant for the same slot */
		bytes(1, 0);
	}
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 64);
	type3(1000);
	bytes(1, 0);
	assert_int_equal(feed(), 0);
	type0(7, 0, 1, MSG_DATA);
	assert_int_equal(feed(), -REASON_TOO_MANY_CHUNK_STREAMS);
}

static void test_T6_fresh_chunk_stream_may_start_with_type_1(void **state)
{
	type1(2, 7, 6, MSG_USER_CONTROL);
	bytes(6, 0);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 1);
	assert_msg(0, MSG_USER_CONTROL, 7, 6);
	assert_int_equal(got[0].m.stream_id, 0);
	assert_int_equal(in.odd, 1);
}

static void test_T6_fresh_chunk_stream_must_not_start_with_type_2(void **state)
{
	type2(4, 0);
	assert_int_equal(feed(), -REASON_BAD_CHUNK);
}

static void test_T6_fresh_chunk_stream_must_not_start_with_type_3(void **state)
{
	type3(4);
	assert_int_equal(feed_pieces(1, NULL), -REASON_BAD_CHUNK);
}

static void test_T7_type_3_begins_a_new_message_with_the_last_delta(void **state)
{
	type0(4, 100, 1, MSG_AUDIO);
	bytes(1, 0);
	type1(4, 23, 1, MSG_AUDIO);
	bytes(1, 0);
	type3(4);
	bytes(1, 0);
	type2(4, 20);
	bytes(1, 0);
	type3(4);
	bytes(1, 0);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_msg(i, MSG_AUDIO, (int64_t[]){100, 123, 146, 166, 186}[i], 1);
}

static void test_T7_after_type_0_the_delta_is_its_timestamp(void **state)
{
	type0(4, 40, 1, MSG_AUDIO);
	bytes(1, 0);
	type3(4);
	bytes(1, 0);
	assert_int_equal(feed(), 0);
	assert_msg(1, MSG_AUDIO, 80, 1);
}

/* One message of 300 bytes in chunks of 128 with an extended timestamp. */
static void extended_message(uint32_t ts, bool repeat)
{
	type0(6, ts, 300, MSG_VIDEO);
	bytes(128, 1);
	for (uint32_t at = 128; at < 300; at += 128) {
		type3(6);
		if (repeat)
			wr_be32(&out, ts);
		bytes(min_of(128u, 300 - at), (uint8_t)(1 + at));
	}
}

static void extended_messages(bool repeat, size_t piece)
{
	uint32_t sum;

	type0(6, 0, 300, MSG_VIDEO);
	bytes(128, 1);
	type3(6);
	bytes(128, 129);
	type3(6);
	bytes(44, 1);
	assert_int_equal(feed_pieces(piece, NULL), 0);
	sum = got[0].sum;
	for (uint32_t i = 0; i < 5; i++)
		extended_message(0xffffff + i * 0x1000000, repeat);
	assert_int_equal(feed_pieces(piece, NULL), 0);
	assert_int_equal(got_n, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_msg(i, MSG_VIDEO, 0xffffff + (int64_t)i * 0x1000000, 300);
		assert_int_equal(got[i].sum, sum);
	}
}

static void test_T8_extended_timestamp_repeated_on_type3(void **state)
{
	extended_messages(true, 100000);
}

static void test_T8_extended_timestamp_repeated_on_type3_byte_by_byte(void **state)
{
	extended_messages(true, 1);
}

static void test_T8_extended_timestamp_left_out_on_type3(void **state)
{
	extended_messages(false, 100000);
}

static void test_T8_extended_timestamp_left_out_on_type3_byte_by_byte(void **state)
{
	extended_messages(false, 1);
}

static void test_T8_payload_that_looks_like_the_timestamp(void **state)
{
	/* a peer known not to repeat: once is chance */
	extended_message(0x1000000, false);
	type0(6, 0x1000000, 136, MSG_VIDEO);
	bytes(128, 1);
	type3(6);
	wr_be32(&out, 0x1000000);
	bytes(4, 7);
	type0(6, 0x1000000, 1, MSG_VIDEO);
	bytes(1, 99);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 3);
	assert_int_equal(got[1].last, 10);
	assert_int_equal(got[2].first, 99);
}

static void test_T8_comparing_never_waits_for_later_messages(void **state)
{
	/* the last chunk has one byte, and what is compared ends there */
	type0(6, 0x1020304, 129, MSG_VIDEO);
	bytes(128, 1);
	type3(6);
	bytes(1, 77);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 1);
	assert_int_equal(got[0].last, 77);
}

static void test_T8_bytes_compared_may_hold_whole_messages(void **state)
{
	/* chunks of one byte: what is peeked at reaches over several headers and messages */
	type0(2, 0, 4, MSG_SET_CHUNK_SIZE);
	wr_be32(&out, 1);
	type0(5, 3, 1, MSG_COMMAND);
	bytes(1, 4);
	type0(6, 0xc1c50100u, 2, MSG_VIDEO);
	bytes(1, 1);
	type3(6);
	wr_u8(&out, 0xc1); /* payload that begins as the timestamp does */
	type3(5);
	bytes(1, 5);
	type3(5);
	bytes(1, 6);
	for (size_t piece = 1; piece < 8; piece++) {
		struct wr all = out;

		assert_int_equal(feed_pieces(piece, NULL), 0);
		assert_int_equal(got_n, 5);
		assert_msg(2, MSG_VIDEO, 0xc1c50100u, 2);
		assert_int_equal(got[2].last, 0xc1);
		assert_int_equal(got[3].first, 5);
		assert_int_equal(got[4].first, 6);
		out = all;
		rtmp_in_fini(&in);
	}
}

static void test_T9_extended_value_on_type_1_and_2_is_a_delta(void **state)
{
	type0(6, 1000, 1, MSG_VIDEO);
	bytes(1, 0);
	type1(6, 0x1000000, 1, MSG_VIDEO);
	bytes(1, 0);
	type2(6, 0x1000001);
	bytes(1, 0);
	type3(6);
	wr_be32(&out, 0x1000001);
	bytes(1, 0);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 4);
	assert_msg(1, MSG_VIDEO, 1000 + 0x1000000, 1);
	assert_msg(2, MSG_VIDEO, 1000 + 0x2000001, 1);
	assert_msg(3, MSG_VIDEO, 1000 + 0x3000002, 1);
}

static void test_T10_type_0_over_an_unfinished_message_drops_it(void **state)
{
	type0(6, 0, 200, MSG_VIDEO);
	bytes(128, 1);
	type0(6, 40, 3, MSG_VIDEO);
	bytes(3, 50);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 1);
	assert_msg(0, MSG_VIDEO, 40, 3);
	assert_int_equal(got[0].first, 50);
	assert_int_equal(in.torn, 1);
}

static void test_T10_not_without_end(void **state)
{
	for (int i = 0; i <= RTMP_IN_TORN_MAX; i++) {
		type0(6, 0, 200, MSG_VIDEO);
		bytes(128, 1);
	}
	assert_int_equal(feed(), 0);
	type0(6, 0, 200, MSG_VIDEO);
	assert_int_equal(feed(), -REASON_BAD_CHUNK);
}

static void test_T11_length_must_not_change_inside_a_message(void **state)
{
	type0(6, 0, 200, MSG_VIDEO);
	bytes(128, 1);
	type1(6, 0, 201, MSG_VIDEO);
	assert_int_equal(feed(), -REASON_BAD_CHUNK);
}

static void test_T11_type_must_not_change_inside_a_message(void **state)
{
	type0(6, 0, 200, MSG_VIDEO);
	bytes(128, 1);
	type1(6, 0, 200, MSG_AUDIO);
	assert_int_equal(feed(), -REASON_BAD_CHUNK);
}

static void test_T11_the_same_header_again_is_tolerated(void **state)
{
	type0(6, 10, 300, MSG_VIDEO);
	bytes(128, 1);
	type1(6, 5, 300, MSG_VIDEO);
	bytes(128, 129);
	type2(6, 5);
	bytes(44, 1);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 1);
	assert_msg(0, MSG_VIDEO, 10, 300);
	assert_int_equal(in.odd, 2);
}

static void test_T12_interleaved_chunk_streams(void **state)
{
	type0(6, 0, 300, MSG_VIDEO);
	bytes(128, 1);
	type0(4, 3, 10, MSG_AUDIO);
	bytes(10, 70);
	type3(6);
	bytes(128, 129);
	type1(4, 23, 130, MSG_AUDIO);
	bytes(128, 80);
	type3(6);
	bytes(44, 1);
	type3(4);
	bytes(2, 200);
	assert_int_equal(feed_pieces(7, NULL), 0);
	assert_int_equal(got_n, 3);
	assert_msg(0, MSG_AUDIO, 3, 10);
	assert_msg(1, MSG_VIDEO, 0, 300);
	assert_msg(2, MSG_AUDIO, 26, 130);
	assert_int_equal(got[1].last, 44);
	assert_int_equal(got[2].last, 201);
}

static void chunk_size(uint32_t size)
{
	type0(2, 0, 4, MSG_SET_CHUNK_SIZE);
	wr_be32(&out, size);
}

static void test_T13_chunk_size_holds_for_every_chunk_stream(void **state)
{
	type0(6, 0, 1000, MSG_VIDEO);
	bytes(128, 0);
	chunk_size(800);
	type3(6);
	bytes(800, 128);
	chunk_size(4096);
	type3(6);
	bytes(72, 0);
	type0(4, 0, 3000, MSG_AUDIO);
	bytes(3000, 0);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 4);
	assert_int_equal(got[0].m.type, MSG_SET_CHUNK_SIZE);
	assert_msg(2, MSG_VIDEO, 0, 1000);
	assert_msg(3, MSG_AUDIO, 0, 3000);
}

static void test_T13_chunk_sizes_out_of_range(void **state)
{
	static const struct {
		uint32_t said, used;
	} cases[] = {{0, 128},
		     {1, 1},
		     {0x80000000, 128},
		     {0x80000100, 0x100},
		     {0xffffff, 0xffffff},
		     {0x1000000, 0xffffff},
		     {0x7fffffff, 0xffffff}};

	for (size_t i = 0; i < 7; i++) {
		in.chunk_size = 128;
		chunk_size(cases[i].said);
		assert_int_equal(feed(), 0);
		assert_int_equal(in.chunk_size, cases[i].used);
	}
}

static void test_T13_chunk_size_shorter_than_4_bytes(void **state)
{
	type0(2, 0, 3, MSG_SET_CHUNK_SIZE);
	bytes(3, 0);
	assert_int_equal(feed(), -REASON_BAD_CONTROL);
}

static void test_T14_declared_length_costs_nothing(void **state)
{
	type0(6, 0, MESSAGE_MAX, MSG_VIDEO);
	bytes(1, 0);
	assert_int_equal(feed(), 0);
	assert_true(mem.used < 8192);
}

static void test_T14_message_too_big(void **state)
{
	rtmp_in_init(&in, &mem, 1000, 64);
	type0(6, 0, 1001, MSG_VIDEO);
	assert_int_equal(feed(), -REASON_MESSAGE_TOO_BIG);
}

/* Messages of the given length with a chunk size that makes them one chunk each. */
static void big_messages(uint32_t n, uint32_t len)
{
	for (uint32_t i = 0; i < n; i++) {
		type0(6, i, len, MSG_VIDEO);
		bytes(len, (uint8_t)i);
	}
}

static void test_T14_budget_bounds_memory(void **state)
{
	mem.max = 100000;
	chunk_size(0xffffff);
	big_messages(1, 90000);
	assert_int_equal(feed_pieces(1000, NULL), 0);
	assert_int_equal(got_n, 2);
	assert_true(mem.used <= mem.max);
	big_messages(1, 100001);
	assert_int_equal(feed_pieces(1000, NULL), -REASON_MEMORY_BUDGET);
	assert_true(mem.used <= mem.max);
}

static void test_T14_memory_follows_messages_down_again(void **state)
{
	size_t high;

	chunk_size(0xffffff);
	big_messages(1, 8 << 20);
	assert_int_equal(feed_pieces(65536, NULL), 0);
	high = mem.used;
	assert_true(high >= 8 << 20);
	/* key frames that come again and again keep their memory ... */
	for (int i = 0; i < 3; i++) {
		big_messages(100, 2000);
		assert_int_equal(feed_pieces(1000, NULL), 0);
		assert_int_equal(mem.used, high);
	}
	/* ... one large message long ago does not */
	for (int i = 0; i < 120; i++) {
		big_messages(100, 2000);
		assert_int_equal(feed_pieces(1000, NULL), 0);
	}
	assert_true(mem.used < 256 << 10);
}

static void abort_of(uint32_t csid)
{
	type0(2, 0, 4, MSG_ABORT);
	wr_be32(&out, csid);
}

static void test_T15_abort_drops_the_partial(void **state)
{
	type0(6, 10, 200, MSG_VIDEO);
	bytes(128, 1);
	abort_of(6);
	type3(6); /* a new message with the old header */
	bytes(128, 60);
	type3(6);
	bytes(72, 188);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 2);
	assert_int_equal(got[0].m.type, MSG_ABORT);
	assert_msg(1, MSG_VIDEO, 20, 200);
	assert_int_equal(got[1].first, 60);
	assert_int_equal(in.odd, 0);
}

static void test_T15_abort_of_nothing_is_odd(void **state)
{
	abort_of(6);
	abort_of(0);
	abort_of(2);
	assert_int_equal(feed(), 0);
	assert_int_equal(got_n, 3);
	assert_int_equal(in.odd, 3);
	type0(2, 0, 3, MSG_ABORT);
	bytes(3, 0);
	assert_int_equal(feed(), -REASON_BAD_CONTROL);
}

static void test_M1_timestamps_are_unwrapped_across_chunk_streams(void **state)
{
	type0(6, 0xfffffff0, 1, MSG_VIDEO);
	bytes(1, 0);
	type0(4, 0x10, 1, MSG_AUDIO);
	bytes(1, 0);
	type0(3, 0, 1, MSG_COMMAND); /* no media time */
	bytes(1, 0);
	type1(6, 0x28, 1, MSG_VIDEO);
	bytes(1, 0);
	type0(4, 0xfffffffe, 1, MSG_AUDIO);
	bytes(1, 0);
	assert_int_equal(feed(), 0);
	assert_msg(0, MSG_VIDEO, 0xfffffff0, 1);
	assert_msg(1, MSG_AUDIO, 0x100000010, 1);
	assert_msg(2, MSG_COMMAND, 0, 1);
	assert_msg(3, MSG_VIDEO, 0x100000018, 1);
	assert_msg(4, MSG_AUDIO, 0xfffffffe, 1);
}

/* What rtmp_out writes, in any cuts, is what was said. */
static void test_round_trip_in_random_cuts(void **state)
{
	static uint8_t payload[3000];
	unsigned seed = 12345;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)rand_r(&seed);
	for (int round = 0; round < 60; round++) {
		uint32_t size = 1 + (uint32_t)rand_r(&seed) % 400;
		struct msg said[20];

		rtmp_in_fini(&in);
		rtmp_out_u32(&out.sink, MSG_SET_CHUNK_SIZE, size);
		for (int i = 0; i < 20; i++) {
			said[i] = (struct msg){
				.type = (uint8_t[]){MSG_AUDIO, MSG_VIDEO, MSG_DATA}[i % 3],
				.stream_id = (uint32_t)rand_r(&seed),
				.ts_ms = 0xfffff0 + i + (round % 2 ? 0xff000000ll : 0),
				.len = (uint32_t)rand_r(&seed) % sizeof(payload),
				.data = payload,
			};
			rtmp_out_msg(&out.sink, &said[i], size);
		}
		assert_int_equal(feed_pieces(round % 3 == 2 ? 1 : 0, &seed), 0);
		assert_int_equal(got_n, 21);
		for (uint32_t i = 0; i < 20; i++) {
			uint32_t sum = 0;

			for (uint32_t b = 0; b < said[i].len; b++)
				sum = sum * 31 + payload[b];
			assert_msg(i + 1, said[i].type, said[i].ts_ms, said[i].len);
			assert_int_equal(got[i + 1].m.stream_id, said[i].stream_id);
			assert_int_equal(got[i + 1].m.csid, rtmp_out_csid(said[i].type));
			assert_int_equal(got[i + 1].sum, sum);
		}
		assert_int_equal(in.odd, 0);
	}
}

static void sub_message(uint8_t type, uint32_t ts, uint32_t len)
{
	wr_u8(&out, type);
	wr_be24(&out, len);
	wr_be24(&out, ts & 0xffffff);
	wr_u8(&out, (uint8_t)(ts >> 24));
	wr_be24(&out, 0);
	bytes(len, (uint8_t)len);
	wr_be32(&out, 0xbad); /* a back pointer that lies */
}

static struct msg aggregate_of(uint32_t len)
{
	return (struct msg){.type = MSG_AGGREGATE,
			    .stream_id = 5,
			    .ts_ms = 0x100000000,
			    .len = len,
			    .data = wire};
}

static void test_C13_aggregate_times_are_relative_to_the_first(void **state)
{
	struct msg a, m;
	uint32_t off = 0;

	sub_message(MSG_VIDEO, 0x01fffff0, 3);
	sub_message(MSG_AUDIO, 0x02000010, 4);
	sub_message(MSG_COMMAND, 0x02000010, 4);
	sub_message(MSG_DATA, 0x01ffffe0, 0);
	a = aggregate_of((uint32_t)wr_len(&out));
	assert_int_equal(rtmp_aggregate_next(&a, &off, &m), 1);
	assert_int_equal(m.type, MSG_VIDEO);
	assert_int_equal(m.ts_ms, 0x100000000);
	assert_int_equal(m.stream_id, 5);
	assert_int_equal(m.len, 3);
	assert_ptr_equal(m.data, wire + 11);
	assert_int_equal(rtmp_aggregate_next(&a, &off, &m), 1);
	assert_int_equal(m.type, MSG_AUDIO);
	assert_int_equal(m.ts_ms, 0x100000020);
	assert_int_equal(rtmp_aggregate_next(&a, &off, &m), 1);
	assert_int_equal(m.type, MSG_DATA);
	assert_int_equal(m.ts_ms, 0x0fffffff0);
	assert_int_equal(m.len, 0);
	assert_int_equal(rtmp_aggregate_next(&a, &off, &m), 0);
}

static void test_C13_aggregate_cut_anywhere(void **state)
{
	size_t whole;

	sub_message(MSG_VIDEO, 0, 3);
	sub_message(MSG_AUDIO, 0, 4);
	whole = wr_len(&out);
	for (size_t n = 0; n < whole; n++) {
		struct msg a = aggregate_of((uint32_t)n), m;
		uint32_t off = 0;
		int r, count = 0;

		while ((r = rtmp_aggregate_next(&a, &off, &m)) > 0)
			count++;
		/* only the last back pointer may be missing, whole or in part */
		assert_int_equal(count, (n >= 14) + (n >= 33));
		assert_int_equal(r, !n || (n >= 14 && n <= 18) || n >= 33 ? 0 : -EINVAL);
	}
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_one_message),
		CASE(test_empty_message),
		CASE(test_message_of_type_0_is_stepped_over),
		CASE(test_a_message_in_one_chunk_is_handed_out_in_place),
		CASE(test_no_allocation_per_message),
		CASE(test_T5_chunk_stream_ids_of_all_three_forms),
		CASE(test_T5_long_form_of_a_short_id_is_the_same_chunk_stream),
		CASE(test_T5_open_chunk_streams_are_capped),
		CASE(test_T6_fresh_chunk_stream_may_start_with_type_1),
		CASE(test_T6_fresh_chunk_stream_must_not_start_with_type_2),
		CASE(test_T6_fresh_chunk_stream_must_not_start_with_type_3),
		CASE(test_T7_type_3_begins_a_new_message_with_the_last_delta),
		CASE(test_T7_after_type_0_the_delta_is_its_timestamp),
		CASE(test_T8_extended_timestamp_repeated_on_type3),
		CASE(test_T8_extended_timestamp_repeated_on_type3_byte_by_byte),
		CASE(test_T8_extended_timestamp_left_out_on_type3),
		CASE(test_T8_extended_timestamp_left_out_on_type3_byte_by_byte),
		CASE(test_T8_payload_that_looks_like_the_timestamp),
		CASE(test_T8_comparing_never_waits_for_later_messages),
		CASE(test_T8_bytes_compared_may_hold_whole_messages),
		CASE(test_T9_extended_value_on_type_1_and_2_is_a_delta),
		CASE(test_T10_type_0_over_an_unfinished_message_drops_it),
		CASE(test_T10_not_without_end),
		CASE(test_T11_length_must_not_change_inside_a_message),
		CASE(test_T11_type_must_not_change_inside_a_message),
		CASE(test_T11_the_same_header_again_is_tolerated),
		CASE(test_T12_interleaved_chunk_streams),
		CASE(test_T13_chunk_size_holds_for_every_chunk_stream),
		CASE(test_T13_chunk_sizes_out_of_range),
		CASE(test_T13_chunk_size_shorter_than_4_bytes),
		CASE(test_T14_declared_length_costs_nothing),
		CASE(test_T14_message_too_big),
		CASE(test_T14_budget_bounds_memory),
		CASE(test_T14_memory_follows_messages_down_again),
		CASE(test_T15_abort_drops_the_partial),
		CASE(test_T15_abort_of_nothing_is_odd),
		CASE(test_M1_timestamps_are_unwrapped_across_chunk_streams),
		CASE(test_round_trip_in_random_cuts),
		CASE(test_C13_aggregate_times_are_relative_to_the_first),
		CASE(test_C13_aggregate_cut_anywhere),
	};

	return cmocka_run_group_tests_name("rtmp_in", tests, NULL, NULL);
}
