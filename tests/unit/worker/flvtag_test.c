/* SPDX-License-Identifier: Apache-2.0 */
/* FLV tags byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "controlplane/worker/flvtag.h"

static struct track track_of(enum track_codec codec)
{
	struct track t = {.codec = codec, .config = {1, 2, 3}, .config_n = 3};

	return t;
}

static void test_h264_frame_with_a_late_picture(void **state)
{
	static const uint8_t want[] = {9, 0, 0, 9,    0x34, 0x56, 0x78, 0x12,
				       0, 0, 0, 0x27, 1,    0,	  0,	80};
	struct track t = track_of(CODEC_H264);
	struct unit u = {TRACK_VIDEO,
			 false,
			 0x12345678ll * 1000,
			 (0x12345678ll + 80) * 1000,
			 0,
			 (const uint8_t *)"abcd",
			 4};
	uint8_t head[FLV_TAG_ROOM], tail[4];

	assert_int_equal(flv_unit_tag(head, tail, &t, &u), sizeof(want));
	assert_memory_equal(head, want, sizeof(want));
	assert_int_equal(get_be32(tail), 20);
}

static void test_times_beyond_32_bits_wrap(void **state)
{
	struct track t = track_of(CODEC_AAC);
	struct unit u = {TRACK_AUDIO,
			 true,
			 (0x100000000ll + 5) * 1000,
			 (0x100000000ll + 5) * 1000,
			 0,
			 (const uint8_t *)"a",
			 1};
	uint8_t head[FLV_TAG_ROOM], tail[4];

	flv_unit_tag(head, tail, &t, &u);
	assert_int_equal(head[7], 0);
	assert_int_equal(get_be24(head + 4), 5);
}

static void test_hevc_is_enhanced(void **state)
{
	static const uint8_t header[] = {0x90, 'h', 'v', 'c', '1', 1, 2, 3};
	static const uint8_t frame[] = {0x91, 'h', 'v', 'c', '1', 0, 0, 40};
	struct track t = track_of(CODEC_HEVC);
	struct unit u = {TRACK_VIDEO, true, 0, 40000, 0, (const uint8_t *)"abcd", 4};
	uint8_t tag[64], tail[4];

	assert_int_equal(flv_header_tag(tag, sizeof(tag), &t, TRACK_VIDEO, 0), 11 + 8 + 4);
	assert_memory_equal(tag + 11, header, sizeof(header));
	assert_int_equal(flv_unit_tag(tag, tail, &t, &u), 11 + 8);
	assert_memory_equal(tag + 11, frame, sizeof(frame));
}

static void test_audio_that_flv_does_not_know_is_enhanced(void **state)
{
	static const uint8_t header[] = {0x90, 'O', 'p', 'u', 's', 1, 2, 3};
	static const uint8_t frame[] = {0x91, 'a', 'c', '-', '3'};
	struct track t = track_of(CODEC_OPUS);
	struct unit u = {TRACK_AUDIO, true, 0, 0, 0, (const uint8_t *)"abcd", 4};
	uint8_t tag[64], tail[4];

	assert_int_equal(flv_header_tag(tag, sizeof(tag), &t, TRACK_AUDIO, 0), 11 + 8 + 4);
	assert_memory_equal(tag + 11, header, sizeof(header));
	t = (struct track){.codec = CODEC_AC3};
	assert_int_equal(flv_header_tag(tag, sizeof(tag), &t, TRACK_AUDIO, 0), 0);
	assert_int_equal(flv_unit_tag(tag, tail, &t, &u), 11 + 5);
	assert_memory_equal(tag + 11, frame, sizeof(frame));
}

static void test_a_codec_without_configuration_has_no_header(void **state)
{
	struct track t = {.codec = CODEC_MP3};
	uint8_t tag[64];

	assert_int_equal(flv_header_tag(tag, sizeof(tag), &t, TRACK_AUDIO, 0), 0);
}

static void test_metadata_names_what_is_there(void **state)
{
	struct track tracks[TRACKS] = {track_of(CODEC_H264), {0}};
	uint8_t tag[1024];
	size_t n = flv_metadata(tag, sizeof(tag), tracks);

	assert_true(n > 40);
	assert_int_equal(tag[0], 18);
	assert_int_equal(get_be24(tag + 1), n - 11 - 4);
	assert_int_equal(get_be32(tag + n - 4), n - 4);
	assert_non_null(memmem(tag, n, "videocodecid", 12));
	assert_null(memmem(tag, n, "audiocodecid", 12));
	assert_int_equal(flv_metadata(tag, 20, tracks), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h264_frame_with_a_late_picture),
		cmocka_unit_test(test_times_beyond_32_bits_wrap),
		cmocka_unit_test(test_hevc_is_enhanced),
		cmocka_unit_test(test_audio_that_flv_does_not_know_is_enhanced),
		cmocka_unit_test(test_a_codec_without_configuration_has_no_header),
		cmocka_unit_test(test_metadata_names_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
