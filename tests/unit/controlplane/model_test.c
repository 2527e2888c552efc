/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controlplane/model.h"

#define ID "0f0e0d0c-0b0a-4908-8706-050403020100"

static struct task *sample(void)
{
	struct task *t = task_new();

	task_text(&t->id, ID);
	task_text(&t->dst_url, "rtmp://h/a/b");
	task_text(&t->source_urls, "[\"rtmp://s/c/d\"]");
	t->retry_interval_s = 60;
	return t;
}

static void test_every_field_goes_out_and_comes_back(void **state)
{
	struct task_field out[TASK_FIELDS], again[TASK_FIELDS];
	struct task *a = task_new(), *b = task_new();

	for (size_t i = 0; i < TASK_FIELDS; i++) {
		char text[8] = {(char)('1' + i % 9), (char)('0' + i / 9), 0};

		task_fields(a, out);
		assert_true(task_set_field(a, out[i].name, text));
	}
	task_fields(a, out);
	for (size_t i = 0; i < TASK_FIELDS; i++)
		assert_true(task_set_field(b, out[i].name, out[i].value));
	task_fields(b, again);
	for (size_t i = 0; i < TASK_FIELDS; i++)
		assert_string_equal(out[i].value, again[i].value);
	task_free(a);
	task_free(b);
}

static void test_a_copy_is_its_own(void **state)
{
	struct task *a = sample(), *b = task_copy(a);

	task_text(&b->name, "other");
	assert_string_equal(a->name, "");
	assert_string_equal(b->dst_url, a->dst_url);
	task_free(a);
	assert_string_equal(b->id, ID);
	task_free(b);
}

static void test_what_redis_holds_is_checked(void **state)
{
	struct task *t = sample();

	assert_false(task_set_field(t, "StartTime", "soon"));
	assert_true(task_set_field(t, "FromTheFuture", "x"));
	assert_true(task_loaded(t, 0, 0));
	t->state = TASK_EXIT;
	assert_false(task_loaded(t, 0, 0));
	t->state = -1;
	assert_false(task_loaded(t, 0, 0));
	t->state = TASK_IDLE;
	task_text(&t->source_urls, "[]");
	assert_false(task_loaded(t, 0, 0));
	task_text(&t->source_urls, "{");
	assert_false(task_loaded(t, 0, 0));
	task_free(t);
}

static void test_a_list_that_waits_takes_the_place_of_the_other(void **state)
{
	struct task *t = sample();

	t->file_index = 2;
	t->offset_s = 7;
	task_text(&t->next_urls, "[\"http://a/b.mp4\"]");
	task_text(&t->next_at, "loop");
	assert_true(task_loaded(t, 0, 0));
	task_take_list(t);
	assert_string_equal(t->source_urls, "[\"http://a/b.mp4\"]");
	assert_string_equal(t->next_urls, "");
	assert_int_equal(t->file_index + t->offset_s, 0);
	t->file_index = 2;
	task_take_list(t);
	assert_int_equal(t->file_index, 2);
	task_text(&t->next_urls, "[1]"); /* nobody of ours wrote that */
	assert_true(task_loaded(t, 0, 0));
	assert_string_equal(t->next_urls, "");
	task_free(t);
}

static void test_P11_a_loaded_retry_never_waits_longer_than_its_interval(void **state)
{
	struct task *t = sample();

	t->next_try_ms = 500000; /* the clock went back by more than the interval */
	assert_true(task_loaded(t, 1000, 5));
	assert_int_equal(t->next_try_us, 5 + 60000000);
	assert_true(task_loaded(t, 900000, 5));
	assert_int_equal(t->next_try_us, 5);
	task_free(t);
}

static void test_numbers_and_names_of_states(void **state)
{
	assert_int_equal(task_status(TASK_IDLE), 0);
	assert_int_equal(task_status(TASK_RUNNING), 1);
	assert_int_equal(task_status(TASK_RECOVERING), 2);
	assert_int_equal(task_status(TASK_OFFLINE), 3);
	assert_int_equal(task_status(TASK_STARTING), 0);
	assert_int_equal(task_status(TASK_EXIT), -1);
	assert_string_equal(task_state_name(TASK_RECOVERING), "Recovering");
}

static void test_reasons_by_name(void **state)
{
	for (unsigned r = 0; r < REASON_MAX; r++)
		assert_int_equal(reason_of(reason_name(r)), r);
	assert_int_equal(reason_of("no such reason"), REASON_INTERNAL);
}

static void test_ids_of_legs(void **state)
{
	static const char *const bad[] = {
		"",
		ID,
		ID ":",
		ID ":on",
		ID ":in2",
		"a b:in",
		"0f0e0d0c+0b0a:in",
		":in",
		"a:out0",
		"a:out01",
		"a:out8",
		"01234567890123456789012345678901234567890123456789012345:in"};
	char text[128], id[TASK_ID_MAX + 1];
	unsigned kind;

	assert_true(leg_parse("cup_final.2026-1:out", id, &kind));
	assert_string_equal(id, "cup_final.2026-1");
	for (unsigned k = 0; k < LEGS_MAX; k++) {
		assert_true(leg_parse(leg_id(text, ID, k), id, &kind));
		assert_string_equal(id, ID);
		assert_int_equal(kind, k);
	}
	assert_string_equal(leg_id(text, ID, LEG_PULL), ID ":in");
	assert_string_equal(leg_id(text, ID, LEG_PUSH), ID ":out");
	assert_string_equal(leg_id(text, ID, LEG_PUSH + 2), ID ":out2");
	assert_string_equal(leg_stream(text, ID), "_relay/task/" ID);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(leg_parse(bad[i], id, &kind));
}

/* apsara-live.md 1.2 */
static void test_what_may_change_when(void **state)
{
	static const enum task_state active[] = {TASK_RUNNING, TASK_RECOVERING, TASK_STARTING};

	for (int c = 0; c < TASK_CHANGES; c++) {
		bool live = c == CHANGE_CALLBACK || c == CHANGE_REPEAT || c == CHANGE_RETRY;
		bool ignored = c == CHANGE_START || c == CHANGE_REGION;
		bool fixed = c == CHANGE_SOURCE_TYPE || c == CHANGE_DST;

		assert_int_equal(task_may_change(TASK_IDLE, c), LEAVE_OK);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(task_may_change(active[i], c), live	  ? LEAVE_OK
									: ignored ? LEAVE_IGNORED
										  : LEAVE_REFUSED);
		assert_int_equal(task_may_change(TASK_OFFLINE, c), ignored ? LEAVE_IGNORED
								   : fixed ? LEAVE_REFUSED
									   : LEAVE_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_goes_out_and_comes_back),
		cmocka_unit_test(test_a_copy_is_its_own),
		cmocka_unit_test(test_a_list_that_waits_takes_the_place_of_the_other),
		cmocka_unit_test(test_what_redis_holds_is_checked),
		cmocka_unit_test(test_P11_a_loaded_retry_never_waits_longer_than_its_interval),
		cmocka_unit_test(test_numbers_and_names_of_states),
		cmocka_unit_test(test_reasons_by_name),
		cmocka_unit_test(test_ids_of_legs),
		cmocka_unit_test(test_what_may_change_when),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
