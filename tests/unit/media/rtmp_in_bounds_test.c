/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/media/rtmp_in_fixture.h"

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

	return cmocka_run_group_tests(tests, NULL, NULL);
}
