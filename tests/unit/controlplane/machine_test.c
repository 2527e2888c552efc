/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a task, on an integer clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "controlplane/machine.h"

#define S_US 1000000

enum { I = TASK_IDLE, R = TASK_RUNNING, C = TASK_RECOVERING };
enum { O = TASK_OFFLINE, S = TASK_STARTING, X = TASK_EXIT, NO = -1 };

/* ---- the tables, said again ------------------------------------------------------------------ */

static void test_every_state_by_every_event(void **state)
{
	static const struct {
		int from, event, to;
	} lines[] = {
		{I, EVENT_START_DUE, S},  {I, EVENT_END_DUE, X},      {S, EVENT_LEGS_RUNNING, R},
		{S, EVENT_LEG_FAILED, C}, {S, EVENT_RETRIES_USED, O}, {S, EVENT_END_DUE, X},
		{R, EVENT_LEG_FAILED, C}, {R, EVENT_RETRIES_USED, O}, {R, EVENT_LEGS_LOST, C},
		{R, EVENT_STABLE, R},	  {R, EVENT_END_DUE, X},      {C, EVENT_LEGS_RUNNING, R},
		{C, EVENT_LEG_FAILED, C}, {C, EVENT_RETRIES_USED, O}, {C, EVENT_RETRY_DUE, C},
		{C, EVENT_END_DUE, X},	  {O, EVENT_END_DUE, X},      {S, EVENT_FINISHED, O},
		{R, EVENT_FINISHED, O},	  {C, EVENT_FINISHED, O},     {R, EVENT_DESTS_AWAY, C},
	};

	for (int from = 0; from < TASK_STATES; from++)
		for (int event = 0; event < TASK_EVENTS; event++) {
			int want = NO;

			for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
				if (lines[i].from == from && lines[i].event == event)
					want = lines[i].to;
			assert_int_equal(machine_after_event(from, event), want);
		}
}

static void test_every_state_by_every_verb(void **state)
{
	static const int want[TASK_STATES][TASK_VERBS] = {
		/* stop restart delete */
		[I] = {NO, NO, X}, [R] = {O, S, X}, [C] = {O, S, X},
		[O] = {NO, S, X},  [S] = {O, S, X}, [X] = {NO, NO, NO},
	};

	for (int from = 0; from < TASK_STATES; from++)
		for (int verb = 0; verb < TASK_VERBS; verb++) {
			struct task_view v = {0};
			struct task *t = task_new();
			struct effects fx;
			const char *rule;

			t->state = from;
			rule = machine_verb(t, verb, &v, &fx);
			assert_int_equal(machine_after_verb(from, verb), want[from][verb]);
			if (want[from][verb] == NO) {
				assert_non_null(rule);
				assert_int_equal(t->state, from);
				assert_false(fx.changed || fx.state_event || fx.exit_reason);
			} else {
				assert_null(rule);
				assert_int_equal(t->state, want[from][verb]);
				assert_true(fx.changed);
				assert_int_equal(fx.state_event, want[from][verb] == O);
				assert_int_equal(!!fx.exit_reason, want[from][verb] == X);
			}
			task_free(t);
		}
}

/* ---- stories ----------------------------------------------------------------------------------- */

/* A task and the world around it; start at 100 s, end at 1000 s of the wall clock. */
struct world {
	struct task *t;
	struct task_view v;
	struct effects fx;
	unsigned events; /* callbacks so far */
};

static void begin(struct world *w)
{
	*w = (struct world){.t = task_new()};
	w->t->start_s = 100;
	w->t->end_s = 1000;
	w->t->retry_count = 2;
	w->t->retry_interval_s = 60;
	w->v.dp = DP_KNOWN;
	w->v.now_ms = 0;
	w->v.now_us = 5 * S_US;
	for (int kind = 0; kind < LEGS; kind++)
		w->v.leg[kind].detail = "";
}

static void end(struct world *w)
{
	task_free(w->t);
}

static void pass(struct world *w, int64_t seconds)
{
	w->v.now_ms += seconds * 1000;
	w->v.now_us += seconds * S_US;
}

/* Steps until nothing follows; the number of transitions. */
static int settle(struct world *w)
{
	struct effects fx;
	int n = 0;

	while (machine_step(w->t, &w->v, &fx)) {
		w->fx = fx;
		w->events += fx.state_event || fx.exit_reason;
		/* Legs that are not wanted any more are removed, as reconcile does. */
		for (int kind = 0; kind < LEGS; kind++)
			if (!machine_wants(w->t, kind))
				w->v.leg[kind].state = LEG_NONE;
		assert_true(++n < 10);
	}
	return n;
}

static void legs(struct world *w, enum leg_state pull, enum leg_state push)
{
	w->v.leg[LEG_PULL].state = pull;
	w->v.leg[LEG_PUSH].state = push;
	settle(w);
}

static void leg_fails(struct world *w, enum leg_kind kind, enum reason why)
{
	w->v.leg[kind].state = LEG_FAILED;
	w->v.leg[kind].reason = why;
	settle(w);
}

static void begin_running(struct world *w)
{
	begin(w);
	pass(w, 100);
	settle(w);
	legs(w, LEG_RUNNING, LEG_RUNNING);
	assert_int_equal(w->t->state, R);
}

static void test_it_starts_on_time_and_not_before(void **state)
{
	struct world w;

	begin(&w);
	assert_int_equal(settle(&w), 0);
	assert_int_equal(machine_wants(w.t, LEG_PULL), 0);
	assert_int_equal(machine_wake_us(w.t, &w.v), w.v.now_us + 100 * S_US);
	pass(&w, 99);
	assert_int_equal(settle(&w), 0);
	pass(&w, 1);
	assert_int_equal(settle(&w), 1);
	assert_int_equal(w.t->state, S);
	assert_int_equal(task_status(w.t->state), 0);
	assert_int_equal(w.events, 0);
	assert_true(machine_wants(w.t, LEG_PULL) && machine_wants(w.t, LEG_PUSH));
	end(&w);
}

static void test_P11_a_clock_that_jumps_over_the_start_starts_it(void **state)
{
	struct world w;

	begin(&w);
	w.v.now_ms = 500000;
	settle(&w);
	assert_int_equal(w.t->state, S);
	end(&w);
}

static void test_P11_a_clock_that_jumps_over_the_end_ends_it(void **state)
{
	struct world w;

	begin(&w);
	w.v.now_ms = 1000000;
	settle(&w);
	assert_int_equal(w.t->state, X);
	assert_string_equal(w.fx.exit_reason, "OverEndTime");
	assert_int_equal(w.events, 1);
	end(&w);
}

static void test_P3_running_means_both_legs_carry_media(void **state)
{
	struct world w;

	begin(&w);
	pass(&w, 100);
	settle(&w);
	legs(&w, LEG_CONNECTING, LEG_WAITING);
	assert_int_equal(w.t->state, S);
	legs(&w, LEG_RUNNING, LEG_CONNECTING);
	assert_int_equal(w.t->state, S);
	assert_int_equal(w.events, 0);
	legs(&w, LEG_RUNNING, LEG_RUNNING);
	assert_int_equal(w.t->state, R);
	assert_int_equal(w.events, 1);
	end(&w);
}

static void test_P9_a_failed_pull_leaves_the_destination_connected_and_says_why(void **state)
{
	struct world w;
	unsigned pull, push;

	begin_running(&w);
	pull = machine_wants(w.t, LEG_PULL);
	push = machine_wants(w.t, LEG_PUSH);
	w.v.leg[LEG_PULL].detail = "gone";
	leg_fails(&w, LEG_PULL, REASON_MEDIA_TIMEOUT);
	assert_int_equal(w.t->state, C);
	assert_string_equal(task_invalid_reason(w.t), "PullStreamFailed");
	assert_string_equal(w.t->reason, "media_timeout");
	assert_string_equal(w.t->detail, "gone");
	assert_int_equal(machine_wants(w.t, LEG_PULL), 0);
	assert_int_equal(machine_wants(w.t, LEG_PUSH), push);
	assert_int_equal(w.t->retries, 0);
	/* The hold is over: the data plane said goodbye to the destination and waits. */
	w.v.leg[LEG_PUSH].state = LEG_WAITING;
	pass(&w, 59);
	assert_int_equal(settle(&w), 0);
	assert_int_equal(machine_wake_us(w.t, &w.v), w.v.now_us + S_US);
	pass(&w, 1);
	assert_int_equal(settle(&w), 1);
	assert_int_equal(w.t->retries, 1);
	assert_true(machine_wants(w.t, LEG_PULL) > pull);
	assert_int_equal(machine_wants(w.t, LEG_PUSH), push);
	legs(&w, LEG_RUNNING, LEG_RUNNING);
	assert_int_equal(w.t->state, R);
	end(&w);
}

static void test_a_destination_that_fails_while_the_source_waits_is_tried_too(void **state)
{
	struct world w;
	unsigned push;

	begin_running(&w);
	push = machine_wants(w.t, LEG_PUSH);
	leg_fails(&w, LEG_PULL, REASON_MEDIA_TIMEOUT);
	w.v.leg[LEG_PUSH].state = LEG_FAILED;
	assert_int_equal(settle(&w), 0);
	pass(&w, 60);
	assert_int_equal(machine_step(w.t, &w.v, &w.fx), true);
	assert_true(machine_wants(w.t, LEG_PUSH) > push);
	end(&w);
}

static void test_a_failed_destination_leaves_the_source_connected(void **state)
{
	struct world w;
	unsigned pull, push;

	begin_running(&w);
	pull = machine_wants(w.t, LEG_PULL);
	push = machine_wants(w.t, LEG_PUSH);
	leg_fails(&w, LEG_PUSH, REASON_REMOTE_CLOSED);
	assert_string_equal(task_invalid_reason(w.t), "PushStreamFailed");
	assert_int_equal(machine_wants(w.t, LEG_PULL), pull);
	assert_int_equal(machine_wants(w.t, LEG_PUSH), 0);
	pass(&w, 60);
	settle(&w);
	assert_int_equal(machine_wants(w.t, LEG_PULL), pull);
	assert_true(machine_wants(w.t, LEG_PUSH) > push);
	legs(&w, LEG_RUNNING, LEG_RUNNING);
	assert_int_equal(w.t->state, R);
	assert_int_equal(w.events, 3);
	end(&w);
}

static void test_a_list_that_ended_is_offline_and_a_restart_begins_anew(void **state)
{
	struct world w;
	unsigned pull;

	begin_running(&w);
	w.t->file_index = 1;
	w.t->current_file = 4;
	w.t->current_round = 2;
	pull = machine_wants(w.t, LEG_PULL);
	w.v.leg[LEG_PULL].state = LEG_FINISHED;
	assert_int_equal(settle(&w), 1);
	assert_int_equal(w.t->state, O);
	assert_string_equal(w.t->reason, "list_finished");
	assert_string_equal(task_invalid_reason(w.t), "");
	assert_string_equal(task_offline_reason(w.t), "ListFinished");
	assert_int_equal(machine_wants(w.t, LEG_PUSH), 0);
	assert_null(machine_verb(w.t, VERB_RESTART, &w.v, &w.fx));
	assert_int_equal(w.t->current_file, 1);
	assert_int_equal(w.t->current_round, 0);
	assert_true(machine_wants(w.t, LEG_PULL) > pull);
	end(&w);
}

static void test_a_retry_goes_on_where_the_list_was(void **state)
{
	struct world w;

	begin_running(&w);
	w.t->current_file = 4;
	leg_fails(&w, LEG_PULL, REASON_REMOTE_CLOSED);
	pass(&w, 60);
	settle(&w);
	assert_int_equal(w.t->current_file, 4);
	end(&w);
}

static void test_a_source_that_fails_while_the_destination_waits_is_tried_too(void **state)
{
	struct world w;
	unsigned pull;

	begin_running(&w);
	pull = machine_wants(w.t, LEG_PULL);
	leg_fails(&w, LEG_PUSH, REASON_REMOTE_CLOSED);
	w.v.leg[LEG_PULL].state = LEG_FAILED;
	assert_int_equal(settle(&w), 0);
	pass(&w, 60);
	assert_int_equal(machine_step(w.t, &w.v, &w.fx), true);
	assert_true(machine_wants(w.t, LEG_PULL) > pull);
	end(&w);
}

static void test_when_both_fail_it_was_the_source(void **state)
{
	struct world w;

	begin_running(&w);
	w.v.leg[LEG_PUSH].state = LEG_FAILED;
	w.v.leg[LEG_PUSH].reason = REASON_SOURCE_LOST;
	leg_fails(&w, LEG_PULL, REASON_REMOTE_ENDED);
	assert_string_equal(task_invalid_reason(w.t), "PullStreamFailed");
	assert_string_equal(w.t->reason, "remote_ended");
	end(&w);
}

static void test_retries_are_used_up_after_RetryCount_of_them(void **state)
{
	struct world w;

	begin_running(&w);
	for (int retry = 0; retry < 2; retry++) {
		leg_fails(&w, LEG_PULL, REASON_CONNECT_REFUSED);
		assert_int_equal(w.t->state, C);
		pass(&w, 60);
		settle(&w);
		assert_int_equal(w.t->retries, retry + 1);
	}
	/* Running, Recovering; failing again inside Recovering is no new state. */
	assert_int_equal(w.events, 2);
	leg_fails(&w, LEG_PULL, REASON_CONNECT_REFUSED);
	assert_int_equal(w.t->state, O);
	assert_int_equal(w.events, 3);
	assert_string_equal(task_offline_reason(w.t), "RetryTimesOffline");
	assert_string_equal(task_invalid_reason(w.t), "PullStreamFailed");
	assert_int_equal(machine_wants(w.t, LEG_PULL), 0);
	pass(&w, 300);
	assert_int_equal(settle(&w), 0);
	end(&w);
}

static void test_RetryCount_0_means_offline_at_once(void **state)
{
	struct world w;

	begin(&w);
	w.t->retry_count = 0;
	pass(&w, 100);
	settle(&w);
	leg_fails(&w, LEG_PULL, REASON_DNS_FAILED);
	assert_int_equal(w.t->state, O);
	end(&w);
}

static void test_P1_retries_count_anew_only_after_a_stable_run(void **state)
{
	struct world w;

	begin_running(&w);
	leg_fails(&w, LEG_PULL, REASON_PEER_RESET);
	pass(&w, 60);
	settle(&w);
	legs(&w, LEG_RUNNING, LEG_RUNNING);
	assert_int_equal(w.t->retries, 1);
	pass(&w, 29);
	assert_int_equal(settle(&w), 0);
	assert_int_equal(machine_wake_us(w.t, &w.v), w.v.now_us + S_US);
	pass(&w, 1);
	assert_int_equal(settle(&w), 1);
	assert_int_equal(w.t->retries, 0);
	assert_int_equal(w.t->state, R);
	assert_false(w.fx.state_event);
	end(&w);
}

static void test_P1_a_flapping_source_ends_offline(void **state)
{
	struct world w;

	begin_running(&w);
	for (int i = 0; i < 3; i++) {
		pass(&w, 20);
		leg_fails(&w, LEG_PULL, REASON_REMOTE_CLOSED);
		if (w.t->state == O)
			break;
		pass(&w, 60);
		settle(&w);
		legs(&w, LEG_RUNNING, LEG_RUNNING);
	}
	assert_int_equal(w.t->state, O);
	end(&w);
}

static void test_P13_a_restarted_data_plane_costs_no_retry(void **state)
{
	struct world w;

	begin_running(&w);
	/* Away for a moment: nothing is concluded. */
	w.v.dp = DP_UNKNOWN;
	legs(&w, LEG_NONE, LEG_NONE);
	assert_int_equal(w.t->state, R);
	/* Back, and it has no legs. */
	w.v.dp = DP_KNOWN;
	settle(&w);
	assert_int_equal(w.t->state, C);
	assert_string_equal(w.t->reason, "dataplane_lost");
	assert_true(machine_wants(w.t, LEG_PULL) && machine_wants(w.t, LEG_PUSH));
	legs(&w, LEG_CONNECTING, LEG_WAITING);
	legs(&w, LEG_RUNNING, LEG_RUNNING);
	assert_int_equal(w.t->state, R);
	assert_int_equal(w.t->retries, 0);
	assert_string_equal(w.t->reason, "");
	end(&w);
}

static void test_P3_what_interrupted_it_stays_known(void **state)
{
	struct world w;

	begin_running(&w);
	assert_int_equal(w.t->since_ms, w.v.now_ms);
	assert_int_equal(w.t->reconnects, 0);
	pass(&w, 10);
	leg_fails(&w, LEG_PULL, REASON_CONNECT_REFUSED);
	assert_int_equal(w.t->since_ms, w.v.now_ms);
	pass(&w, 60);
	settle(&w);
	legs(&w, LEG_RUNNING, LEG_RUNNING);
	assert_int_equal(w.t->state, R);
	assert_int_equal(w.t->reconnects, 1);
	assert_string_equal(w.t->reason, "");
	assert_string_equal(w.t->last_reason, "connect_refused");
	/* A stable run forgives retries; it changes neither the state nor what is known. */
	pass(&w, 60);
	settle(&w);
	assert_int_equal(w.t->retries, 0);
	assert_int_equal(w.t->reconnects, 1);
	assert_int_equal(w.t->since_ms, w.v.now_ms - 60000);
	machine_verb(w.t, VERB_RESTART, &w.v, &w.fx);
	assert_int_equal(w.t->reconnects, 0);
	end(&w);
}

static void test_without_a_data_plane_no_retry_is_burnt(void **state)
{
	struct world w;

	begin_running(&w);
	leg_fails(&w, LEG_PULL, REASON_REMOTE_CLOSED);
	w.v.dp = DP_GONE;
	pass(&w, 300);
	assert_int_equal(settle(&w), 0);
	assert_int_equal(w.t->retries, 0);
	/* Nor does it spin: the retry that is due wakes nobody. */
	assert_true(machine_wake_us(w.t, &w.v) > w.v.now_us);
	w.v.dp = DP_KNOWN;
	settle(&w);
	assert_int_equal(w.t->retries, 1);
	end(&w);
}

static void test_a_data_plane_that_stays_away_is_told(void **state)
{
	struct world w;

	begin_running(&w);
	w.v.dp = DP_GONE;
	settle(&w);
	assert_int_equal(w.t->state, C);
	assert_int_equal(w.t->retries, 0);
	assert_int_equal(w.events, 2);
	assert_int_equal(settle(&w), 0);
	end(&w);
}

static void test_stop_and_restart(void **state)
{
	struct world w;
	unsigned pull;

	begin_running(&w);
	pull = machine_wants(w.t, LEG_PULL);
	assert_null(machine_verb(w.t, VERB_STOP, &w.v, &w.fx));
	assert_int_equal(machine_wants(w.t, LEG_PULL) + machine_wants(w.t, LEG_PUSH), 0);
	assert_string_equal(task_offline_reason(w.t), "TriggerByUser");
	assert_string_equal(task_invalid_reason(w.t), "");
	legs(&w, LEG_NONE, LEG_NONE);
	assert_int_equal(w.t->state, O);
	assert_null(machine_verb(w.t, VERB_RESTART, &w.v, &w.fx));
	assert_int_equal(w.t->state, S);
	assert_int_equal(w.t->offline_by, OFFLINE_NOT);
	assert_true(machine_wants(w.t, LEG_PULL) > pull);
	end(&w);
}

static void test_restart_while_running_asks_for_new_legs(void **state)
{
	struct world w;
	unsigned pull, push;

	begin_running(&w);
	pull = machine_wants(w.t, LEG_PULL);
	push = machine_wants(w.t, LEG_PUSH);
	assert_null(machine_verb(w.t, VERB_RESTART, &w.v, &w.fx));
	assert_true(machine_wants(w.t, LEG_PULL) > pull && machine_wants(w.t, LEG_PUSH) > push);
	assert_false(w.fx.state_event);
	end(&w);
}

static void test_P13_a_retry_that_waits_survives_a_restart_of_this_process(void **state)
{
	struct task_field f[TASK_FIELDS];
	struct world w;
	struct task *back = task_new();

	begin_running(&w);
	task_text(&w.t->id, "x");
	task_text(&w.t->dst_url, "rtmp://h/a/b");
	task_text(&w.t->source_urls, "[\"rtmp://h/a/c\"]");
	leg_fails(&w, LEG_PULL, REASON_REMOTE_CLOSED);
	pass(&w, 20);
	task_fields(w.t, f);
	for (size_t i = 0; i < TASK_FIELDS; i++)
		assert_true(task_set_field(back, f[i].name, f[i].value));
	assert_true(task_loaded(back, w.v.now_ms, 7 * S_US));
	assert_int_equal(back->state, C);
	assert_int_equal(back->next_try_us, 7 * S_US + 40 * S_US);
	task_free(back);
	end(&w);
}

static void test_the_end_comes_in_every_state(void **state)
{
	for (int s = 0; s < TASK_EXIT; s++) {
		struct world w;

		begin(&w);
		w.t->state = s;
		w.v.now_ms = 1000 * 1000;
		settle(&w);
		assert_int_equal(w.t->state, X);
		assert_int_equal(w.events, 1);
		assert_true(machine_wake_us(w.t, &w.v) == INT64_MAX);
		end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_by_every_event),
		cmocka_unit_test(test_every_state_by_every_verb),
		cmocka_unit_test(test_it_starts_on_time_and_not_before),
		cmocka_unit_test(test_P11_a_clock_that_jumps_over_the_start_starts_it),
		cmocka_unit_test(test_P11_a_clock_that_jumps_over_the_end_ends_it),
		cmocka_unit_test(test_P3_running_means_both_legs_carry_media),
		cmocka_unit_test(
			test_P9_a_failed_pull_leaves_the_destination_connected_and_says_why),
		cmocka_unit_test(test_a_destination_that_fails_while_the_source_waits_is_tried_too),
		cmocka_unit_test(test_a_failed_destination_leaves_the_source_connected),
		cmocka_unit_test(test_a_list_that_ended_is_offline_and_a_restart_begins_anew),
		cmocka_unit_test(test_a_retry_goes_on_where_the_list_was),
		cmocka_unit_test(test_a_source_that_fails_while_the_destination_waits_is_tried_too),
		cmocka_unit_test(test_when_both_fail_it_was_the_source),
		cmocka_unit_test(test_retries_are_used_up_after_RetryCount_of_them),
		cmocka_unit_test(test_RetryCount_0_means_offline_at_once),
		cmocka_unit_test(test_P1_retries_count_anew_only_after_a_stable_run),
		cmocka_unit_test(test_P1_a_flapping_source_ends_offline),
		cmocka_unit_test(test_P13_a_restarted_data_plane_costs_no_retry),
		cmocka_unit_test(test_P3_what_interrupted_it_stays_known),
		cmocka_unit_test(test_without_a_data_plane_no_retry_is_burnt),
		cmocka_unit_test(test_a_data_plane_that_stays_away_is_told),
		cmocka_unit_test(test_stop_and_restart),
		cmocka_unit_test(test_restart_while_running_asks_for_new_legs),
		cmocka_unit_test(test_P13_a_retry_that_waits_survives_a_restart_of_this_process),
		cmocka_unit_test(test_the_end_comes_in_every_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
