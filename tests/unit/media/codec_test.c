/* SPDX-License-Identifier: Apache-2.0 */
#include "media/codec.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* Hex digits to bytes; blanks between them are for the reader. "'abcd'" stands for a FourCC. */
static uint32_t bytes_of(const char *text, uint8_t *dst)
{
	uint32_t n = 0;

	while (*text) {
		unsigned byte;

		if (*text == ' ') {
			text++;
		} else if (*text == '\'') {
			memcpy(dst + n, text + 1, 4);
			n += 4;
			text += 6;
		} else {
			assert_int_equal(sscanf(text, "%2x", &byte), 1);
			dst[n++] = (uint8_t)byte;
			text += 2;
		}
	}
	return n;
}

static uint8_t message_bytes[2048];

static struct msg message(uint8_t type, const char *text)
{
	uint32_t n = bytes_of(text, message_bytes);

	return (struct msg){.type = type, .len = n, .data = message_bytes};
}

/* What must be found: a letter for each flag, in the order of struct codec_info. */
struct sample {
	const char *bytes;
	enum codec_id codec;
	const char *flags; /* Enhanced multiTrack Header Frame metaData Config enD Key */
	int32_t cts_ms;
	uint8_t track;
};

static void check_sample(uint8_t type, const struct sample *s)
{
	char flags[16] = "", *f = flags;
	struct msg m = message(type, s->bytes);
	struct codec_info c;

	assert_true(codec_inspect(&m, &c));
	f += sprintf(f, "%s%s", c.enhanced ? "E" : "", c.multitrack ? "T" : "");
	f += sprintf(f, "%s%s", c.header ? "H" : "", c.frame ? "F" : "");
	f += sprintf(f, "%s%s", c.metadata ? "A" : "", c.config ? "C" : "");
	sprintf(f, "%s%s", c.end ? "D" : "", c.keyframe ? "K" : "");
	if (strcmp(flags, s->flags) || c.codec != s->codec)
		print_error("%s: %s %s, not %s\n", s->bytes, codec_name(c.codec), flags, s->flags);
	assert_string_equal(flags, s->flags);
	assert_int_equal(c.codec, s->codec);
	assert_int_equal(c.cts_ms, s->cts_ms);
	assert_int_equal(c.track, s->track);
}

static void check_samples(uint8_t type, const struct sample *s, size_t n)
{
	while (n--)
		check_sample(type, s++);
}

static void test_legacy_video(void **state)
{
	static const struct sample samples[] = {
		{"17 00 000000 0164", CODEC_H264, "H"},
		{"17 00 000000", CODEC_H264, ""},
		{"17 01 000000 00000002 6588", CODEC_H264, "FK"},
		{"27 01 000000 00000002 419a", CODEC_H264, "F"},
		{"22 00", CODEC_H263, "F"},
		{"12 00", CODEC_H263, "FK"},
		{"13 00", CODEC_SCREEN, "FK"},
		{"14 00", CODEC_VP6, "FK"},
		{"45 00", CODEC_VP6, "FK"},
		{"36 00", CODEC_SCREEN, "F"},
		{"1f 00", CODEC_OTHER, "FK"},
	};

	check_samples(MSG_VIDEO, samples, array_len(samples));
}

static void test_M5_composition_time_is_signed(void **state)
{
	static const struct sample samples[] = {
		{"27 01 000050 00000002 419a", CODEC_H264, "F", 80},
		{"27 01 ffffd8 00000002 419a", CODEC_H264, "F", -40},
		{"27 01 800000 00000002 419a", CODEC_H264, "F", -8388608},
		{"a1 'hvc1' ffffd8 00000003 0201d0", CODEC_HEVC, "EF", -40},
	};

	check_samples(MSG_VIDEO, samples, array_len(samples));
}

static void test_M14_nal_types_are_believed_before_the_flag(void **state)
{
	static const struct sample samples[] = {
		/* flagged as key, but a plain slice */
		{"17 01 000000 00000002 419a", CODEC_H264, "F"},
		/* not flagged, but an IDR slice after AUD, SPS, PPS */
		{"27 01 000000 00000002 09f0 00000003 674200 00000002 68ce 00000002 6588",
		 CODEC_H264, "FK"},
		/* flagged, recovery point SEI behind another SEI message, then a plain slice */
		{"17 01 000000 00000008 06 0501ff 060180 80 00000002 419a", CODEC_H264, "FK"},
		/* the same without the flag */
		{"27 01 000000 00000004 06 060180 00000002 419a", CODEC_H264, "F"},
		/* lengths of 2 bytes and start codes cannot be walked: the flag counts */
		{"17 01 000000 0004 419a0000", CODEC_H264, "FK"},
		{"17 01 000000 00000001 419a0000", CODEC_H264, "FK"},
		{"27 01 000000 00000001 65880000", CODEC_H264, "F"},
		/* HEVC: CRA after VPS, TRAIL_R, recovery point */
		{"2c 01 000000 00000003 400101 00000003 2a0180", CODEC_HEVC, "FK"},
		{"1c 01 000000 00000003 020180", CODEC_HEVC, "F"},
		{"1c 01 000000 00000005 4e01 060180 00000003 020180", CODEC_HEVC, "FK"},
	};

	check_samples(MSG_VIDEO, samples, array_len(samples));
}

static void test_M14_command_frames_pass(void **state)
{
	static const struct sample samples[] = {
		{"57 00", CODEC_H264, ""},
		{"57", CODEC_H264, ""},
		{"d0 00", CODEC_NONE, "E"},
	};

	check_samples(MSG_VIDEO, samples, array_len(samples));
}

static void test_M15_end_of_sequence(void **state)
{
	static const struct sample video[] = {
		{"17 02 000000", CODEC_H264, "D"},
		{"17 02", CODEC_H264, "D"},
		{"92 'hvc1'", CODEC_HEVC, "ED"},
	};
	static const struct sample audio[] = {{"92 'Opus'", CODEC_OPUS, "ED"}};

	check_samples(MSG_VIDEO, video, array_len(video));
	check_samples(MSG_AUDIO, audio, array_len(audio));
}

static void test_M16_enhanced_video_packet_types(void **state)
{
	static const struct sample samples[] = {
		{"90 'hvc1' 01", CODEC_HEVC, "EH"},
		{"90 'hvc1'", CODEC_HEVC, "E"},
		{"91 'hvc1' 000028 00000003 260180", CODEC_HEVC, "EFK", 40},
		{"93 'hvc1' 00000003 260180", CODEC_HEVC, "EFK"},
		{"a3 'hvc1' 00000003 020180", CODEC_HEVC, "EF"},
		{"91 'avc1' 000028 00000002 6588", CODEC_H264, "EFK", 40},
		{"91 'vvc1' 000028 00000002 6588", CODEC_VVC, "EFK", 40},
		{"91 'av01' 000028 00000002", CODEC_AV1, "EFK"},
		{"a1 'vp09' 82", CODEC_VP9, "EF"},
		{"91 'vp08' 10", CODEC_VP8, "EFK"},
		{"94 'hvc1' 02", CODEC_HEVC, "EA"},
		{"d4 'hvc1' 02", CODEC_HEVC, "EA"},
		{"95 'av01' 80", CODEC_AV1, "EH"},
		{"98 'av01' 80", CODEC_AV1, "E"},
		{"91 'zzzz' 00", CODEC_OTHER, "EFK"},
	};

	check_samples(MSG_VIDEO, samples, array_len(samples));
}

static void test_M16_mod_ex_is_looped_over(void **state)
{
	static const struct sample samples[] = {
		/* one nanosecond offset, then coded frames */
		{"97 02 0f4240 01 'hvc1' 000028 00000003 260180", CODEC_HEVC, "EFK", 40},
		/* two of them */
		{"97 02 0f4240 07 00 55 00 'hvc1' 01", CODEC_HEVC, "EH"},
		/* 256 says that 16 bits of size follow: here 2 bytes */
		{"97 ff 0001 aabb 03 'av01' 00", CODEC_AV1, "EFK"},
	};
	static const struct sample audio[] = {{"97 02 0f4240 01 'Opus' 00", CODEC_OPUS, "EF"}};

	check_samples(MSG_VIDEO, samples, array_len(samples));
	check_samples(MSG_AUDIO, audio, array_len(audio));
}

static void test_M16_multitrack(void **state)
{
	static const struct sample samples[] = {
		/* one track, id 3 */
		{"96 00 'hvc1' 03 01", CODEC_HEVC, "ETH", 0, 3},
		/* many tracks of one codec; the first is 3 + 6 bytes long */
		{"96 11 'avc1' 01 000009 000028 00000002 6588 02 000001 ff", CODEC_H264, "ETFK", 40,
		 1},
		/* the first track's frame does not reach into the second */
		{"96 11 'avc1' 01 000003 000028 02 000001 ff", CODEC_H264, "ET", 40, 1},
		/* many tracks, many codecs */
		{"96 20 'av01' 00 000001 81 'hvc1' 01 000001 01", CODEC_AV1, "ETH", 0, 0},
	};
	static const struct sample audio[] = {
		{"95 00 'Opus' 01 4f", CODEC_OPUS, "ETH", 0, 1},
		{"95 21 'mp4a' 02 000001 21 'Opus' 03 000001 00", CODEC_AAC, "ETF", 0, 2},
	};

	check_samples(MSG_VIDEO, samples, array_len(samples));
	check_samples(MSG_AUDIO, audio, array_len(audio));
}

static void test_M17_enhanced_audio(void **state)
{
	static const struct sample samples[] = {
		{"90 'Opus' 4f", CODEC_OPUS, "EH"}, {"91 'Opus' 4f", CODEC_OPUS, "EF"},
		{"90 'fLaC' 66", CODEC_FLAC, "EH"}, {"91 'ac-3' 0b", CODEC_AC3, "EF"},
		{"91 'ec-3' 0b", CODEC_EAC3, "EF"}, {"91 '.mp3' ff", CODEC_MP3, "EF"},
		{"90 'mp4a' 12", CODEC_AAC, "EH"},  {"94 'Opus' 01", CODEC_OPUS, "EC"},
		{"93 'Opus' 01", CODEC_OPUS, "E"},
	};

	check_samples(MSG_AUDIO, samples, array_len(samples));
}

static void test_M18_legacy_hevc_and_av1_ids(void **state)
{
	static const struct sample samples[] = {
		{"1c 00 000000 01", CODEC_HEVC, "H"},
		{"1c 01 000028 00000003 260180", CODEC_HEVC, "FK", 40},
		{"1d 00 000000 81", CODEC_AV1, "H"},
		{"2d 01 000000 12", CODEC_AV1, "F"},
	};

	check_samples(MSG_VIDEO, samples, array_len(samples));
}

static void test_M21_legacy_audio(void **state)
{
	static const struct sample samples[] = {
		{"af 00 1210", CODEC_AAC, "H"}, {"af 01 21", CODEC_AAC, "F"},
		{"af 00", CODEC_AAC, ""},	{"2f ff", CODEC_MP3, "F"},
		{"e2 ff", CODEC_MP3, "F"},	{"72 d5", CODEC_G711A, "F"},
		{"82 d5", CODEC_G711U, "F"},	{"b6 00", CODEC_SPEEX, "F"},
		{"3e 00", CODEC_PCM, "F"},	{"0e 00", CODEC_PCM, "F"},
		{"1e 00", CODEC_OTHER, "F"},	{"2f", CODEC_MP3, "F"},
		{"df 01", CODEC_OPUS, "F"},
	};

	check_samples(MSG_AUDIO, samples, array_len(samples));
}

static void test_too_short_messages(void **state)
{
	static const char *const video[] = {"",
					    "17",
					    "17 01",
					    "17 01 0000",
					    "90",
					    "90 'hvc1' ",
					    "90 6876",
					    "91 'hvc1' 0000",
					    "97 05",
					    "96 00 'hvc1'",
					    "96 10 'hvc1' 00 000005 01"};
	static const char *const audio[] = {"", "af", "90", "95 00 'Opus'"};
	struct codec_info c;
	struct msg m;

	for (unsigned i = 0; i < array_len(video); i++) {
		m = message(MSG_VIDEO, video[i]);
		assert_int_equal(codec_inspect(&m, &c), !strcmp(video[i], "90 'hvc1' "));
	}
	for (unsigned i = 0; i < array_len(audio); i++) {
		m = message(MSG_AUDIO, audio[i]);
		assert_false(codec_inspect(&m, &c));
	}
	m = message(MSG_DATA, "af 01 00");
	assert_false(codec_inspect(&m, &c));
}

static void test_M6_codecs_that_need_a_sequence_header(void **state)
{
	struct codec_info c;
	struct msg m = message(MSG_VIDEO, "27 01 000000 00000002 419a");

	assert_true(codec_inspect(&m, &c) && c.needs_header);
	m = message(MSG_VIDEO, "12 00");
	assert_true(codec_inspect(&m, &c) && !c.needs_header);
	m = message(MSG_AUDIO, "af 01 21");
	assert_true(codec_inspect(&m, &c) && c.needs_header);
	m = message(MSG_AUDIO, "91 'Opus' 4f");
	assert_true(codec_inspect(&m, &c) && !c.needs_header);
}

static void test_names(void **state)
{
	assert_string_equal(codec_name(CODEC_NONE), "none");
	assert_string_equal(codec_name(CODEC_OTHER), "other");
	assert_string_equal(codec_name(CODEC_MAX), "other");
	for (unsigned i = 0; i < CODEC_MAX; i++)
		assert_non_null(codec_name(i));
}

/* Sequence headers that x264 and x265 wrote. */
static const struct {
	const char *bytes;
	uint32_t width, height;
} pictures[] = {
	/* high */
	{"17 00 000000 01640028ffe1001b67640028acd940780227e5c044000003000400000300503c60c658"
	 "01000668ebe3cb22c0fdf8f800",
	 1920, 1080},
	/* baseline */
	{"17 00 000000 0142c016ffe100196742c016d900a02ff97011000003000100000300140f162e48"
	 "01000568cb83cb20",
	 640, 360},
	/* interlaced */
	{"17 00 000000 01640028ffe1001b67640028acd94078044fde022000000300200000030283e2c5b2c0"
	 "01000668fba3cb22c0fdf8f800",
	 1920, 1080},
	/* high 4:4:4 */
	{"17 00 000000 01f4001fffe1001c67f4001f919b281f824f3c7e022000000300200000030281e30632c0"
	 "01000668ebe3c44844fff8f800",
	 1002, 562},
	/* high 4:2:2, 10 bits */
	{"17 00 000000 017a0016ffe1001b677a0016b6cd940d83de6f011000000300100000030140f162d960"
	 "01000768ebe3cb3002c0fefafa00",
	 854, 480},
	/* high, monochrome */
	{"90 'avc1' 01640016ffe1001b67640016f3650360f78bf016c8000003000800000300a078b16cb0"
	 "01000768ebe3cb3002c0fcf8f800",
	 854, 480},
	/* HEVC main */
	{"1c 00 000000 01016000000090000000000078f000fcfdf8f800000f03"
	 "a00001001840010c01ffff016000000300900000030000030078959809"
	 "a10001002a420101016000000300900000030000030078a003c08010e596566924caf01680800000030080"
	 "00000504a20001000744 01c172b46240",
	 1920, 1080},
	/* HEVC 4:4:4, 10 bits */
	{"90 'hvc1' 0104080000009c08000000003cf000fcfffafa00000f03"
	 "a00001001740010c01ffff0408000003009c0800000300003c959809"
	 "a10001002b4201010408000003009c0800000300003c9001b101e39f6cb2b349265780b404000003000400"
	 "0003002820 a20001000844 01c172860c4624",
	 426, 240},
};

static void test_M19_picture_sizes_of_real_headers(void **state)
{
	for (unsigned i = 0; i < array_len(pictures); i++) {
		struct msg m = message(MSG_VIDEO, pictures[i].bytes);
		uint32_t width = 0, height = 0;

		assert_true(codec_video_size(&m, &width, &height));
		assert_int_equal(width, pictures[i].width);
		assert_int_equal(height, pictures[i].height);
	}
}

static void test_M19_cut_and_damaged_headers_are_survived(void **state)
{
	srand(3);
	for (unsigned i = 0; i < array_len(pictures); i++) {
		struct msg m = message(MSG_VIDEO, pictures[i].bytes);
		uint32_t whole = m.len;

		for (int round = 0; round < 3000; round++) {
			uint32_t n = 1 + (uint32_t)rand() % whole, width = 0, height = 0;
			uint8_t *copy = malloc(n);

			memcpy(copy, message_bytes, n);
			for (int k = 0; k < round % 5; k++)
				copy[(uint32_t)rand() % n] ^= (uint8_t)(1 << rand() % 8);
			m.data = copy;
			m.len = n;
			if (codec_video_size(&m, &width, &height))
				assert_true(width && height && width < 65536 && height < 65536);
			free(copy);
		}
	}
}

static void test_size_of_what_has_none(void **state)
{
	static const char *const none[] = {"17 01 000000 00000002 6588",
					   "17 00 000000 01640028ffe0", "12 00", "90 'av01' 81"};
	uint32_t width, height;

	for (unsigned i = 0; i < array_len(none); i++) {
		struct msg m = message(MSG_VIDEO, none[i]);

		assert_false(codec_video_size(&m, &width, &height));
	}
}

static void test_M20_aac_configuration(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t rate, channels;
	} good[] = {
		{"af 00 1210", 44100, 2},
		{"af 00 1188", 48000, 1}, /* mono, though the FLV flag says stereo */
		{"90 'mp4a' 1190", 48000, 2},
		{"af 00 11b8", 48000, 8},
		{"af 00 2b8a 08", 44100, 1}, /* HE-AAC, explicit */
		{"af 00 eb8a 08", 44100, 2}, /* HE-AAC v2: parametric stereo */
		{"af 00 1388 56e5 a5 48 80", 44100,
		 2},				   /* both signalled behind an LC configuration */
		{"af 00 1210 56e5 00", 44100, 2},  /* SBR said to be absent */
		{"af 00 17 80 5dc0 10", 48000, 2}, /* rate written out: 48000 */
		{"af 00 fff1 5080 0000 00", 44100, 2}, /* ADTS in its place */
	};
	static const char *const bad[] = {"af 00 12", "af 00 1200", "af 01 1210", "af 00 1690"};
	uint32_t rate, channels;

	for (unsigned i = 0; i < array_len(good); i++) {
		struct msg m = message(MSG_AUDIO, good[i].bytes);

		if (!codec_aac_config(&m, &rate, &channels))
			fail_msg("%s", good[i].bytes);
		assert_int_equal(rate, good[i].rate);
		assert_int_equal(channels, good[i].channels);
	}
	for (unsigned i = 0; i < array_len(bad); i++) {
		struct msg m = message(MSG_AUDIO, bad[i]);

		if (codec_aac_config(&m, &rate, &channels))
			fail_msg("%s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legacy_video),
		cmocka_unit_test(test_M5_composition_time_is_signed),
		cmocka_unit_test(test_M14_nal_types_are_believed_before_the_flag),
		cmocka_unit_test(test_M14_command_frames_pass),
		cmocka_unit_test(test_M15_end_of_sequence),
		cmocka_unit_test(test_M16_enhanced_video_packet_types),
		cmocka_unit_test(test_M16_mod_ex_is_looped_over),
		cmocka_unit_test(test_M16_multitrack),
		cmocka_unit_test(test_M17_enhanced_audio),
		cmocka_unit_test(test_M18_legacy_hevc_and_av1_ids),
		cmocka_unit_test(test_M21_legacy_audio),
		cmocka_unit_test(test_too_short_messages),
		cmocka_unit_test(test_M6_codecs_that_need_a_sequence_header),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_M19_picture_sizes_of_real_headers),
		cmocka_unit_test(test_M19_cut_and_damaged_headers_are_survived),
		cmocka_unit_test(test_size_of_what_has_none),
		cmocka_unit_test(test_M20_aac_configuration),
	};

	return cmocka_run_group_tests_name("media/codec", tests, NULL, NULL);
}
