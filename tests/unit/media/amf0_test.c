/* SPDX-License-Identifier: Apache-2.0 */
#include "media/amf0.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static struct amf0_token expect(struct amf0_rd *a, enum amf0_kind kind)
{
	struct amf0_token t;

	assert_int_equal(amf0_next(a, &t), 1);
	assert_int_equal(t.kind, kind);
	return t;
}

static void expect_end(struct amf0_rd *a)
{
	struct amf0_token t;

	assert_int_equal(amf0_next(a, &t), 0);
	assert_int_equal(amf0_next(a, &t), 0);
}

static void expect_malformed(struct amf0_rd *a)
{
	struct amf0_token t;

	assert_int_equal(amf0_next(a, &t), -EINVAL);
	assert_int_equal(amf0_next(a, &t), -EINVAL);
}

static void assert_text(struct slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static void test_scalars_round_trip(void **state)
{
	uint8_t b[256];
	struct wr w = wr_of(b, sizeof(b));
	struct amf0_rd a;

	amf0_number(&w, -1234.5);
	amf0_bool(&w, true);
	amf0_bool(&w, false);
	amf0_cstring(&w, "live");
	amf0_string(&w, "", 0);
	amf0_null(&w);
	assert_false(w.bad);

	amf0_rd_init(&a, b, wr_len(&w));
	assert_true(expect(&a, AMF0_NUMBER).number == -1234.5);
	assert_true(expect(&a, AMF0_BOOL).number == 1);
	assert_true(expect(&a, AMF0_BOOL).number == 0);
	assert_text(expect(&a, AMF0_STRING).str, "live");
	assert_int_equal(expect(&a, AMF0_STRING).str.n, 0);
	expect(&a, AMF0_NULL);
	expect_end(&a);
}

static void test_number_is_big_endian_ieee754(void **state)
{
	uint8_t b[16];
	struct wr w = wr_of(b, sizeof(b));

	amf0_number(&w, 1);
	assert_int_equal(wr_len(&w), 9);
	assert_memory_equal(b, "\x00\x3f\xf0\x00\x00\x00\x00\x00\x00", 9);
}

static void test_structures_round_trip(void **state)
{
	uint8_t b[256];
	struct wr w = wr_of(b, sizeof(b));
	struct amf0_token t;
	struct amf0_rd a;

	amf0_object(&w);
	amf0_key(&w, "list");
	amf0_strict_array(&w, 2);
	amf0_number(&w, 1);
	amf0_cstring(&w, "two");
	amf0_key(&w, "map");
	amf0_ecma_array(&w, 1);
	amf0_key_n(&w, "k", 1);
	amf0_null(&w);
	amf0_end(&w);
	amf0_end(&w);
	amf0_bool(&w, true);
	assert_false(w.bad);

	amf0_rd_init(&a, b, wr_len(&w));
	t = expect(&a, AMF0_OBJECT);
	assert_false(t.ecma);
	t = expect(&a, AMF0_ARRAY);
	assert_text(t.key, "list");
	t = expect(&a, AMF0_NUMBER);
	assert_int_equal(t.key.n, 0);
	expect(&a, AMF0_STRING);
	expect(&a, AMF0_END);
	t = expect(&a, AMF0_OBJECT);
	assert_true(t.ecma);
	assert_text(t.key, "map");
	assert_text(expect(&a, AMF0_NULL).key, "k");
	expect(&a, AMF0_END);
	expect(&a, AMF0_END);
	expect(&a, AMF0_BOOL);
	expect_end(&a);

	amf0_rd_init(&a, b, wr_len(&w));
	t = expect(&a, AMF0_OBJECT);
	assert_int_equal(amf0_skip(&a, &t), 0);
	t = expect(&a, AMF0_BOOL);
	assert_int_equal(amf0_skip(&a, &t), 0);
	expect_end(&a);
}

static void test_C8_every_scalar_type_is_stepped_over_by_its_size(void **state)
{
	static const uint8_t b[] = {
		0x06,							/* undefined */
		0x0d,							/* unsupported */
		0x0b, 0x40, 0, 0,   0, 0,   0,	 0,    0,   0xff, 0xc4, /* date, time zone -60 */
		0x07, 0,    7,						/* reference */
		0x0c, 0,    0, 0,   2, 'h', 'i',			/* long string */
		0x0f, 0,    0, 0,   4, '<', 'a', '/',  '>',		/* XML document */
		0x10, 0,    1, 'T', 0, 1,   'x', 0x05, 0,   0,	  9,	/* typed object */
	};
	struct amf0_rd a;

	amf0_rd_init(&a, b, sizeof(b));
	expect(&a, AMF0_NULL);
	expect(&a, AMF0_NULL);
	assert_true(expect(&a, AMF0_DATE).number == 2);
	assert_true(expect(&a, AMF0_REFERENCE).number == 7);
	assert_text(expect(&a, AMF0_STRING).str, "hi");
	assert_text(expect(&a, AMF0_STRING).str, "<a/>");
	expect(&a, AMF0_OBJECT);
	assert_text(expect(&a, AMF0_NULL).key, "x");
	expect(&a, AMF0_END);
	expect_end(&a);
}

static void test_C8_ecma_array_count_is_not_believed(void **state)
{
	static const uint8_t counts[][4] = {{0, 0, 0, 0}, {0, 0, 0, 9}, {0xff, 0xff, 0xff, 0xff}};
	struct amf0_rd a;

	for (size_t i = 0; i < 3; i++) {
		uint8_t b[] = {8, 0, 0, 0, 0, 0, 1, 'a', 5, 0, 1, 'b', 5, 0, 0, 9, 1, 1};

		memcpy(b + 1, counts[i], 4);
		amf0_rd_init(&a, b, sizeof(b));
		expect(&a, AMF0_OBJECT);
		assert_text(expect(&a, AMF0_NULL).key, "a");
		assert_text(expect(&a, AMF0_NULL).key, "b");
		expect(&a, AMF0_END);
		expect(&a, AMF0_BOOL);
		expect_end(&a);
	}
}

static void test_C8_ecma_array_may_lack_its_end_at_the_end(void **state)
{
	struct amf0_rd a;

	amf0_rd_init(&a, BYTES(8, 0, 0, 0, 1, 0, 1, 'a', 5));
	expect(&a, AMF0_OBJECT);
	expect(&a, AMF0_NULL);
	expect(&a, AMF0_END);
	expect_end(&a);
	/* an object may not */
	amf0_rd_init(&a, BYTES(3, 0, 1, 'a', 5));
	expect(&a, AMF0_OBJECT);
	expect(&a, AMF0_NULL);
	expect_malformed(&a);
}

static void test_C8_end_mark_alone_at_top_level_is_stepped_over(void **state)
{
	struct amf0_rd a;

	amf0_rd_init(&a, BYTES(5, 9, 1, 1, 9));
	expect(&a, AMF0_NULL);
	expect(&a, AMF0_BOOL);
	expect_end(&a);
}

static void test_C8_empty_key_is_a_member(void **state)
{
	struct amf0_rd a;

	amf0_rd_init(&a, BYTES(3, 0, 0, 5, 0, 0, 9));
	expect(&a, AMF0_OBJECT);
	expect(&a, AMF0_NULL);
	expect(&a, AMF0_END);
	expect_end(&a);
}

static void test_C8_strict_array_count_is_bounded_by_the_input(void **state)
{
	struct amf0_rd a;

	amf0_rd_init(&a, BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 5));
	expect_malformed(&a);
	amf0_rd_init(&a, BYTES(0x0a, 0, 0, 0, 2, 5));
	expect_malformed(&a);
	amf0_rd_init(&a, BYTES(0x0a, 0, 0, 0, 0));
	expect(&a, AMF0_ARRAY);
	expect(&a, AMF0_END);
	expect_end(&a);
}

static void test_C8_depth_is_capped(void **state)
{
	uint8_t b[5 * (AMF0_DEPTH_MAX + 1)];
	struct amf0_token t;
	struct amf0_rd a;

	for (size_t i = 0; i < sizeof(b); i += 5)
		memcpy(b + i, "\x0a\x00\x00\x00\x01", 5);
	amf0_rd_init(&a, b, sizeof(b));
	for (int i = 0; i < AMF0_DEPTH_MAX; i++)
		expect(&a, AMF0_ARRAY);
	expect_malformed(&a);

	amf0_rd_init(&a, b, sizeof(b));
	t = expect(&a, AMF0_ARRAY);
	assert_int_equal(amf0_skip(&a, &t), -EINVAL);
}

static void test_C8_unknown_types_are_malformed(void **state)
{
	static const uint8_t markers[] = {0x04, 0x0e, 0x12, 0xff};
	struct amf0_rd a;

	for (size_t i = 0; i < sizeof(markers); i++) {
		amf0_rd_init(&a, markers + i, 1);
		expect_malformed(&a);
	}
}

static void test_C7_amf3_marker_ends_the_reading(void **state)
{
	struct amf0_token t;
	struct amf0_rd a;

	amf0_rd_init(&a, BYTES(5, 0x11, 6, 3, 'a'));
	expect(&a, AMF0_NULL);
	t = expect(&a, AMF0_AMF3);
	assert_int_equal(t.str.n, 3);
	assert_int_equal(t.str.p[0], 6);
	expect_end(&a);
	/* inside a structure too */
	amf0_rd_init(&a, BYTES(3, 0, 1, 'a', 0x11, 1, 0, 0, 9));
	t = expect(&a, AMF0_OBJECT);
	assert_int_equal(amf0_skip(&a, &t), 0);
	expect_end(&a);
}

static void test_every_truncation_is_malformed_not_read_beyond(void **state)
{
	uint8_t b[128];
	struct wr w = wr_of(b, sizeof(b));
	struct amf0_token t;

	amf0_object(&w);
	amf0_key(&w, "a");
	amf0_strict_array(&w, 2);
	amf0_number(&w, 1);
	amf0_cstring(&w, "text");
	amf0_key(&w, "b");
	amf0_bool(&w, true);
	amf0_end(&w);
	for (size_t n = 1; n < wr_len(&w); n++) {
		/* a copy of exactly this size: sanitizers see a read beyond it */
		uint8_t *cut = malloc(n);
		struct amf0_rd a;
		int r;

		memcpy(cut, b, n);
		amf0_rd_init(&a, cut, n);
		while ((r = amf0_next(&a, &t)) > 0)
			;
		assert_int_equal(r, -EINVAL);
		free(cut);
	}
}

static void test_whole_values_leave_the_reader_before_another_kind(void **state)
{
	uint8_t b[64];
	struct wr w = wr_of(b, sizeof(b));
	struct amf0_rd a;
	struct slice s;
	double v;

	amf0_cstring(&w, "x");
	amf0_number(&w, 3);
	amf0_rd_init(&a, b, wr_len(&w));
	assert_false(amf0_read_number(&a, &v));
	assert_true(amf0_read_string(&a, &s));
	assert_text(s, "x");
	assert_false(amf0_read_string(&a, &s));
	assert_true(amf0_read_number(&a, &v));
	assert_true(v == 3);
	assert_false(amf0_read_number(&a, &v));
}

static void test_long_strings(void **state)
{
	static char text[65536];
	static uint8_t b[65536 + 8];
	struct amf0_rd a;
	struct wr w;

	memset(text, 'a', sizeof(text));
	w = wr_of(b, sizeof(b));
	amf0_string(&w, text, 65535);
	assert_int_equal(b[0], 0x02);
	assert_int_equal(wr_len(&w), 3 + 65535);

	w = wr_of(b, sizeof(b));
	amf0_string(&w, text, 65536);
	assert_int_equal(b[0], 0x0c);
	amf0_rd_init(&a, b, wr_len(&w));
	assert_int_equal(expect(&a, AMF0_STRING).str.n, 65536);

	w = wr_of(b, sizeof(b));
	amf0_key_n(&w, text, 65536);
	assert_true(w.bad);
}

static void test_writing_too_much_is_bad_and_stays_inside(void **state)
{
	uint8_t b[5] = {0, 0, 0, 0, 0xee};
	struct wr w = wr_of(b, 4);

	amf0_cstring(&w, "ab");
	assert_true(w.bad);
	assert_int_equal(b[4], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars_round_trip),
		cmocka_unit_test(test_number_is_big_endian_ieee754),
		cmocka_unit_test(test_structures_round_trip),
		cmocka_unit_test(test_C8_every_scalar_type_is_stepped_over_by_its_size),
		cmocka_unit_test(test_C8_ecma_array_count_is_not_believed),
		cmocka_unit_test(test_C8_ecma_array_may_lack_its_end_at_the_end),
		cmocka_unit_test(test_C8_end_mark_alone_at_top_level_is_stepped_over),
		cmocka_unit_test(test_C8_empty_key_is_a_member),
		cmocka_unit_test(test_C8_strict_array_count_is_bounded_by_the_input),
		cmocka_unit_test(test_C8_depth_is_capped),
		cmocka_unit_test(test_C8_unknown_types_are_malformed),
		cmocka_unit_test(test_C7_amf3_marker_ends_the_reading),
		cmocka_unit_test(test_every_truncation_is_malformed_not_read_beyond),
		cmocka_unit_test(test_whole_values_leave_the_reader_before_another_kind),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_writing_too_much_is_bad_and_stays_inside),
	};

	return cmocka_run_group_tests_name("amf0", tests, NULL, NULL);
}
