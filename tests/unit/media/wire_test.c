/* SPDX-License-Identifier: Apache-2.0 */
#include "media/wire.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"
#include "media/flv.h"
#include "media/rtmp_in.h"

static const uint32_t chunk_sizes[] = {128, 4096, 60000, 65536};
static const uint32_t lens[] = {0, 1, 127, 128, 129, 4096, 4097, 65536, 65537, 200000};
static const int64_t times[] = {0, 0xfffffe, 0xffffff, 0x1000000, 0xffffffff, 0x100000000};
static uint8_t body[200000], bytes[220000];

static void test_size_and_span_agree_with_what_put_writes(void **state)
{
	static const uint8_t types[] = {MSG_AUDIO, MSG_VIDEO, MSG_DATA};

	for (unsigned c = 0; c < array_len(chunk_sizes); c++) {
		wire_init(chunk_sizes[c]);
		assert_int_equal(wire_rtmp_chunk_size(), chunk_sizes[c]);
		for (unsigned i = 0; i < WIRE_MAX * array_len(lens) * array_len(times); i++) {
			const struct wire *wire = wire_of(i % WIRE_MAX);
			struct msg m = {.type = types[i % 3], .stream_id = 77, .csid = 9};
			struct wr w = wr_of(bytes, sizeof(bytes));

			m.len = lens[i / WIRE_MAX % array_len(lens)];
			m.ts_ms = times[i / WIRE_MAX / array_len(lens)];
			m.data = body;
			wire->put(&w.sink, &m);
			assert_false(w.bad);
			assert_int_equal(wire->size(&m), wr_len(&w));
			assert_int_equal(wire->span(bytes), wr_len(&w));
		}
	}
}

static void test_both_formats_carry_the_same_message(void **state)
{
	struct msg m = {.type = MSG_VIDEO, .ts_ms = 0x12345678, .len = 5000, .data = body}, out;
	struct mem mem = {.max = 1 << 20};
	struct rtmp_in rtmp;
	struct wr w = wr_of(bytes, sizeof(bytes));

	wire_init(4096);
	wire_of(WIRE_FLV)->put(&w.sink, &m);
	assert_memory_equal(bytes + FLV_TAG_HEAD, body, m.len);

	rtmp_in_init(&rtmp, &mem, 1 << 20, 8);
	rtmp.chunk_size = 4096;
	w = wr_of(bytes, sizeof(bytes));
	wire_of(WIRE_RTMP)->put(&w.sink, &m);
	for (size_t off = 0; off < wr_len(&w);)
		off += (size_t)rtmp_in_feed(&rtmp, bytes + off, wr_len(&w) - off, &out);
	assert_int_equal(out.type, MSG_VIDEO);
	assert_int_equal(out.stream_id, 1);
	assert_int_equal(out.ts_ms, m.ts_ms);
	assert_int_equal(out.len, m.len);
	assert_memory_equal(out.data, body, m.len);
	rtmp_in_fini(&rtmp);
}

static void test_formats_have_names(void **state)
{
	assert_string_equal(wire_of(WIRE_RTMP)->name, "rtmp");
	assert_string_equal(wire_of(WIRE_FLV)->name, "flv");
	assert_string_equal(wire_of(WIRE_WS)->name, "ws-flv");
}

static int fill_body(void **state)
{
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 31 + i / 251);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_and_span_agree_with_what_put_writes),
		cmocka_unit_test(test_both_formats_carry_the_same_message),
		cmocka_unit_test(test_formats_have_names),
	};

	return cmocka_run_group_tests_name("media/wire", tests, fill_body, NULL);
}
