/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtmp_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static uint8_t wire[70000], payload[66000];

static struct wr write_msg(uint8_t type, int64_t ts_ms, uint32_t len, uint32_t chunk_size)
{
	struct msg m = {.type = type,
			.stream_id = 1,
			.csid = 99,
			.ts_ms = ts_ms,
			.len = len,
			.data = payload};
	struct wr w = wr_of(wire, sizeof(wire));

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	rtmp_out_msg(&w.sink, &m, chunk_size);
	assert_false(w.bad);
	return w;
}

static void test_one_chunk(void **state)
{
	struct wr w = write_msg(MSG_AUDIO, 0x010203, 3, 128);

	assert_int_equal(wr_len(&w), 15);
	assert_memory_equal(wire, "\x04\x01\x02\x03\x00\x00\x03\x08\x01\x00\x00\x00", 12);
	assert_memory_equal(wire + 12, payload, 3);
}

static void test_continuation_chunks_are_type_3(void **state)
{
	struct wr w = write_msg(MSG_VIDEO, 40, 300, 128);

	assert_int_equal(wr_len(&w), 12 + 128 + 1 + 128 + 1 + 44);
	assert_int_equal(wire[0], 6);
	assert_int_equal(wire[140], 0xc6);
	assert_memory_equal(wire + 141, payload + 128, 128);
	assert_int_equal(wire[269], 0xc6);
	assert_memory_equal(wire + 270, payload + 256, 44);
}

static void test_no_header_follows_a_last_full_chunk(void **state)
{
	struct wr w = write_msg(MSG_VIDEO, 40, 256, 128);

	assert_int_equal(wr_len(&w), 12 + 256 + 1);
}

static void test_T8_extended_timestamp_repeated_on_every_chunk(void **state)
{
	static const struct {
		int64_t ts_ms;
		bool extended;
	} cases[] = {{0xfffffe, false},	 {0xffffff, true},	   {0x1000000, true},
		     {0xffffffff, true}, {0x100000000 + 5, false}, {-1, true}};

	for (size_t i = 0; i < 6; i++) {
		struct wr w = write_msg(MSG_VIDEO, cases[i].ts_ms, 200, 128);
		uint32_t low = (uint32_t)cases[i].ts_ms;

		if (!cases[i].extended) {
			assert_int_equal(get_be24(wire + 1), low);
			assert_int_equal(wr_len(&w), 12 + 200 + 1);
			continue;
		}
		assert_int_equal(get_be24(wire + 1), 0xffffff);
		assert_int_equal(get_be32(wire + 12), low);
		assert_int_equal(wire[16 + 128], 0xc6);
		assert_int_equal(get_be32(wire + 16 + 129), low);
		assert_int_equal(wr_len(&w), 16 + 200 + 5);
	}
}

static void test_size_and_span_tell_what_is_written(void **state)
{
	static const uint32_t lens[] = {0, 1, 127, 128, 129, 256, 1000, 65535};
	static const uint32_t chunks[] = {1, 128, 4096, 60000, 0xffffff};
	static const int64_t times[] = {0, 0xfffffe, 0xffffff, 0x123456789, -5};

	for (size_t l = 0; l < 8; l++) {
		for (size_t c = 0; c < 5; c++) {
			for (size_t t = 0; t < 5; t++) {
				struct wr w;

				if (lens[l] > 1000 && chunks[c] < 128)
					continue; /* more headers than the test's memory */
				w = write_msg(MSG_VIDEO, times[t], lens[l], chunks[c]);
				assert_int_equal(rtmp_out_size(lens[l], times[t], chunks[c]),
						 wr_len(&w));
				assert_int_equal(rtmp_out_span(wire, chunks[c]), wr_len(&w));
			}
		}
	}
}

static void test_span_refuses_what_is_no_start(void **state)
{
	write_msg(MSG_VIDEO, 0xffffff, 200, 128);
	assert_int_not_equal(rtmp_out_span(wire, 128), 0);
	assert_int_equal(rtmp_out_span(wire + 16 + 128, 128), 0); /* a type-3 chunk */
	wire[0] = RTMP_CSID_AUDIO;				  /* not video's chunk stream */
	assert_int_equal(rtmp_out_span(wire, 128), 0);
	wire[0] = RTMP_CSID_VIDEO;
	wire[12] = 0;
	wire[13] = 0; /* an extended timestamp that needs no extension */
	assert_int_equal(rtmp_out_span(wire, 128), 0);
	write_msg(MSG_VIDEO, 0, 200, 128);
	wire[7] = MSG_NONE;
	assert_int_equal(rtmp_out_span(wire, 128), 0);
}

static void test_every_type_has_a_chunk_stream_of_one_byte(void **state)
{
	for (unsigned type = 0; type < 256; type++) {
		uint32_t csid = rtmp_out_csid((uint8_t)type);

		assert_in_range(csid, RTMP_CSID_CONTROL, RTMP_CSID_VIDEO);
	}
	assert_int_equal(rtmp_out_csid(MSG_AUDIO), RTMP_CSID_AUDIO);
	assert_int_equal(rtmp_out_csid(MSG_VIDEO), RTMP_CSID_VIDEO);
	assert_int_equal(rtmp_out_csid(MSG_DATA), RTMP_CSID_DATA);
	assert_int_equal(rtmp_out_csid(MSG_COMMAND), RTMP_CSID_COMMAND);
	assert_int_equal(rtmp_out_csid(MSG_ACK), RTMP_CSID_CONTROL);
}

static void test_control_messages(void **state)
{
	struct wr w = wr_of(wire, sizeof(wire));

	rtmp_out_u32(&w.sink, MSG_SET_CHUNK_SIZE, 60000);
	assert_int_equal(wr_len(&w), 16);
	assert_memory_equal(wire,
			    "\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\xea\x60", 16);
	w = wr_of(wire, sizeof(wire));
	rtmp_out_peer_bandwidth(&w.sink, 2500000, 2);
	assert_int_equal(wr_len(&w), 17);
	assert_memory_equal(wire + 4, "\x00\x00\x05\x06", 4);
	assert_memory_equal(wire + 12, "\x00\x26\x25\xa0\x02", 5);
	w = wr_of(wire, sizeof(wire));
	rtmp_out_user_control(&w.sink, RTMP_UC_PING_RESPONSE, 0xdeadbeef);
	assert_int_equal(wr_len(&w), 18);
	assert_memory_equal(wire + 12, "\x00\x07\xde\xad\xbe\xef", 6);
	w = wr_of(wire, sizeof(wire));
	rtmp_out_buffer_length(&w.sink, 1, 3000);
	assert_int_equal(wr_len(&w), 22);
	assert_memory_equal(wire + 12, "\x00\x03\x00\x00\x00\x01\x00\x00\x0b\xb8", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_chunk),
		cmocka_unit_test(test_continuation_chunks_are_type_3),
		cmocka_unit_test(test_no_header_follows_a_last_full_chunk),
		cmocka_unit_test(test_T8_extended_timestamp_repeated_on_every_chunk),
		cmocka_unit_test(test_size_and_span_tell_what_is_written),
		cmocka_unit_test(test_span_refuses_what_is_no_start),
		cmocka_unit_test(test_every_type_has_a_chunk_stream_of_one_byte),
		cmocka_unit_test(test_control_messages),
	};

	return cmocka_run_group_tests_name("rtmp_out", tests, NULL, NULL);
}
