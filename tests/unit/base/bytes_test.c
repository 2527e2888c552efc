/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

static void test_what_is_written_is_read_back(void **state)
{
	uint8_t room[64];
	struct wr w = wr_of(room, sizeof(room));
	struct rd r;

	wr_u8(&w, 0x12);
	wr_be16(&w, 0x3456);
	wr_be24(&w, 0x789abc);
	wr_be32(&w, 0xdef01234);
	wr_le32(&w, 0x56789abc);
	wr_be64(&w, 0xdef0123456789abcull);
	assert_false(w.bad);
	assert_int_equal(wr_len(&w), 22);
	assert_memory_equal(room, "\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\xbc\x9a\x78\x56", 14);

	r = rd_of(room, wr_len(&w));
	assert_int_equal(rd_u8(&r), 0x12);
	assert_int_equal(rd_be16(&r), 0x3456);
	assert_int_equal(rd_be24(&r), 0x789abc);
	assert_int_equal(rd_be32(&r), 0xdef01234);
	assert_int_equal(rd_le32(&r), 0x56789abc);
	assert_true(rd_be64(&r) == 0xdef0123456789abcull);
	assert_int_equal(rd_left(&r), 0);
	assert_false(r.bad);
}

static void test_the_first_step_out_of_bounds_sticks(void **state)
{
	uint8_t room[3] = {1, 2, 3};
	struct rd r = rd_of(room, sizeof(room));
	struct wr w = wr_of(room, sizeof(room));

	assert_int_equal(rd_be32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rd_u8(&r), 0); /* would fit, but the input is not to be trusted any more */
	assert_int_equal(rd_left(&r), 0);
	assert_null(rd_take(&r, 0));

	wr_be32(&w, 0xffffffff);
	assert_true(w.bad);
	wr_u8(&w, 9);
	assert_int_equal(wr_len(&w), 0);
	assert_int_equal(room[0], 1);
}

static void test_a_writer_is_a_sink(void **state)
{
	uint8_t room[4];
	struct wr w = wr_of(room, sizeof(room));

	w.sink.write(&w.sink, "abc", 3);
	assert_int_equal(wr_len(&w), 3);
	w.sink.write(&w.sink, "de", 2);
	assert_true(w.bad);
	assert_memory_equal(room, "abc", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_the_first_step_out_of_bounds_sticks),
		cmocka_unit_test(test_a_writer_is_a_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
