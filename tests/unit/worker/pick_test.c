/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several sources is shown, on an integer clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/worker/pick.h"

#define S 1000000u

static const struct pick_rules rules = {3 * S, 30 * S};
static uint64_t now = 1000 * S;

static struct pick_source flowing_for(uint64_t us)
{
	return (struct pick_source){now - us, now, now, true, true};
}

static struct pick_source away(void)
{
	return (struct pick_source){.fits = true};
}

static int next(struct pick_source a, struct pick_source b, struct pick_source c, int shown)
{
	return pick_next((struct pick_source[]){a, b, c}, 3, shown, &rules, now);
}

static void test_P4_the_primary_is_shown_and_stays(void **state)
{
	assert_int_equal(next(flowing_for(S), flowing_for(S), away(), PICK_SLATE), 0);
	assert_int_equal(next(flowing_for(S), flowing_for(99 * S), away(), 0), 0);
}

static void test_P4_one_that_disconnects_is_left_at_once_but_what_came_is_shown_first(void **state)
{
	struct pick_source ended = {.head_us = now, .head_key = true, .fits = true};

	assert_int_equal(next(ended, flowing_for(S), away(), 0), 0);
	assert_int_equal(next(away(), flowing_for(S), away(), 0), 1);
	assert_int_equal(next(away(), away(), flowing_for(S), 0), 2);
}

static void test_P4_one_that_is_silent_is_left_after_its_time(void **state)
{
	struct pick_source silent = {now - 50 * S, now - 3 * S + 1, 0, false, true};

	assert_int_equal(next(silent, flowing_for(S), away(), 0), 0);
	silent.last_us--;
	assert_int_equal(next(silent, flowing_for(S), away(), 0), 1);
}

static void test_P4_the_primary_returns_when_stable_and_at_a_fresh_key_frame(void **state)
{
	struct pick_source primary = flowing_for(30 * S - 1);

	assert_int_equal(next(primary, flowing_for(S), away(), 1), 1);
	primary.since_us--;
	assert_int_equal(next(primary, flowing_for(S), away(), 1), 0);
	primary.head_us = now - PICK_FRESH_US - 1;
	assert_int_equal(next(primary, flowing_for(S), away(), 1), 1);
	primary.head_us = now;
	primary.head_key = false;
	assert_int_equal(next(primary, flowing_for(S), away(), 1), 1);
	/* Where the shown one is lost nobody waits for that. */
	primary = flowing_for(S);
	primary.head_us = now - S;
	assert_int_equal(next(primary, away(), away(), 1), 0);
}

static void test_the_slate_is_for_the_time_when_there_is_no_source(void **state)
{
	assert_int_equal(next(away(), away(), away(), 0), PICK_SLATE);
	assert_int_equal(next(away(), away(), away(), PICK_SLATE), PICK_SLATE);
	assert_int_equal(next(flowing_for(1), away(), away(), PICK_SLATE), 0);
}

static void test_other_codecs_and_no_key_frame_are_not_shown(void **state)
{
	struct pick_source other = flowing_for(S), middle = flowing_for(S);

	other.fits = false;
	middle.head_key = false;
	assert_int_equal(next(away(), other, middle, 0), PICK_SLATE);
	assert_int_equal(next(other, flowing_for(S), away(), 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_P4_the_primary_is_shown_and_stays),
		cmocka_unit_test(
			test_P4_one_that_disconnects_is_left_at_once_but_what_came_is_shown_first),
		cmocka_unit_test(test_P4_one_that_is_silent_is_left_after_its_time),
		cmocka_unit_test(test_P4_the_primary_returns_when_stable_and_at_a_fresh_key_frame),
		cmocka_unit_test(test_the_slate_is_for_the_time_when_there_is_no_source),
		cmocka_unit_test(test_other_codecs_and_no_key_frame_are_not_shown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
