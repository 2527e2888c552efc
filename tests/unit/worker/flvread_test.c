/* SPDX-License-Identifier: Apache-2.0 */
/* FLV tags in place: classic, enhanced, several tracks, cut anywhere (interop M5, M16, M17). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controlplane/worker/flvread.h"

/* A tag of that type and body at 0x81000004 ms; its length. */
static size_t tag(uint8_t *dst, uint8_t type, const uint8_t *body, size_t n)
{
	const uint8_t head[11] = {type, 0, 0, (uint8_t)n, 0, 0, 4, 0x81};

	memcpy(dst, head, sizeof(head));
	memcpy(dst + 11, body, n);
	memset(dst + 11 + n, 0, 4);
	return n + 15;
}

#define ITEM(type, ...) \
	item_of(type, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct flv_item item_of(uint8_t type, const uint8_t *body, size_t n)
{
	static uint8_t room[300];
	struct flv_item it;
	size_t whole = tag(room, type, body, n);

	for (size_t part = 0; part < whole; part++) {
		uint8_t *p = malloc(part + 1); /* exact, for asan */

		memcpy(p, room, part);
		assert_int_equal(flvread_tag(p, part, &it), 0);
		free(p);
	}
	assert_int_equal(flvread_tag(room, whole, &it), whole);
	assert_int_equal(it.time_ms, 0x81000004);
	return it;
}

static void test_classic_tags(void **state)
{
	struct flv_item it = ITEM(9, 0x17, 1, 0xff, 0xff, 0xfe, 7, 8);

	assert_int_equal(it.what, FLV_FRAME);
	assert_int_equal(it.codec, CODEC_H264);
	assert_true(it.key);
	assert_int_equal(it.delay_ms, -2);
	assert_int_equal(it.n, 2);
	it = ITEM(9, 0x17, 0, 0, 0, 0, 1);
	assert_int_equal(it.what, FLV_HEADER);
	it = ITEM(9, 0x2c, 1, 0, 0, 40, 1);
	assert_int_equal(it.codec, CODEC_HEVC);
	assert_false(it.key);
	assert_int_equal(it.delay_ms, 40);
	it = ITEM(9, 0x57, 0);
	assert_int_equal(it.what, FLV_NOTHING);
	it = ITEM(8, 0xaf, 1, 5);
	assert_int_equal(it.codec, CODEC_AAC);
	assert_int_equal(it.what, FLV_FRAME);
	it = ITEM(8, 0x2f, 0xff, 0xfb);
	assert_int_equal(it.codec, CODEC_MP3);
	assert_int_equal(it.n, 2);
	it = ITEM(18, 2, 0, 1, 'a');
	assert_int_equal(it.what, FLV_DATA);
}

static void test_M16_M17_enhanced_tags(void **state)
{
	struct flv_item it = ITEM(9, 0x91, 'h', 'v', 'c', '1', 0, 0, 40, 9);

	assert_int_equal(it.what, FLV_FRAME);
	assert_int_equal(it.codec, CODEC_HEVC);
	assert_int_equal(it.delay_ms, 40);
	assert_int_equal(it.n, 1);
	it = ITEM(9, 0xa3, 'h', 'v', 'c', '1', 9, 9);
	assert_int_equal(it.delay_ms, 0);
	assert_int_equal(it.n, 2);
	it = ITEM(9, 0x91, 'a', 'v', '0', '1', 9);
	assert_int_equal(it.codec, CODEC_AV1);
	assert_int_equal(it.n, 1);
	it = ITEM(8, 0x90, 'O', 'p', 'u', 's', 1);
	assert_int_equal(it.what, FLV_HEADER);
	assert_int_equal(it.codec, CODEC_OPUS);
	it = ITEM(9, 0x94, 'h', 'v', 'c', '1', 1);
	assert_int_equal(it.what, FLV_NOTHING);
	it = ITEM(9, 0x91, 'x', 'x', 'x', 'x', 1);
	assert_int_equal(it.codec, CODEC_OTHER);
}

static void test_M16_modifiers_and_the_first_of_several_tracks(void **state)
{
	struct flv_item it = ITEM(9, 0x97, 2, 1, 2, 3, 0x01, 'a', 'v', '0', '1', 9);

	assert_int_equal(it.what, FLV_FRAME);
	assert_int_equal(it.codec, CODEC_AV1);
	it = ITEM(9, 0x96, 0x11, 'a', 'v', '0', '1', 0, 0, 0, 2, 8, 9, 1, 0, 0, 1, 7);
	assert_int_equal(it.codec, CODEC_AV1);
	assert_int_equal(it.n, 2);
	assert_int_equal(it.data[0], 8);
	/* A size that lies. */
	it = ITEM(9, 0x96, 0x11, 'a', 'v', '0', '1', 0, 0, 0, 9, 8);
	assert_int_equal(it.what, FLV_NOTHING);
}

static void test_what_is_no_flv_is_refused(void **state)
{
	struct flv_item it;

	assert_int_equal(flvread_head((const uint8_t *)"HTTP", 4), -1);
	assert_int_equal(flvread_head((const uint8_t *)"FLV\1\5\0\0\0\x09\0\0\0\0", 13), 13);
	assert_int_equal(flvread_head((const uint8_t *)"FLV\1\5\0\0\0\x09", 9), 0);
	assert_int_equal(flvread_head((const uint8_t *)"FLV\1\5\xff\0\0\x09\0\0\0\0", 13), -1);
	assert_int_equal(flvread_tag((const uint8_t *)"\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15, &it),
			 -1);
}

static void test_numbers_of_the_metadata(void **state)
{
	static const uint8_t text[] = "\0\x05width\0\x40\x94\0\0\0\0\0\0";

	assert_int_equal((int)flvread_number(text, sizeof(text) - 1, "width"), 1280);
	assert_int_equal((int)flvread_number(text, sizeof(text) - 2, "width"), 0);
	assert_int_equal((int)flvread_number(text, sizeof(text) - 1, "height"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classic_tags),
		cmocka_unit_test(test_M16_M17_enhanced_tags),
		cmocka_unit_test(test_M16_modifiers_and_the_first_of_several_tracks),
		cmocka_unit_test(test_what_is_no_flv_is_refused),
		cmocka_unit_test(test_numbers_of_the_metadata),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
