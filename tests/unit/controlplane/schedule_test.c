/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "controlplane/schedule.h"

#define WAKES 300

static void test_in_order_of_time_and_not_early(void **state)
{
	struct schedule s = {0};
	struct wake a = {0}, b = {0}, c = {0};

	schedule_set(&s, &b, 20);
	schedule_set(&s, &a, 10);
	schedule_set(&s, &c, 30);
	assert_int_equal(schedule_next(&s), 10);
	assert_null(schedule_pop(&s, 9));
	assert_ptr_equal(schedule_pop(&s, 25), &a);
	assert_ptr_equal(schedule_pop(&s, 25), &b);
	assert_null(schedule_pop(&s, 25));
	assert_ptr_equal(schedule_pop(&s, 1000), &c);
	assert_true(schedule_next(&s) == UINT64_MAX);
	schedule_fini(&s);
}

static void test_a_wake_moves_and_leaves(void **state)
{
	struct schedule s = {0};
	struct wake a = {0}, b = {0};

	schedule_set(&s, &a, 10);
	schedule_set(&s, &b, 20);
	schedule_set(&s, &a, 30);
	assert_int_equal(schedule_next(&s), 20);
	schedule_set(&s, &a, 5);
	assert_int_equal(schedule_next(&s), 5);
	schedule_del(&s, &a);
	schedule_del(&s, &a);
	assert_ptr_equal(schedule_pop(&s, 100), &b);
	assert_null(schedule_pop(&s, 100));
	schedule_fini(&s);
}

/* Against the obvious way: the least of an array. */
static void test_random_use_agrees_with_a_plain_search(void **state)
{
	struct wake w[WAKES] = {0};
	struct schedule s = {0};

	srand(11);
	for (int round = 0; round < 20000; round++) {
		struct wake *one = &w[rand() % WAKES];
		uint64_t least = UINT64_MAX;

		if (rand() % 3)
			schedule_set(&s, one, (uint64_t)(rand() % 1000));
		else
			schedule_del(&s, one);
		if (rand() % 5 == 0)
			schedule_pop(&s, (uint64_t)(rand() % 1000));
		for (int i = 0; i < WAKES; i++)
			if (w[i].slot && w[i].at_us < least)
				least = w[i].at_us;
		assert_true(schedule_next(&s) == least);
	}
	schedule_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_of_time_and_not_early),
		cmocka_unit_test(test_a_wake_moves_and_leaves),
		cmocka_unit_test(test_random_use_agrees_with_a_plain_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
