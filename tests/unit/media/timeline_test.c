/* SPDX-License-Identifier: Apache-2.0 */
#include "media/timeline.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"

/* A publisher with a 32-bit clock, as the readers of media/ hand its frames on, in real time. */
struct source {
	struct timeline line;
	struct ts64 clock;
	uint64_t now_us;
};

static void begin(struct source *s)
{
	timeline_init(&s->line, false);
	s->clock = (struct ts64){.begun = false};
	s->now_us = 5000000;
}

static int64_t frame(struct source *s, uint8_t type, uint32_t ts)
{
	struct msg m = {.type = type, .ts_ms = ts64_unwrap(&s->clock, ts)};

	return timeline_frame(&s->line, &m, s->now_us);
}

static int64_t picture(struct source *s, uint32_t ts)
{
	return frame(s, MSG_VIDEO, ts);
}

static int64_t sound(struct source *s, uint32_t ts)
{
	return frame(s, MSG_AUDIO, ts);
}

static void pass(struct source *s, unsigned ms)
{
	s->now_us += (uint64_t)ms * 1000;
}

/* n pictures with sound 10 ms behind each, at every 40 ms from ts on, expected at `as`. */
static void steady(struct source *s, uint32_t ts, int64_t as, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(picture(s, ts + i * 40), as + i * 40);
		assert_int_equal(sound(s, ts + i * 40 + 10), as + i * 40 + 10);
		pass(s, 40);
	}
}

static void test_M1_sources_that_start_before_an_edge_cross_it(void **state)
{
	static const uint32_t starts[] = {0, 0xfffff0, 0x7fffff00, 0xffffff00};

	for (unsigned i = 0; i < array_len(starts); i++) {
		struct source s;

		begin(&s);
		steady(&s, starts[i], starts[i], 1000);
		assert_int_equal(s.line.jumps + s.line.outliers, 0);
	}
}

static void test_M2_a_large_start_is_kept_absolute(void **state)
{
	struct source s;

	begin(&s);
	steady(&s, 0xce12e1d6, 0xce12e1d6, 10); /* -837759018, as some servers send it */
	assert_int_equal(s.line.offset_ms, 0);
}

static void test_M2_from_zero_moves_sound_and_picture_alike(void **state)
{
	static const uint32_t starts[] = {0, 40, 0x7fffff00, 0xce12e1d6, 0xffffff00};

	for (unsigned i = 0; i < array_len(starts); i++) {
		struct source s;

		begin(&s);
		timeline_init(&s.line, true);
		steady(&s, starts[i], 0, 1000);
		assert_int_equal(s.line.jumps + s.line.outliers, 0);
	}
}

static void test_M2_from_zero_has_nothing_below_zero(void **state)
{
	static const struct msg header = {.type = MSG_VIDEO, .ts_ms = 70000};
	struct source s;

	begin(&s);
	timeline_init(&s.line, true);
	assert_int_equal(timeline_other(&s.line, &header), 0);
	assert_int_equal(picture(&s, 70000), 0);
	assert_int_equal(sound(&s, 69980), 0);
	assert_int_equal(sound(&s, 70003), 3);
	assert_int_equal(timeline_other(&s.line, &(struct msg){.ts_ms = 69500}), 0);
	assert_int_equal(timeline_other(&s.line, &(struct msg){.ts_ms = 0}), 3);
	assert_int_equal(picture(&s, 70040), 40);
	assert_int_equal(s.line.jumps + s.line.outliers, 0);
}

static void test_M2_from_zero_goes_on_where_it_was_with_the_next_publisher(void **state)
{
	struct source s;

	begin(&s);
	timeline_init(&s.line, true);
	steady(&s, 500000, 0, 50);
	timeline_resume(&s.line);
	pass(&s, 1000);
	assert_int_equal(picture(&s, 7), 49 * 40 + 10 + 1000 + 40);
}

static void test_M3_small_steps_pass(void **state)
{
	struct source s;

	begin(&s);
	steady(&s, 10000, 10000, 50);
	assert_int_equal(picture(&s, 11000), 11000);
	assert_int_equal(picture(&s, 12000), 12000);
	assert_int_equal(picture(&s, 11500), 11500);
	assert_int_equal(s.line.jumps + s.line.outliers, 0);
}

static void test_M3_a_lone_outlier_or_two_are_stamped_next_to_their_neighbours(void **state)
{
	static const uint32_t odd[] = {0, 900000000, 70000};
	struct source s;

	for (unsigned i = 0; i < array_len(odd); i++) {
		for (unsigned n = 1; n < TIMELINE_PROOF; n++) {
			begin(&s);
			steady(&s, 50000, 50000, 10);
			for (unsigned k = 0; k < n; k++)
				assert_in_range(picture(&s, odd[i] + k * 40), 50370, 50370 + 100);
			steady(&s, 50400, 50400, 10);
			assert_int_equal(s.line.outliers, n);
			assert_int_equal(s.line.jumps, 0);
		}
	}
}

static void test_M3_outliers_that_do_not_agree_make_no_time_line(void **state)
{
	static const uint32_t odd[] = {0, 800000000, 5, 700000000, 9000000, 0};
	struct source s;

	begin(&s);
	steady(&s, 50000, 50000, 10);
	for (unsigned i = 0; i < array_len(odd); i++)
		assert_in_range(picture(&s, odd[i]), 50370, 50500);
	steady(&s, 50400, 50400, 10);
	assert_int_equal(s.line.outliers, array_len(odd));
	assert_int_equal(s.line.jumps, 0);
}

static void test_M3_a_jump_that_stays_is_a_new_time_line_for_both_kinds(void **state)
{
	static const uint32_t to[] = {0, 17, 3600000, 0x7fffff00};

	for (unsigned i = 0; i < array_len(to); i++) {
		struct source s;
		int64_t as;

		begin(&s);
		steady(&s, 100000, 100000, 25);
		/* The line is 30 ms behind its last sound by now. */
		as = 100000 + 24 * 40 + 10 + 40;
		steady(&s, to[i], as, 100);
		assert_int_equal(s.line.jumps, 1);
		assert_int_equal(s.line.outliers, 0);
		assert_int_equal(s.line.offset_ms,
				 as - (int64_t)(int32_t)(to[i] - 100000) - 100000);
	}
}

static void test_M3_time_that_really_went_by_is_no_jump(void **state)
{
	struct source s;

	begin(&s);
	steady(&s, 0, 0, 25);
	pass(&s, 30000);
	steady(&s, 31000, 31000, 25);
	assert_int_equal(s.line.jumps + s.line.outliers, 0);
}

static void test_M3_slow_pictures_sent_in_a_burst_are_no_jump(void **state)
{
	struct source s;

	begin(&s);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(picture(&s, i * 5000), i * 5000);
	assert_int_equal(s.line.jumps + s.line.outliers, 0);
}

static void test_M3_a_kind_whose_clock_alone_is_wrong_does_not_pull_the_other_along(void **state)
{
	struct source s;
	struct msg m = {.type = MSG_AUDIO};

	begin(&s);
	steady(&s, 0, 0, 25);
	for (unsigned i = 0; i < 500; i++) {
		int64_t at;

		assert_int_equal(picture(&s, 1000 + i * 40), 1000 + i * 40);
		m.ts_ms = 600000 + i * 40;
		at = timeline_frame(&s.line, &m, s.now_us);
		assert_in_range(at, 1000 + i * 40, 1000 + i * 40 + 40);
		pass(&s, 40);
	}
	assert_int_equal(s.line.jumps, 0);
}

static void test_M2_headers_and_metadata_with_time_0_do_not_move_the_line(void **state)
{
	struct msg m = {.type = MSG_DATA, .ts_ms = 0};
	struct source s;

	begin(&s);
	assert_int_equal(timeline_other(&s.line, &m), 0);
	steady(&s, 5000000, 5000000, 10);
	assert_int_equal(timeline_other(&s.line, &m), 5000370);
	m.ts_ms = 5000300;
	assert_int_equal(timeline_other(&s.line, &m), 5000300);
	steady(&s, 5000400, 5000400, 10);
	assert_int_equal(s.line.jumps + s.line.outliers, 0);
}

static void test_M3_another_publisher_continues_the_line(void **state)
{
	static const uint32_t starts[] = {0, 5000, 0xfffffff0};

	for (unsigned i = 0; i < array_len(starts); i++) {
		struct source s;

		begin(&s);
		timeline_resume(&s.line); /* before anything came it means nothing */
		steady(&s, 70000, 70000, 25);
		pass(&s, 1960);
		timeline_resume(&s.line);
		s.clock.begun = false;
		steady(&s, starts[i], 70000 + 24 * 40 + 10 + 2000, 100);
		assert_int_equal(s.line.jumps, 1);
	}
}

static void test_M3_hostile_clocks_never_leave_the_line(void **state)
{
	struct source s;
	int64_t last;

	begin(&s);
	srand(7);
	last = picture(&s, 1000);
	for (unsigned i = 0; i < 100000; i++) {
		int64_t at = frame(&s, rand() & 1 ? MSG_AUDIO : MSG_VIDEO, (uint32_t)rand() * 2u);

		assert_in_range(at - last + 2000000, 0, 4000000);
		last = at;
		pass(&s, (unsigned)rand() % 100);
	}
	assert_in_range(last, 0, 100000 * 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M1_sources_that_start_before_an_edge_cross_it),
		cmocka_unit_test(test_M2_a_large_start_is_kept_absolute),
		cmocka_unit_test(test_M2_from_zero_moves_sound_and_picture_alike),
		cmocka_unit_test(test_M2_from_zero_has_nothing_below_zero),
		cmocka_unit_test(test_M2_from_zero_goes_on_where_it_was_with_the_next_publisher),
		cmocka_unit_test(test_M2_headers_and_metadata_with_time_0_do_not_move_the_line),
		cmocka_unit_test(test_M3_small_steps_pass),
		cmocka_unit_test(
			test_M3_a_lone_outlier_or_two_are_stamped_next_to_their_neighbours),
		cmocka_unit_test(test_M3_outliers_that_do_not_agree_make_no_time_line),
		cmocka_unit_test(test_M3_a_jump_that_stays_is_a_new_time_line_for_both_kinds),
		cmocka_unit_test(test_M3_time_that_really_went_by_is_no_jump),
		cmocka_unit_test(test_M3_slow_pictures_sent_in_a_burst_are_no_jump),
		cmocka_unit_test(
			test_M3_a_kind_whose_clock_alone_is_wrong_does_not_pull_the_other_along),
		cmocka_unit_test(test_M3_another_publisher_continues_the_line),
		cmocka_unit_test(test_M3_hostile_clocks_never_leave_the_line),
	};

	return cmocka_run_group_tests_name("media/timeline", tests, NULL, NULL);
}
