/* SPDX-License-Identifier: Apache-2.0 */
#include "media/codec.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/check.h"

static struct msg msg_of(uint8_t type, const void *p, size_t n)
{
	return (struct msg){.type = type, .len = (uint32_t)n, .data = p};
}

/* The next track as a message of its own says this. */
static void expect(struct codec_tracks *t, uint8_t type, uint8_t track, const char *codec,
		   const void *body, size_t n)
{
	uint8_t bytes[64];
	struct codec_track one;
	struct codec_info info;
	struct slice rest;
	struct msg m;

	assert_true(codec_tracks_next(t, &one));
	assert_int_equal(one.track, track);
	memcpy(bytes, one.head, sizeof(one.head));
	memcpy(bytes + sizeof(one.head), one.body.p, one.body.n);
	m = msg_of(type, bytes, sizeof(one.head) + one.body.n);
	assert_true(codec_body(&m, &info, &rest));
	assert_true(info.header && info.multitrack);
	assert_int_equal(info.track, track);
	assert_string_equal(codec_name(info.codec), codec);
	assert_int_equal(rest.n, n);
	assert_memory_equal(rest.p, body, n);
}

static void test_M16_many_tracks_of_one_codec(void **state)
{
	static const uint8_t bytes[] = {0x96, 0x10, 'h', 'v', 'c', '1', 0, 0, 0,
					2,    1,    2,	 3,   0,   0,	1, 5};
	struct msg m = msg_of(MSG_VIDEO, bytes, sizeof(bytes));
	struct codec_tracks t;
	struct codec_track one;

	assert_true(codec_tracks_begin(&t, &m));
	expect(&t, MSG_VIDEO, 0, "hevc", "\1\2", 2);
	expect(&t, MSG_VIDEO, 3, "hevc", "\5", 1);
	assert_false(codec_tracks_next(&t, &one));
}

static void test_M17_many_tracks_of_many_codecs(void **state)
{
	static const uint8_t bytes[] = {0x95, 0x20, 'O', 'p', 'u', 's', 1, 0, 0, 1, 7,
					'm',  'p',  '4', 'a', 2,   0,	0, 2, 8, 9};
	struct msg m = msg_of(MSG_AUDIO, bytes, sizeof(bytes));
	struct codec_tracks t;

	assert_true(codec_tracks_begin(&t, &m));
	expect(&t, MSG_AUDIO, 1, "opus", "\7", 1);
	expect(&t, MSG_AUDIO, 2, "aac", "\10\11", 2);
}

static void test_M16_one_track_behind_mod_ex(void **state)
{
	static const uint8_t bytes[] = {0x97, 0, 9, 0x06, 0x00, 'a', 'v', '0', '1', 4, 6, 6, 6};
	struct msg m = msg_of(MSG_VIDEO, bytes, sizeof(bytes));
	struct codec_tracks t;
	struct codec_track one;

	assert_true(codec_tracks_begin(&t, &m));
	expect(&t, MSG_VIDEO, 4, "av1", "\6\6\6", 3);
	assert_false(codec_tracks_next(&t, &one));
}

static void test_M16_cut_messages_give_their_whole_tracks(void **state)
{
	static const uint8_t bytes[] = {0x96, 0x10, 'h', 'v', 'c', '1', 0, 0, 0,
					2,    1,    2,	 3,   0,   0,	1, 5};

	for (size_t n = 0; n < sizeof(bytes); n++) {
		struct msg m = msg_of(MSG_VIDEO, bytes, n);
		struct codec_track one;
		struct codec_tracks t;
		unsigned whole = 0;

		if (codec_tracks_begin(&t, &m))
			while (codec_tracks_next(&t, &one))
				whole++;
		assert_int_equal(whole, n >= 12 ? 1 : 0);
	}
}

static void test_others_are_no_multitrack_messages(void **state)
{
	struct codec_tracks t;
	struct msg m = msg_of(MSG_VIDEO, "\x17\0\0\0\0\1", 6);

	assert_false(codec_tracks_begin(&t, &m));
	m = msg_of(MSG_VIDEO, "\x90hvc1\1", 6);
	assert_false(codec_tracks_begin(&t, &m));
	m = msg_of(MSG_AUDIO, "\xaf\0\1\1", 4);
	assert_false(codec_tracks_begin(&t, &m));
	m = msg_of(MSG_DATA, "\x96\0hvc1\1\1", 8);
	assert_false(codec_tracks_begin(&t, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M16_many_tracks_of_one_codec),
		cmocka_unit_test(test_M17_many_tracks_of_many_codecs),
		cmocka_unit_test(test_M16_one_track_behind_mod_ex),
		cmocka_unit_test(test_M16_cut_messages_give_their_whole_tracks),
		cmocka_unit_test(test_others_are_no_multitrack_messages),
	};

	return cmocka_run_group_tests_name("media/codec_tracks", tests, NULL, NULL);
}
