/* SPDX-License-Identifier: Apache-2.0 */
/* Several destinations of one task, on an integer clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "controlplane/machine.h"

#define S_US 1000000

enum { T = DEST_TRYING, R = DEST_RUNNING, W = DEST_RETRYING, F = DEST_FAILED, NO = -1 };

static void test_every_state_by_every_event(void **state)
{
	static const struct {
		int from, event, to;
	} lines[] = {
		{T, DEST_RUNS, R},   {T, DEST_FAILS, W},     {T, DEST_GIVES_UP, F},
		{R, DEST_FAILS, W},  {R, DEST_GIVES_UP, F},  {R, DEST_LOST, T},
		{R, DEST_STABLE, R}, {W, DEST_RETRY_DUE, T},
	};

	for (int from = 0; from < DEST_STATES; from++)
		for (int event = 0; event < DEST_EVENTS; event++) {
			int want = NO;

			for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
				if (lines[i].from == from && lines[i].event == event)
					want = lines[i].to;
			assert_int_equal(dest_after_event(from, event), want);
		}
}

/* A task with three destinations that has started. */
struct world {
	struct task *t;
	struct task_view v;
	unsigned dest_news, task_news;
};

static void settle(struct world *w)
{
	struct effects fx;
	int n = 0;

	while (machine_step(w->t, &w->v, &fx)) {
		w->dest_news += !!fx.dest;
		w->task_news += fx.state_event;
		assert_true(fx.changed && !(fx.dest && fx.state_event));
		/* As reconcile does: legs that nobody wants are removed. */
		for (unsigned leg = 0; leg < task_legs(w->t); leg++)
			if (!machine_wants(w->t, leg))
				w->v.leg[leg].state = LEG_NONE;
		assert_true(++n < 20);
	}
}

static void push(struct world *w, unsigned n, enum leg_state s, enum reason why)
{
	w->v.leg[LEG_PUSH + n] = (struct leg_view){s, why, ""};
}

static void all_run(struct world *w)
{
	for (unsigned leg = 0; leg < task_legs(w->t); leg++)
		w->v.leg[leg] = (struct leg_view){LEG_RUNNING, REASON_NONE, ""};
	settle(w);
}

static void begin(struct world *w)
{
	*w = (struct world){.t = task_new()};
	task_text(&w->t->id, "a");
	task_text(&w->t->source_urls, "[\"rtmp://h/a/s\"]");
	task_text(&w->t->dst_url, "rtmp://h/a/0");
	task_text(&w->t->dst_urls, "[\"rtmp://h/a/1\",\"rtmp://h/a/2\"]");
	w->t->end_s = 1000;
	w->t->retry_count = 1;
	w->t->retry_interval_s = 60;
	w->v.dp = DP_KNOWN;
	w->v.now_us = 5 * S_US;
	dests_build(w->t);
	for (unsigned leg = 0; leg < task_legs(w->t); leg++)
		w->v.leg[leg] = (struct leg_view){LEG_CONNECTING, REASON_NONE, ""};
	settle(w);
	assert_int_equal(w->t->state, TASK_STARTING);
}

static void pass(struct world *w, int64_t seconds)
{
	w->v.now_ms += seconds * 1000;
	w->v.now_us += seconds * S_US;
	settle(w);
}

static void test_P8_one_that_is_dead_changes_nothing_for_the_others(void **state)
{
	struct world w;
	unsigned pull, other;

	begin(&w);
	all_run(&w);
	assert_int_equal(w.t->state, TASK_RUNNING);
	assert_int_equal(w.dest_news, 3);
	pull = machine_wants(w.t, LEG_PULL);
	other = machine_wants(w.t, LEG_PUSH + 2);
	push(&w, 0, LEG_FAILED, REASON_CONNECT_REFUSED);
	settle(&w);
	assert_int_equal(w.t->dest[0].state, DEST_RETRYING);
	assert_string_equal(w.t->dest[0].reason, "connect_refused");
	assert_int_equal(machine_wants(w.t, LEG_PUSH), 0);
	pass(&w, 60);
	assert_int_equal(w.t->dest[0].state, DEST_TRYING);
	push(&w, 0, LEG_FAILED, REASON_CONNECT_REFUSED);
	settle(&w);
	assert_int_equal(w.t->dest[0].state, DEST_FAILED);
	assert_int_equal(w.t->state, TASK_RUNNING);
	assert_int_equal(w.t->retries, 0);
	assert_int_equal(w.task_news, 1);
	assert_int_equal(machine_wants(w.t, LEG_PULL), pull);
	assert_int_equal(machine_wants(w.t, LEG_PUSH + 2), other);
	task_free(w.t);
}

static void test_a_task_recovers_while_none_runs_and_is_offline_when_all_gave_up(void **state)
{
	struct world w;

	begin(&w);
	all_run(&w);
	for (unsigned n = 0; n < 3; n++)
		push(&w, n, LEG_FAILED, REASON_REMOTE_CLOSED);
	settle(&w);
	assert_int_equal(w.t->state, TASK_RECOVERING);
	assert_string_equal(task_invalid_reason(w.t), "PushStreamFailed");
	assert_string_equal(w.t->reason, "remote_closed");
	assert_true(machine_wants(w.t, LEG_PULL));
	pass(&w, 60);
	push(&w, 1, LEG_RUNNING, REASON_NONE);
	settle(&w);
	assert_int_equal(w.t->state, TASK_RUNNING);
	for (unsigned n = 0; n < 3; n++)
		push(&w, n, LEG_FAILED, REASON_REMOTE_CLOSED);
	settle(&w);
	assert_int_equal(w.t->state, TASK_OFFLINE);
	assert_string_equal(task_offline_reason(w.t), "RetryTimesOffline");
	for (unsigned leg = 0; leg < task_legs(w.t); leg++)
		assert_int_equal(machine_wants(w.t, leg), 0);
	task_free(w.t);
}

static void test_a_restart_tries_those_that_gave_up_too(void **state)
{
	struct effects fx;
	struct world w;
	unsigned before;

	begin(&w);
	w.t->retry_count = 0;
	all_run(&w);
	before = w.t->dest[1].attempt;
	push(&w, 1, LEG_FAILED, REASON_REMOTE_REJECTED);
	settle(&w);
	assert_int_equal(w.t->dest[1].state, DEST_FAILED);
	assert_null(machine_verb(w.t, VERB_RESTART, &w.v, &fx));
	assert_true(machine_wants(w.t, LEG_PUSH + 1) > before);
	assert_int_equal(w.t->dest[1].retries, 0);
	assert_string_equal(w.t->dest[1].reason, "");
	task_free(w.t);
}

static void test_P9_a_failed_pull_leaves_all_destinations_connected(void **state)
{
	struct world w;
	unsigned before;

	begin(&w);
	all_run(&w);
	before = machine_wants(w.t, LEG_PUSH + 1);
	w.v.leg[LEG_PULL] = (struct leg_view){LEG_FAILED, REASON_MEDIA_TIMEOUT, ""};
	for (unsigned n = 0; n < 3; n++)
		push(&w, n, LEG_WAITING, REASON_NONE);
	settle(&w);
	assert_int_equal(w.t->state, TASK_RECOVERING);
	assert_int_equal(machine_wants(w.t, LEG_PUSH + 1), before);
	assert_int_equal(w.t->dest[1].state, DEST_RUNNING);
	task_free(w.t);
}

static void test_P1_retries_of_one_count_anew_after_a_stable_run(void **state)
{
	struct world w;

	begin(&w);
	all_run(&w);
	push(&w, 2, LEG_FAILED, REASON_REMOTE_CLOSED);
	settle(&w);
	assert_true(machine_wake_us(w.t, &w.v) <= w.v.now_us + 60 * S_US);
	pass(&w, 60);
	push(&w, 2, LEG_RUNNING, REASON_NONE);
	settle(&w);
	assert_int_equal(w.t->dest[2].retries, 1);
	pass(&w, MACHINE_STABLE_US / S_US);
	assert_int_equal(w.t->dest[2].retries, 0);
	task_free(w.t);
}

static struct task *stored(const struct task *t, int64_t now_ms, int64_t now_us)
{
	struct task_field f[TASK_FIELDS];
	struct task *again = task_new();

	task_fields(t, f);
	for (size_t i = 0; i < TASK_FIELDS; i++)
		assert_true(task_set_field(again, f[i].name, f[i].value));
	assert_true(task_loaded(again, now_ms, now_us));
	return again;
}

static void test_P13_states_survive_a_restart_of_this_process(void **state)
{
	struct task *again;
	struct world w;

	begin(&w);
	all_run(&w);
	push(&w, 0, LEG_FAILED, REASON_CONNECT_REFUSED);
	settle(&w);
	again = stored(w.t, w.v.now_ms + 20000, 7 * S_US);
	assert_int_equal(again->dests, 3);
	assert_int_equal(again->dest[0].state, DEST_RETRYING);
	assert_string_equal(again->dest[0].reason, "connect_refused");
	assert_int_equal(again->dest[0].next_try_us, 47 * S_US);
	assert_int_equal(again->dest[1].state, DEST_RUNNING);
	task_free(again);
	task_free(w.t);
}

static void test_a_changed_list_keeps_what_stays_and_mixes_up_no_attempts(void **state)
{
	struct world w;
	unsigned last;

	begin(&w);
	all_run(&w);
	last = machine_wants(w.t, LEG_PUSH + 1);
	task_text(&w.t->dst_urls, "[\"rtmp://h/a/2\",\"rtmp://h/a/3\"]");
	dests_build(w.t);
	assert_string_equal(dests_url(w.t, 1), "rtmp://h/a/2");
	assert_int_equal(w.t->dest[1].state, DEST_RUNNING);
	assert_true(machine_wants(w.t, LEG_PUSH + 2) > last);
	task_text(&w.t->dst_urls, "");
	dests_build(w.t);
	assert_int_equal(dests_count(w.t), 1);
	assert_true(machine_wants(w.t, LEG_PUSH) > last);
	assert_int_equal(machine_wants(w.t, LEG_PUSH + 1), 0);
	task_free(w.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_by_every_event),
		cmocka_unit_test(test_P8_one_that_is_dead_changes_nothing_for_the_others),
		cmocka_unit_test(
			test_a_task_recovers_while_none_runs_and_is_offline_when_all_gave_up),
		cmocka_unit_test(test_a_restart_tries_those_that_gave_up_too),
		cmocka_unit_test(test_P9_a_failed_pull_leaves_all_destinations_connected),
		cmocka_unit_test(test_P1_retries_of_one_count_anew_after_a_stable_run),
		cmocka_unit_test(test_P13_states_survive_a_restart_of_this_process),
		cmocka_unit_test(test_a_changed_list_keeps_what_stays_and_mixes_up_no_attempts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
