/* SPDX-License-Identifier: Apache-2.0 */
/* The time line of a packaged stream and its wall clock (interop M1, M3, L4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/worker/mediatime.h"

#define START 10000000

static int64_t video(struct mediatime *m, uint32_t ms, bool smooth)
{
	int64_t us;

	assert_int_equal(mediatime_take(m, TRACK_VIDEO, ms, 0, 0, &us), smooth);
	return us;
}

static void test_M1_wraps_at_24_8_and_49_7_days_are_no_event(void **state)
{
	static const uint32_t edges[] = {0x7fffff00, 0xffffff00, 0x00fffff0};

	for (unsigned e = 0; e < 3; e++) {
		struct mediatime m;

		mediatime_init(&m, START);
		for (uint32_t i = 0; i < 100; i++)
			assert_int_equal(video(&m, edges[e] + i * 40, true), START + i * 40000);
	}
}

static void test_M3_a_jump_goes_on_from_the_end_and_is_said(void **state)
{
	static const uint32_t to[] = {900000, 0, 4101};

	for (unsigned i = 0; i < 3; i++) {
		struct mediatime m;
		int64_t us;

		mediatime_init(&m, START);
		video(&m, 1000, true);
		video(&m, 1100, true);
		us = video(&m, to[i], false);
		assert_in_range(us, START + 100001, START + 200000);
		assert_int_equal(video(&m, to[i] + 40, true), us + 40000);
	}
}

static void test_M3_small_steps_back_still_grow(void **state)
{
	struct mediatime m;
	int64_t a, b;

	mediatime_init(&m, START);
	a = video(&m, 5000, true);
	b = video(&m, 4990, true);
	assert_true(b > a);
	assert_true(video(&m, 5040, true) == START + 40000);
}

static void test_audio_is_counted_in_samples_while_times_agree(void **state)
{
	struct mediatime m;
	int64_t us;

	mediatime_init(&m, START);
	for (int64_t i = 0; i < 100000; i++) {
		/* As encoders write it: rounded down to milliseconds. */
		uint32_t ms = (uint32_t)(i * 1024 * 1000 / 44100);

		assert_true(mediatime_take(&m, TRACK_AUDIO, ms, 1024, 44100, &us));
		assert_int_equal(us, START + i * 1024 * 1000000 / 44100);
	}
	/* A real gap is kept. */
	assert_true(mediatime_take(&m, TRACK_AUDIO, (uint32_t)((us - START) / 1000 + 500), 1024,
				   44100, &us));
	assert_in_range(us, START + 100000ll * 1024 * 1000000 / 44100 + 400000, INT64_MAX);
}

static void test_rejoining_continues_whatever_the_source_says(void **state)
{
	struct mediatime m;
	int64_t before, after;

	mediatime_init(&m, START);
	before = video(&m, 77777, true);
	mediatime_rejoin(&m);
	after = video(&m, 3, true);
	assert_in_range(after, before + 1, before + 100000);
}

static void test_wall_clock_is_that_of_the_least_late_frame(void **state)
{
	struct wall w = {0};

	/* Two seconds from the log at once, then in real time with jitter. */
	for (int i = 0; i < 50; i++)
		wall_hear(&w, START + i * 40000, 1000000000 + i * 10);
	assert_int_equal(wall_ms(&w, START), (1000000000 + 490 - 1960000) / 1000);
}

static void test_wall_clock_is_continuous_and_follows_drift_slowly(void **state)
{
	struct wall w = {0};
	int64_t last = 0;

	for (int64_t s = 0; s < 7200; s++) {
		/* The encoder's clock is wrong by 1 in 2000, and half way NTP moves ours by 2 s. */
		int64_t now = 1000000000 + s * 1000500 + (s > 3600 ? 2000000 : 0), ms;

		wall_hear(&w, START + s * 1000000, now);
		if (s % 4)
			continue;
		ms = wall_ms(&w, START + s * 1000000);
		if (last)
			assert_in_range(ms - last, 3995, 4005);
		last = ms;
	}
	assert_in_range(last, (1000000000 + 7196ll * 1000500 + 2000000) / 1000 - 300,
			(1000000000 + 7196ll * 1000500 + 2000000) / 1000 + 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M1_wraps_at_24_8_and_49_7_days_are_no_event),
		cmocka_unit_test(test_M3_a_jump_goes_on_from_the_end_and_is_said),
		cmocka_unit_test(test_M3_small_steps_back_still_grow),
		cmocka_unit_test(test_audio_is_counted_in_samples_while_times_agree),
		cmocka_unit_test(test_rejoining_continues_whatever_the_source_says),
		cmocka_unit_test(test_wall_clock_is_that_of_the_least_late_frame),
		cmocka_unit_test(test_wall_clock_is_continuous_and_follows_drift_slowly),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
