/* SPDX-License-Identifier: Apache-2.0 */
/* Where a stream is cut: key frames, target duration, parts, holes (interop L3, L11, M10, M13). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "controlplane/worker/cut.h"

#define MS     1000
#define SECOND (1000 * MS)
#define BEGIN  (10 * SECOND)

/* What a run of pictures was cut into. */
struct run {
	struct cut cut;
	int64_t start_us, segment_us[64], part_us[64];
	bool keyed[64], hole[64];
	unsigned segments, parts;
	int64_t part_start_us;
};

static void run_init(struct run *r, bool video, int64_t segment_us, int64_t part_us, int64_t gop_us)
{
	*r = (struct run){.start_us = BEGIN, .part_start_us = BEGIN};
	cut_init(&r->cut, video, segment_us, part_us,
		 cut_limit_us(cut_target_us(segment_us, gop_us)));
	r->cut.gop_us = gop_us;
}

static void give(struct run *r, enum track_kind kind, bool key, int64_t us)
{
	enum cut_turn turn = cut_before(&r->cut, kind, key, us);

	if (turn != CUT_NOT && r->parts < array_len(r->part_us)) {
		r->part_us[r->parts++] = r->cut.end_us - r->part_start_us;
		r->part_start_us = us;
	}
	if (turn != CUT_SEGMENT && turn != CUT_HOLE)
		return;
	assert_in_range(r->segments, 0, array_len(r->segment_us) - 1);
	r->keyed[r->segments] = key;
	r->hole[r->segments] = turn == CUT_HOLE;
	r->segment_us[r->segments++] = r->cut.end_us - r->start_us;
	r->start_us = us;
}

/* Pictures at `fps`, a key frame every `gop` of them, times rounded to milliseconds as FLV does. */
static void pictures(struct run *r, unsigned n, unsigned fps, unsigned gop)
{
	for (unsigned i = 0; i < n; i++)
		give(r, TRACK_VIDEO, gop && i % gop == 0, BEGIN + (int64_t)i * 1000 / fps * MS);
}

static void none_longer_than_target(const struct run *r, int64_t segment_us, int64_t gop_us)
{
	int64_t target_s = cut_target_us(segment_us, gop_us) / SECOND;

	for (unsigned i = 0; i < r->segments; i++)
		assert_in_range((r->segment_us[i] + SECOND / 2) / SECOND, 0, target_s);
}

static void test_cuts_at_the_first_key_frame_after_the_wished_length(void **state)
{
	struct run r;

	run_init(&r, true, 4 * SECOND, 0, 2 * SECOND);
	pictures(&r, 30 * 21, 30, 60);
	assert_int_equal(r.segments, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(r.segment_us[i], 4 * SECOND);
		assert_true(r.keyed[i]);
	}
}

static void test_L3_cuts_before_it_where_the_next_key_frame_would_come_too_late(void **state)
{
	struct run r;

	run_init(&r, true, 4 * SECOND, 0, 3 * SECOND);
	pictures(&r, 30 * 20, 30, 90);
	assert_int_equal(r.segments, 6);
	for (unsigned i = 0; i < r.segments; i++)
		assert_int_equal(r.segment_us[i], 3 * SECOND);
	none_longer_than_target(&r, 4 * SECOND, 3 * SECOND);
}

static void test_L3_the_target_covers_a_long_gop_up_to_three_times_the_wish(void **state)
{
	struct run r;

	assert_int_equal(cut_target_us(4 * SECOND, 0), 4 * SECOND);
	assert_int_equal(cut_target_us(2500 * MS, 0), 3 * SECOND);
	assert_int_equal(cut_target_us(500 * MS, 0), SECOND);
	assert_int_equal(cut_target_us(4 * SECOND, 10 * SECOND), 10 * SECOND);
	assert_int_equal(cut_target_us(4 * SECOND, 4004 * MS), 4 * SECOND);
	assert_int_equal(cut_target_us(4 * SECOND, 100 * SECOND), 12 * SECOND);
	run_init(&r, true, 4 * SECOND, 0, 10 * SECOND);
	pictures(&r, 25 * 31, 25, 250);
	assert_int_equal(r.segments, 3);
	assert_int_equal(r.segment_us[0], 10 * SECOND);
	assert_true(r.keyed[0]);
}

static void test_L3_M13_without_key_frames_the_target_cuts(void **state)
{
	struct run r;

	run_init(&r, true, 4 * SECOND, 0, 0);
	pictures(&r, 30 * 30, 30, 0);
	assert_in_range(r.segments, 6, 7);
	assert_false(r.keyed[0]);
	none_longer_than_target(&r, 4 * SECOND, 0);
}

static void test_L3_holds_when_the_gop_grows_and_for_every_frame_rate(void **state)
{
	static const unsigned rates[] = {1, 5, 24, 25, 30, 50, 60};
	struct run r;

	for (unsigned f = 0; f < array_len(rates); f++)
		for (unsigned gop = 1; gop < 12; gop++) {
			run_init(&r, true, 2 * SECOND, 0, SECOND);
			pictures(&r, rates[f] * 60, rates[f], gop * rates[f]);
			none_longer_than_target(&r, 2 * SECOND, SECOND);
		}
}

static void test_M10_audio_alone_cuts_by_time(void **state)
{
	struct run r;

	run_init(&r, false, 4 * SECOND, 0, 0);
	for (int64_t us = BEGIN; us < BEGIN + 21 * SECOND; us += 23220)
		give(&r, TRACK_AUDIO, true, us);
	assert_int_equal(r.segments, 5);
	none_longer_than_target(&r, 4 * SECOND, 0);
}

static void test_L3_audio_cuts_where_the_picture_stands_still(void **state)
{
	struct run r;

	run_init(&r, true, 4 * SECOND, 0, 2 * SECOND);
	give(&r, TRACK_VIDEO, true, BEGIN);
	for (int64_t us = BEGIN; us < BEGIN + 14 * SECOND; us += 20 * MS)
		give(&r, TRACK_AUDIO, true, us);
	assert_int_equal(r.segments, 3);
	none_longer_than_target(&r, 4 * SECOND, 2 * SECOND);
}

static void test_a_hole_ends_the_segment_at_its_last_frame(void **state)
{
	struct run r;

	run_init(&r, true, 2 * SECOND, 0, 2 * SECOND);
	pictures(&r, 30, 30, 60);
	give(&r, TRACK_VIDEO, true, BEGIN + 20 * SECOND);
	assert_int_equal(r.segments, 1);
	assert_true(r.hole[0]);
	assert_in_range(r.segment_us[0], 990 * MS, 1010 * MS);
}

static void test_L11_parts_are_as_long_as_wished_and_never_longer(void **state)
{
	struct run r;

	run_init(&r, true, SECOND, 200 * MS, SECOND);
	pictures(&r, 30 * 6, 30, 30);
	assert_int_equal(r.segments, 5);
	assert_in_range(r.parts, 28, 30);
	for (unsigned i = 0; i < r.parts; i++)
		assert_in_range(r.part_us[i], 198 * MS, 202 * MS);
}

static void test_who_waits_gets_a_short_segment_and_key_frames_cut_for_a_while(void **state)
{
	struct run r;

	run_init(&r, true, 4 * SECOND, 0, SECOND);
	for (unsigned i = 0; i < 30 * 24; i++) {
		if (i == 15)
			assert_int_equal(cut_hurry(&r.cut), BEGIN + 499 * MS);
		if (i == 15)
			r.start_us = BEGIN + 499 * MS;
		give(&r, TRACK_VIDEO, i % 30 == 0, BEGIN + (int64_t)i * 1000 / 30 * MS);
	}
	assert_int_equal(r.segment_us[0], 501 * MS);
	assert_true(r.keyed[0]);
	assert_int_equal(r.segment_us[1], SECOND);
	assert_int_equal(r.segment_us[r.segments - 1], 4 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts_at_the_first_key_frame_after_the_wished_length),
		cmocka_unit_test(
			test_L3_cuts_before_it_where_the_next_key_frame_would_come_too_late),
		cmocka_unit_test(test_L3_the_target_covers_a_long_gop_up_to_three_times_the_wish),
		cmocka_unit_test(test_L3_M13_without_key_frames_the_target_cuts),
		cmocka_unit_test(test_L3_holds_when_the_gop_grows_and_for_every_frame_rate),
		cmocka_unit_test(test_M10_audio_alone_cuts_by_time),
		cmocka_unit_test(test_L3_audio_cuts_where_the_picture_stands_still),
		cmocka_unit_test(test_a_hole_ends_the_segment_at_its_last_frame),
		cmocka_unit_test(test_L11_parts_are_as_long_as_wished_and_never_longer),
		cmocka_unit_test(
			test_who_waits_gets_a_short_segment_and_key_frames_cut_for_a_while),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
