/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary streams for MPEG-TS and names for playlists (interop L4, M14, M20, M22; RFC 6381). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controlplane/worker/elementary.h"

static const struct track h264 = {
	.codec = CODEC_H264,
	.config = {1, 0x64, 0, 0x0d, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x0d, 1, 0, 2, 0x68, 0xeb},
	.config_n = 17,
};

static void test_L4_M22_an_idr_gets_delimiter_and_parameter_sets(void **state)
{
	static const uint8_t idr[] = {0, 0, 0, 2, 0x09, 0x10, 0, 0, 0, 3, 0x65, 0x88, 0x80};
	static const uint8_t want[] = {0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67, 0x64, 0,   0x0d,
				       0, 0, 0, 1, 0x68, 0xeb, 0, 0, 0, 1, 0x65, 0x88, 0x80};
	struct annexb a;
	uint8_t out[256];

	assert_int_equal(annexb_init(&a, &h264), 0);
	assert_true(annexb_is_key(&a, idr, sizeof(idr)));
	assert_int_equal(annexb_write(&a, out, idr, sizeof(idr)), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void test_M22_parameter_sets_in_the_stream_are_not_doubled(void **state)
{
	static const uint8_t idr[] = {0, 0,    0, 2, 0x67, 0x42, 0, 0,	  0,
				      2, 0x68, 1, 0, 0,	   0,	 2, 0x65, 0x88};
	struct annexb a;
	uint8_t out[256];

	assert_int_equal(annexb_init(&a, &h264), 0);
	assert_int_equal(annexb_write(&a, out, idr, sizeof(idr)), 6 + sizeof(idr));
}

static void test_M14_a_picture_without_idr_is_no_key_frame(void **state)
{
	static const uint8_t p[] = {0, 0, 0, 2, 0x06, 0x05, 0, 0, 0, 2, 0x41, 0x9a};
	static const uint8_t want[] = {0, 0,	0,    1, 0x09, 0xf0, 0, 0,    0,
				       1, 0x06, 0x05, 0, 0,    0,    1, 0x41, 0x9a};
	struct annexb a;
	uint8_t out[256];

	assert_int_equal(annexb_init(&a, &h264), 0);
	assert_false(annexb_is_key(&a, p, sizeof(p)));
	assert_int_equal(annexb_write(&a, out, p, sizeof(p)), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void test_lengths_that_lie_are_refused_and_nothing_is_read_beyond(void **state)
{
	static const uint8_t good[] = {0, 0, 0, 3, 0x65, 0x88, 0x80, 0, 0, 0, 2, 0x65, 1};
	struct annexb a;

	assert_int_equal(annexb_init(&a, &h264), 0);
	for (size_t n = 0; n < sizeof(good); n++) {
		uint8_t *p = malloc(n + 1), *out = malloc(annexb_room(&a, n)); /* exact, for asan */

		memcpy(p, good, n);
		assert_int_equal(annexb_write(&a, out, p, n) > 0, n == 7);
		annexb_is_key(&a, p, n);
		free(p);
		free(out);
	}
	for (size_t n = 0; n < h264.config_n; n++) {
		struct track cut = h264;

		cut.config_n = n;
		assert_int_equal(annexb_init(&a, &cut), -1);
	}
}

static void test_M20_adts_says_what_the_config_says(void **state)
{
	static const uint8_t lc[] = {0x12, 0x10}, he[] = {0x2b, 0x92, 0x08, 0x00};
	struct aac_config c;
	uint8_t head[ADTS_BYTES];

	assert_int_equal(aac_config_read(&c, lc, sizeof(lc)), 0);
	assert_int_equal(c.rate, 44100);
	assert_int_equal(c.channels, 2);
	assert_true(adts_header(head, &c, 100));
	assert_memory_equal(head, ((uint8_t[]){0xff, 0xf1, 0x50, 0x80, 0x0d, 0x7f, 0xfc}), 7);
	assert_false(adts_header(head, &c, 8192));
	/* HE-AAC said explicitly: ADTS names the core. */
	assert_int_equal(aac_config_read(&c, he, sizeof(he)), 0);
	assert_int_equal(c.object, 2);
	assert_int_equal(c.extension, 5);
	assert_int_equal(aac_config_read(&c, lc, 1), -1);
}

static void test_names_of_codecs(void **state)
{
	static const struct {
		struct track track;
		const char *name;
	} cases[] = {
		{{.codec = CODEC_AAC, .config = {0x12, 0x10}, .config_n = 2}, "mp4a.40.2"},
		{{.codec = CODEC_AAC, .config = {0x2b, 0x92, 8, 0}, .config_n = 4}, "mp4a.40.5"},
		{{.codec = CODEC_MP3}, "mp4a.40.34"},
		{{.codec = CODEC_OPUS}, "opus"},
		{{.codec = CODEC_FLAC}, "fLaC"},
		{{.codec = CODEC_AV1, .config = {0x81, 0x05, 0x0c, 0}, .config_n = 4},
		 "av01.0.05M.08"},
		{{.codec = CODEC_VP9, .config = {1, 0, 0, 0, 0, 31, 0x82}, .config_n = 7},
		 "vp09.00.31.08"},
		{{.codec = CODEC_HEVC,
		  .config = {1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93},
		  .config_n = 23},
		 "hvc1.1.6.L93.B0"},
		{{.codec = CODEC_H264}, ""},
	};
	char dst[CODECS_ROOM];

	assert_string_equal(codecs_name(dst, &h264), "avc1.64000d");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(codecs_name(dst, &cases[i].track), cases[i].name);
}

static void test_samples_of_frames(void **state)
{
	static const uint8_t opus20ms[] = {0x78, 0}, opus60ms[] = {0x7b, 0x03};
	static const uint8_t mp3[] = {0xff, 0xfb, 0x90, 0x00};
	struct track opus = {.codec = CODEC_OPUS, .rate = 48000};
	struct track aac = {.codec = CODEC_AAC, .rate = 44100};
	int rate, channels;

	assert_int_equal(audio_samples(&aac, NULL, 0), 1024);
	assert_int_equal(audio_samples(&opus, opus20ms, 2), 960);
	assert_int_equal(audio_samples(&opus, opus60ms, 2), 2880);
	assert_int_equal(mp3_read(mp3, sizeof(mp3), &rate, &channels), 0);
	assert_int_equal(rate, 44100);
	assert_int_equal(channels, 2);
	assert_int_equal(mp3_read(opus20ms, 2, &rate, &channels), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_L4_M22_an_idr_gets_delimiter_and_parameter_sets),
		cmocka_unit_test(test_M22_parameter_sets_in_the_stream_are_not_doubled),
		cmocka_unit_test(test_M14_a_picture_without_idr_is_no_key_frame),
		cmocka_unit_test(test_lengths_that_lie_are_refused_and_nothing_is_read_beyond),
		cmocka_unit_test(test_M20_adts_says_what_the_config_says),
		cmocka_unit_test(test_names_of_codecs),
		cmocka_unit_test(test_samples_of_frames),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
