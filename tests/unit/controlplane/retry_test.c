/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "controlplane/retry.h"

static struct task *exponential(int64_t interval_s, int64_t max_s)
{
	struct task *t = task_new();

	task_text(&t->id, "a");
	task_text(&t->retry_policy, "exponential");
	t->retry_interval_s = interval_s;
	t->retry_max_s = max_s;
	return t;
}

static void test_the_documented_policy_always_waits_the_interval(void **state)
{
	struct task *t = task_new();

	t->retry_interval_s = 60;
	t->retry_max_s = 300;
	for (t->retries = 0; t->retries < 100; t->retries++) {
		assert_int_equal(retry_wait_ms(t, t->retries, REASON_CONNECT_REFUSED), 60000);
		assert_int_equal(retry_wait_ms(t, t->retries, REASON_DNS_FAILED), 60000);
	}
	assert_int_equal(retry_longest_ms(t), 60000);
	task_free(t);
}

static void test_P1_exponential_doubles_up_to_its_maximum(void **state)
{
	static const int64_t full_ms[] = {1000, 2000, 4000, 8000, 16000, 20000, 20000};
	struct task *t = exponential(1, 20);

	for (size_t i = 0; i < sizeof(full_ms) / sizeof(full_ms[0]); i++) {
		t->retries = (int64_t)i;
		assert_in_range(retry_wait_ms(t, t->retries, REASON_REMOTE_CLOSED),
				full_ms[i] * 3 / 4, full_ms[i]);
	}
	t->retries = INT64_MAX;
	assert_in_range(retry_wait_ms(t, t->retries, REASON_REMOTE_CLOSED), 15000, 20000);
	task_free(t);
}

static void test_P1_tasks_that_failed_together_do_not_come_back_together(void **state)
{
	struct task *t = exponential(100, 100);
	unsigned fourths[4] = {0};
	char id[24];

	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "task-%d", i);
		task_text(&t->id, id);
		fourths[(100000 - retry_wait_ms(t, t->retries, REASON_REMOTE_CLOSED)) * 4 /
			25001]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(fourths[i], 150, 350);
	task_free(t);
}

static void test_P2_a_final_error_waits_the_maximum_at_once(void **state)
{
	struct task *t = exponential(1, 200);

	assert_in_range(retry_wait_ms(t, t->retries, REASON_CONNECT_REFUSED), 750, 1000);
	assert_in_range(retry_wait_ms(t, t->retries, REASON_DNS_FAILED), 150000, 200000);
	assert_in_range(retry_wait_ms(t, t->retries, REASON_REMOTE_REJECTED), 150000, 200000);
	task_free(t);
}

static void test_a_count_of_minus_one_never_ends(void **state)
{
	struct task *t = task_new();

	t->retry_count = 0;
	assert_false(retry_left(t, t->retries));
	t->retry_count = 1;
	assert_true(retry_left(t, t->retries));
	t->retry_count = -1;
	t->retries = INT64_MAX - 1;
	assert_true(retry_left(t, t->retries));
	task_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_documented_policy_always_waits_the_interval),
		cmocka_unit_test(test_P1_exponential_doubles_up_to_its_maximum),
		cmocka_unit_test(test_P1_tasks_that_failed_together_do_not_come_back_together),
		cmocka_unit_test(test_P2_a_final_error_waits_the_maximum_at_once),
		cmocka_unit_test(test_a_count_of_minus_one_never_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
