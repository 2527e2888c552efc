/* SPDX-License-Identifier: Apache-2.0 */
/* Start codes to lengths, and decoder configuration records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controlplane/worker/nal.h"

static const struct nal_picture plain = {1, 8};

static const uint8_t h264[] = {
	0, 0, 0, 1, 0x09, 0xf0,					       /* access unit delimiter */
	0, 0, 0, 1, 0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9,		       /* SPS, High */
	0, 0, 0, 1, 0x68, 0xeb, 0xe3, 0xcb, 0,	  0,	1, 0x65, 0x88, /* PPS, slice */
};

static void test_start_codes_become_lengths(void **state)
{
	static const uint8_t want[] = {0,    0,	   0,	 2,    0x09, 0xf0, 0, 0, 0,    6,
				       0x67, 0x64, 0,	 0x0d, 0xac, 0xd9, 0, 0, 0,    4,
				       0x68, 0xeb, 0xe3, 0xcb, 0,    0,	   0, 2, 0x65, 0x88};
	uint8_t out[128];

	assert_true(nal_is_annexb(h264, sizeof(h264)));
	assert_int_equal(nal_to_lengths(out, h264, sizeof(h264)), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void test_avcC_of_high_profile_says_chroma_and_depth(void **state)
{
	static const uint8_t want[] = {1,    0x64, 0x00, 0x0d, 0xff, 0xe1, 0, 6, 0x67,
				       0x64, 0,	   0x0d, 0xac, 0xd9, 1,	   0, 4, 0x68,
				       0xeb, 0xe3, 0xcb, 0xfd, 0xf8, 0xf8, 0};
	uint8_t out[NAL_RECORD_MAX];

	assert_int_equal(nal_record(out, NAL_H264, &plain, h264, sizeof(h264)), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void test_no_record_without_every_set(void **state)
{
	uint8_t out[NAL_RECORD_MAX];

	assert_int_equal(nal_record(out, NAL_H264, &plain, h264, 16), 0);
	assert_int_equal(nal_record(out, NAL_HEVC, &plain, h264, sizeof(h264)), 0);
	assert_int_equal(nal_record(out, NAL_H264, &plain, NULL, 0), 0);
}

static void test_hvcC_takes_profile_tier_and_level_without_escapes(void **state)
{
	/* General profile bytes 01 60 00 00 00 90 00 00 00 00 00 5d, with escapes as they are sent. */
	static const uint8_t hevc[] = {
		0, 0,	 1, 0x40, 0x01, 0x0c, /* VPS */
		0, 0,	 1, 0x42, 0x01, 0x01, 0x01, 0x60, 0, 0,	   3,
		0, 0x90, 0, 0,	  3,	0,    0,    3,	  0, 0x5d, 0xa0, /* SPS */
		0, 0,	 1, 0x44, 0x01, 0xc1,				 /* PPS */
	};
	static const uint8_t ptl[] = {0x01, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x5d};
	uint8_t out[NAL_RECORD_MAX];
	size_t n = nal_record(out, NAL_HEVC, &(struct nal_picture){1, 10}, hevc, sizeof(hevc));

	assert_true(n > 23);
	assert_int_equal(out[0], 1);
	assert_memory_equal(out + 1, ptl, sizeof(ptl));
	assert_int_equal(out[16], 0xfd);
	assert_int_equal(out[17], 0xfa);
	assert_int_equal(out[21] & 3, 3);
	assert_int_equal(out[22], 3);
	assert_int_equal(out[23], 0x80 | 32);
}

static void test_the_same_set_twice_counts_once(void **state)
{
	uint8_t twice[2 * sizeof(h264)], one[NAL_RECORD_MAX], two[NAL_RECORD_MAX];
	size_t n = nal_record(one, NAL_H264, &plain, h264, sizeof(h264));

	memcpy(twice, h264, sizeof(h264));
	memcpy(twice + sizeof(h264), h264, sizeof(h264));
	assert_int_equal(nal_record(two, NAL_H264, &plain, twice, sizeof(twice)), n);
	assert_memory_equal(one, two, n);
}

/* Bytes of every kind, in memory that ends where they end: for the sanitizers. */
static void test_any_bytes_stay_within_their_room(void **state)
{
	uint32_t seed = 7;

	for (unsigned round = 0; round < 20000; round++) {
		size_t n = round % 97;
		uint8_t *p = malloc(n + 1), *out = malloc(nal_lengths_room(n));
		uint8_t record[NAL_RECORD_MAX];

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			/* Mostly what start codes are made of. */
			p[i] = (seed >> 16) % 3 ? (uint8_t)((seed >> 20) % 2)
						: (uint8_t)(seed >> 24);
		}
		nal_is_annexb(p, n);
		assert_true(nal_to_lengths(out, p, n) <= nal_lengths_room(n));
		nal_record(record, round & 1 ? NAL_HEVC : NAL_H264, &plain, p, n);
		free(p);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_codes_become_lengths),
		cmocka_unit_test(test_avcC_of_high_profile_says_chroma_and_depth),
		cmocka_unit_test(test_no_record_without_every_set),
		cmocka_unit_test(test_hvcC_takes_profile_tier_and_level_without_escapes),
		cmocka_unit_test(test_the_same_set_twice_counts_once),
		cmocka_unit_test(test_any_bytes_stay_within_their_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
