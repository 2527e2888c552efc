/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/hookq.h"

#define INTERVAL_US 1000
#define TRIES	    3

static void add(struct hookq *q, const char *id)
{
	hookq_add(q, hook_new(id, "http://h/", "{\"a\":\"\\\"\"}"));
}

static void test_one_at_a_time_and_in_order(void **state)
{
	struct hook *h, *gone;
	struct hookq q;

	hookq_init(&q);
	add(&q, "1");
	add(&q, "2");
	h = hookq_due(&q, 0);
	assert_string_equal(h->id, "1");
	assert_null(hookq_due(&q, 0));
	assert_true(hookq_next_us(&q) == UINT64_MAX);
	assert_int_equal(hookq_done(&q, true, TRIES, INTERVAL_US, 5, &gone), HOOK_DELIVERED);
	assert_string_equal(gone->id, "1");
	hook_free(gone);
	h = hookq_due(&q, 5);
	assert_string_equal(h->id, "2");
	assert_int_equal(h->tries, 1);
	hookq_fini(&q);
}

static void test_a_failed_one_comes_again_before_the_next(void **state)
{
	struct hook *gone;
	struct hookq q;

	hookq_init(&q);
	add(&q, "1");
	add(&q, "2");
	hookq_due(&q, 0);
	assert_int_equal(hookq_done(&q, false, TRIES, INTERVAL_US, 100, &gone), HOOK_AGAIN);
	assert_null(gone);
	assert_int_equal(hookq_next_us(&q), 1100);
	assert_null(hookq_due(&q, 1099));
	assert_string_equal(hookq_due(&q, 1100)->id, "1");
	assert_int_equal(TAILQ_FIRST(&q.list)->tries, 2);
	hookq_fini(&q);
}

static void test_after_the_last_try_the_next_is_due_at_once(void **state)
{
	struct hook *gone;
	struct hookq q;

	hookq_init(&q);
	add(&q, "1");
	add(&q, "2");
	for (int i = 1; i <= TRIES; i++) {
		uint64_t now = (uint64_t)i * INTERVAL_US;

		assert_non_null(hookq_due(&q, now));
		assert_int_equal(hookq_done(&q, false, TRIES, INTERVAL_US, now, &gone),
				 i < TRIES ? HOOK_AGAIN : HOOK_DEAD);
	}
	assert_string_equal(gone->id, "1");
	hook_free(gone);
	assert_int_equal(q.n, 1);
	assert_string_equal(hookq_due(&q, TRIES * INTERVAL_US)->id, "2");
	hookq_fini(&q);
}

static void test_an_empty_queue_waits_for_nothing(void **state)
{
	struct hookq q;

	hookq_init(&q);
	assert_null(hookq_due(&q, 1));
	assert_true(hookq_next_us(&q) == UINT64_MAX);
	hookq_fini(&q);
}

static void test_text_holds_everything(void **state)
{
	struct hook *a = hook_new("id1", "http://h/x?y=1", "{\"k\":\"\xc3\xa4\\n\"}");
	struct hook *b = hook_parse(a->text);

	assert_string_equal(b->id, a->id);
	assert_string_equal(b->url, a->url);
	assert_string_equal(b->body, a->body);
	assert_string_equal(b->text, a->text);
	hook_free(a);
	hook_free(b);
	assert_null(hook_parse("{}"));
	assert_null(hook_parse("{\"id\":1,\"url\":\"\",\"body\":\"\"}"));
	assert_null(hook_parse("not json"));
}

static void test_one_that_is_dropped_in_flight_makes_room_for_the_next(void **state)
{
	struct hook *h;
	struct hookq q;

	hookq_init(&q);
	add(&q, "1");
	add(&q, "2");
	add(&q, "3");
	h = hookq_due(&q, 0);
	hookq_drop(&q, h);
	hook_free(h);
	h = TAILQ_LAST(&q.list, hooks_head);
	hookq_drop(&q, h);
	hook_free(h);
	assert_int_equal(q.n, 1);
	assert_string_equal(hookq_due(&q, 0)->id, "2");
	hookq_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_is_dropped_in_flight_makes_room_for_the_next),
		cmocka_unit_test(test_one_at_a_time_and_in_order),
		cmocka_unit_test(test_a_failed_one_comes_again_before_the_next),
		cmocka_unit_test(test_after_the_last_try_the_next_is_due_at_once),
		cmocka_unit_test(test_an_empty_queue_waits_for_nothing),
		cmocka_unit_test(test_text_holds_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
