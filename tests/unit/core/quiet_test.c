/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

static struct quiet q;

static void test_nothing_passes_while_a_core_is_inside(void **state)
{
	uint64_t stamp;

	quiet_init(&q, 2);
	quiet_wake(&q, 0);
	quiet_wake(&q, 1);
	stamp = quiet_stamp(&q);
	assert_false(quiet_passed(&q, stamp));
	quiet_pass(&q, 0);
	assert_false(quiet_passed(&q, stamp));
	quiet_pass(&q, 1);
	assert_true(quiet_passed(&q, stamp));
}

static void test_a_point_before_the_stamp_does_not_count(void **state)
{
	uint64_t stamp;

	quiet_init(&q, 1);
	quiet_wake(&q, 0);
	quiet_pass(&q, 0);
	stamp = quiet_stamp(&q);
	assert_false(quiet_passed(&q, stamp));
	quiet_pass(&q, 0);
	assert_true(quiet_passed(&q, stamp));
	assert_false(quiet_passed(&q, quiet_stamp(&q)));
}

static void test_a_sleeping_core_holds_nothing_back(void **state)
{
	uint64_t stamp;

	quiet_init(&q, QUIET_CORES_MAX);
	quiet_wake(&q, 7);
	stamp = quiet_stamp(&q);
	assert_false(quiet_passed(&q, stamp));
	quiet_sleep(&q, 7);
	assert_true(quiet_passed(&q, stamp));
}

static void test_a_core_that_wakes_sees_what_went_before(void **state)
{
	uint64_t stamp;

	quiet_init(&q, 1);
	stamp = quiet_stamp(&q);
	quiet_wake(&q, 0);
	assert_true(quiet_passed(&q, stamp));
	stamp = quiet_stamp(&q);
	quiet_wake(&q, 0); /* awake already: this is no quiet point */
	assert_false(quiet_passed(&q, stamp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_passes_while_a_core_is_inside),
		cmocka_unit_test(test_a_point_before_the_stamp_does_not_count),
		cmocka_unit_test(test_a_sleeping_core_holds_nothing_back),
		cmocka_unit_test(test_a_core_that_wakes_sees_what_went_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
