/* SPDX-License-Identifier: Apache-2.0 */
/* Muxing without files: pieces that stand by themselves, times across 33 bits (interop L4, M5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "controlplane/worker/segmenter.h"

#define WRAP_US 95443717689 /* 2^33 at 90 kHz: 26.5 hours */

static uint8_t made[1 << 20];
static size_t made_n;

static void collect(void *arg, const uint8_t *p, size_t n)
{
	assert_in_range(n, 0, sizeof(made) - made_n);
	memcpy(made + made_n, p, n);
	made_n += n;
}

static const struct segmenter_sink sink = {collect, NULL};

static const struct track tracks[TRACKS] = {
	{.codec = CODEC_H264,
	 .config = {1, 0x64, 0, 0x0d, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x0d, 1, 0, 2, 0x68, 0xeb},
	 .config_n = 17,
	 .width = 320,
	 .height = 180},
	{.codec = CODEC_AAC, .config = {0x12, 0x10}, .config_n = 2, .rate = 44100, .channels = 2},
};

static struct segmenter *make(bool fmp4)
{
	struct fault f;
	struct segmenter *s;

	made_n = 0;
	s = segmenter_new(fmp4, tracks, &sink, &f);
	assert_non_null(s);
	return s;
}

static void picture(struct segmenter *s, bool key, int64_t us)
{
	static const uint8_t idr[] = {0, 0, 0, 3, 0x65, 0x88, 0x80}, p[] = {0, 0, 0, 2, 0x41, 0x9a};
	struct unit u = {.kind = TRACK_VIDEO,
			 .key = key,
			 .dts_us = us,
			 .pts_us = us + 80000,
			 .duration_us = 40000,
			 .data = key ? idr : p,
			 .n = key ? sizeof(idr) : sizeof(p)};

	assert_true(segmenter_write(s, &u));
}

static void sound(struct segmenter *s, int64_t us)
{
	struct unit u = {.kind = TRACK_AUDIO,
			 .key = true,
			 .dts_us = us,
			 .pts_us = us,
			 .duration_us = 23219,
			 .data = (const uint8_t *)"\x21\x10\x05",
			 .n = 3};

	assert_true(segmenter_write(s, &u));
}

/* The next packet of that PID that begins something, from *at on; NULL: none. */
static const uint8_t *find_pid(size_t *at, unsigned pid)
{
	for (; *at + 188 <= made_n; *at += 188) {
		const uint8_t *p = made + *at;

		assert_int_equal(p[0], 0x47);
		if ((get_be16(p + 1) & 0x1fff) == pid && p[1] & 0x40) {
			*at += 188;
			return p;
		}
	}
	return NULL;
}

static uint64_t stamp(const uint8_t *p)
{
	return (uint64_t)(p[0] >> 1 & 7) << 30 | (uint64_t)(get_be16(p + 1) >> 1) << 15 |
	       get_be16(p + 3) >> 1;
}

static const uint8_t *pes_of(const uint8_t *packet)
{
	return packet + 4 + (packet[3] & 0x20 ? 1 + packet[4] : 0);
}

static void test_L4_every_piece_of_ts_begins_with_its_tables(void **state)
{
	struct segmenter *s = make(false);

	for (int piece = 0; piece < 3; piece++) {
		size_t at = 0;

		made_n = 0;
		for (int i = 0; i < 25; i++) {
			picture(s, i == 0, 10000000 + (piece * 25 + i) * 40000ll);
			sound(s, 10000000 + (piece * 25 + i) * 40000ll);
		}
		segmenter_flush(s);
		assert_int_equal(made_n % 188, 0);
		assert_non_null(find_pid(&at, 0));
		assert_in_range(at, 188, 3 * 188);
		assert_non_null(find_pid(&at, 0x1000));
		assert_in_range(at, 188, 4 * 188);
		assert_non_null(find_pid(&at, 0x100));
		assert_in_range(at, 188, 5 * 188);
	}
	segmenter_free(s);
}

static void test_L4_times_wrap_after_26_5_hours_without_a_seam(void **state)
{
	struct segmenter *s = make(false);
	uint64_t last = 0, steps = 0, wraps = 0;
	const uint8_t *p;
	size_t at = 0;

	made_n = 0;
	for (int i = 0; i < 100; i++)
		picture(s, i % 25 == 0, WRAP_US - 2000000 + i * 40000ll);
	segmenter_flush(s);
	while ((p = find_pid(&at, 0x100))) {
		uint64_t dts;

		p = pes_of(p);
		assert_int_equal(get_be24(p), 1);
		assert_int_equal(p[7] >> 6, 3);
		dts = stamp(p + 14);
		assert_int_equal((stamp(p + 9) - dts) & 0x1ffffffff, 7200);
		if (steps++)
			assert_int_equal((dts - last) & 0x1ffffffff, 3600);
		wraps += dts < last;
		last = dts;
	}
	assert_int_equal(steps, 100);
	assert_int_equal(wraps, 1);
	segmenter_free(s);
}

static const uint8_t *box(const char *name)
{
	return memmem(made, made_n, name, 4);
}

static void test_mp4_says_its_times_in_whole_fragments(void **state)
{
	struct segmenter *s = make(true);
	const uint8_t *p;

	segmenter_flush(s);
	assert_non_null(box("moov"));
	assert_null(box("moof"));
	assert_memory_equal(made + 4, "ftyp", 4);
	for (int piece = 0; piece < 2; piece++) {
		made_n = 0;
		for (int i = 0; i < 25; i++)
			picture(s, i == 0, WRAP_US + (piece * 25 + i) * 40000ll);
		segmenter_flush(s);
		assert_memory_equal(made + 4, "moof", 4);
		p = box("tfdt");
		assert_non_null(p);
		assert_int_equal(p[4], 1);
		assert_int_equal(get_be64(p + 8), (WRAP_US + piece * 1000000ll) * 9 / 100);
		assert_non_null(box("mdat"));
	}
	segmenter_free(s);
}

static void test_a_damaged_frame_is_left_out(void **state)
{
	struct segmenter *s = make(false);
	struct unit u = {.kind = TRACK_VIDEO,
			 .dts_us = 10000000,
			 .pts_us = 10000000,
			 .data = (const uint8_t *)"\0\0\1\0\x65",
			 .n = 5};

	assert_false(segmenter_write(s, &u));
	picture(s, true, 10040000);
	segmenter_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_L4_every_piece_of_ts_begins_with_its_tables),
		cmocka_unit_test(test_L4_times_wrap_after_26_5_hours_without_a_seam),
		cmocka_unit_test(test_mp4_says_its_times_in_whole_fragments),
		cmocka_unit_test(test_a_damaged_frame_is_left_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
