/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/media/rtmp_in_fixture.h"

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
	assert_int_equal(allocs, 0);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
