/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sps.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"
#include "media/bits.h"

/* Writes bits: the opposite of struct bits. */
struct bit_writer {
	uint8_t bytes[256];
	size_t n;
	unsigned used;
};

static void put(struct bit_writer *w, unsigned n, uint32_t v)
{
	while (n--) {
		if (!w->used)
			w->bytes[w->n++] = 0;
		w->bytes[w->n - 1] |= (uint8_t)((v >> n & 1) << (7 - w->used));
		w->used = (w->used + 1) % 8;
	}
}

static void put_ue(struct bit_writer *w, uint32_t v)
{
	unsigned len = 32 - (unsigned)__builtin_clz(v + 1);

	put(w, len - 1, 0);
	put(w, len, v + 1);
}

static void put_se(struct bit_writer *w, int32_t v)
{
	put_ue(w, v > 0 ? 2 * (uint32_t)v - 1 : 2 * (uint32_t)-v);
}

static struct slice escaped(struct bit_writer *w, uint8_t *dst)
{
	size_t n = 0, zeros = 0;

	put(w, 1, 1); /* rbsp_stop_one_bit */
	for (size_t i = 0; i < w->n; i++) {
		if (zeros >= 2 && w->bytes[i] <= 3) {
			dst[n++] = 3;
			zeros = 0;
		}
		zeros = w->bytes[i] ? 0 : zeros + 1;
		dst[n++] = w->bytes[i];
	}
	return (struct slice){dst, n};
}

static void h264_begin(struct bit_writer *w, uint8_t profile)
{
	*w = (struct bit_writer){.n = 0};
	put(w, 8, 0x67);
	put(w, 8, profile);
	put(w, 16, 0x0028);
	put_ue(w, 0);
}

/* Everything from max_num_ref_frames to direct_8x8_inference_flag, for frames. */
static void h264_size(struct bit_writer *w, uint32_t mbs_wide, uint32_t mbs_high)
{
	put_ue(w, 4);
	put(w, 1, 0);
	put_ue(w, mbs_wide - 1);
	put_ue(w, mbs_high - 1);
	put(w, 1, 1);
	put(w, 1, 1);
}

static void check_size(bool (*size)(struct slice, uint32_t *, uint32_t *), struct bit_writer *w,
		       uint32_t want_w, uint32_t want_h)
{
	uint8_t nal[512];
	uint32_t width = 0, height = 0;

	assert_true(size(escaped(w, nal), &width, &height));
	assert_int_equal(width, want_w);
	assert_int_equal(height, want_h);
}

static void test_h264_explicit_scaling_lists(void **state)
{
	struct bit_writer w;

	h264_begin(&w, 100);
	put_ue(&w, 1);
	put_ue(&w, 0);
	put_ue(&w, 0);
	put(&w, 2, 1);
	for (int list = 0; list < 8; list++) {
		put(&w, 1, list != 3); /* one falls back */
		for (int i = 0; i < (list == 3 ? 0 : list < 6 ? 16 : 64); i++) {
			if (list == 5) { /* ends early: next scale 0 */
				put_se(&w, -8);
				break;
			}
			put_se(&w, i % 2 ? -1 : 1);
		}
	}
	put_ue(&w, 0);
	put_ue(&w, 2);
	h264_size(&w, 40, 23);
	put(&w, 1, 1); /* cropped by 8 lines */
	put_ue(&w, 0);
	put_ue(&w, 0);
	put_ue(&w, 0);
	put_ue(&w, 4);
	check_size(sps_h264_size, &w, 640, 360);
}

static void test_h264_picture_order_type_1(void **state)
{
	struct bit_writer w;

	h264_begin(&w, 77);
	put_ue(&w, 0);
	put_ue(&w, 1);
	put(&w, 1, 0);
	put_se(&w, -7);
	put_se(&w, 9);
	put_ue(&w, 255);
	for (int i = 0; i < 255; i++)
		put_se(&w, 0);
	h264_size(&w, 20, 15);
	put(&w, 1, 0);
	check_size(sps_h264_size, &w, 320, 240);
}

static void test_h264_monochrome_crops_in_single_samples(void **state)
{
	struct bit_writer w;

	h264_begin(&w, 100);
	put_ue(&w, 0);
	put_ue(&w, 0);
	put_ue(&w, 0);
	put(&w, 2, 0);
	put_ue(&w, 0);
	put_ue(&w, 2);
	h264_size(&w, 2, 2);
	put(&w, 1, 1);
	put_ue(&w, 1);
	put_ue(&w, 2);
	put_ue(&w, 0);
	put_ue(&w, 5);
	check_size(sps_h264_size, &w, 29, 27);
}

static void test_h264_cropped_to_nothing_is_refused(void **state)
{
	struct bit_writer w;
	uint32_t width, height;
	uint8_t nal[512];

	h264_begin(&w, 66);
	put_ue(&w, 0);
	put_ue(&w, 2);
	h264_size(&w, 2, 2);
	put(&w, 1, 1);
	put_ue(&w, 0xfffffffe);
	put_ue(&w, 0xfffffffe);
	put_ue(&w, 0);
	put_ue(&w, 0);
	assert_false(sps_h264_size(escaped(&w, nal), &width, &height));
}

static void hevc_begin(struct bit_writer *w, uint32_t subs)
{
	*w = (struct bit_writer){.n = 0};
	put(w, 16, 0x4201);
	put(w, 4, 0);
	put(w, 3, subs);
	put(w, 1, 1);
	for (int i = 0; i < 12; i++) /* general profile and level, with zeros to escape */
		put(w, 8, i == 4 ? 0x90 : 0);
}

static void hevc_size(struct bit_writer *w, uint32_t chroma, uint32_t width, uint32_t height)
{
	put_ue(w, 0);
	put_ue(w, chroma);
	if (chroma == 3)
		put(w, 1, 0);
	put_ue(w, width);
	put_ue(w, height);
}

static void test_hevc_sub_layers_and_emulation_prevention(void **state)
{
	struct bit_writer w;

	hevc_begin(&w, 2);
	put(&w, 2, 3);
	put(&w, 2, 1);
	put(&w, 12, 0);
	for (int i = 0; i < 12 + 1; i++)
		put(&w, 8, 0);
	hevc_size(&w, 1, 1920, 1088);
	put(&w, 1, 1);
	put_ue(&w, 0);
	put_ue(&w, 0);
	put_ue(&w, 0);
	put_ue(&w, 4);
	check_size(sps_hevc_size, &w, 1920, 1080);
}

static void test_hevc_422_crops_lines_one_by_one(void **state)
{
	struct bit_writer w;

	hevc_begin(&w, 0);
	hevc_size(&w, 2, 64, 64);
	put(&w, 1, 1);
	put_ue(&w, 1);
	put_ue(&w, 0);
	put_ue(&w, 1);
	put_ue(&w, 0);
	check_size(sps_hevc_size, &w, 62, 63);
}

static void test_hevc_too_many_sub_layers_are_refused(void **state)
{
	struct bit_writer w;
	uint32_t width, height;
	uint8_t nal[512];

	hevc_begin(&w, 7);
	put(&w, 16, 0);
	hevc_size(&w, 1, 64, 64);
	put(&w, 1, 0);
	assert_false(sps_hevc_size(escaped(&w, nal), &width, &height));
}

static void test_M19_every_truncation_and_random_damage_is_survived(void **state)
{
	struct bit_writer w;
	uint8_t nal[512];
	struct slice whole;

	hevc_begin(&w, 2);
	put(&w, 16, 0xf000);
	hevc_size(&w, 3, 640, 360);
	put(&w, 1, 0);
	whole = escaped(&w, nal);
	srand(7);
	for (size_t n = 0; n <= whole.n; n++) {
		uint8_t *cut = malloc(n + 1);
		uint32_t width, height;

		for (int round = 0; round < 200; round++) {
			memcpy(cut, nal, n);
			for (int k = 0; n > 2 && k < round % 4; k++)
				cut[2 + (size_t)rand() % (n - 2)] ^= (uint8_t)(1 << rand() % 8);
			if (sps_hevc_size((struct slice){cut, n}, &width, &height))
				assert_true(width && height);
			cut[0] = 0x67;
			if (sps_h264_size((struct slice){cut, n}, &width, &height))
				assert_true(width && height);
			cut[0] = 0x42;
		}
		free(cut);
	}
}

static void test_long_exp_golomb_prefix_is_bad(void **state)
{
	static const uint8_t longest[] = {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe};
	static const uint8_t too_long[] = {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct bits b = bits_of((struct slice){longest, sizeof(longest)}, false);

	assert_int_equal(bits_ue(&b), 0xfffffffe);
	assert_false(b.bad);
	b = bits_of((struct slice){too_long, sizeof(too_long)}, false);
	assert_int_equal(bits_ue(&b), 0);
	assert_true(b.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h264_explicit_scaling_lists),
		cmocka_unit_test(test_h264_picture_order_type_1),
		cmocka_unit_test(test_h264_monochrome_crops_in_single_samples),
		cmocka_unit_test(test_h264_cropped_to_nothing_is_refused),
		cmocka_unit_test(test_hevc_sub_layers_and_emulation_prevention),
		cmocka_unit_test(test_hevc_422_crops_lines_one_by_one),
		cmocka_unit_test(test_hevc_too_many_sub_layers_are_refused),
		cmocka_unit_test(test_M19_every_truncation_and_random_damage_is_survived),
		cmocka_unit_test(test_long_exp_golomb_prefix_is_bad),
	};

	return cmocka_run_group_tests_name("media/sps", tests, NULL, NULL);
}
