/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#include "net/tcp/tcp_cc.h"
#include "net/tcp/tcp_rtt.h"

#define MSS 1000

static struct tcp_cc cc;

static struct tcp_cc_ack ack(uint32_t bytes, uint32_t pipe, uint32_t rtt_us, uint32_t now_ms,
			     bool round)
{
	return (struct tcp_cc_ack){
		.bytes = bytes,
		.pipe = pipe,
		.rtt_us = rtt_us,
		.srtt_us = rtt_us,
		.now_us = now_ms * 1000,
		.now_ms = now_ms,
		.mss = MSS,
		.round = round,
	};
}

/* One round trip in which everything that the window allows was acknowledged. */
static void full_round(uint32_t rtt_us, uint32_t *now_ms)
{
	uint32_t left = cc.cwnd, pipe = cc.cwnd;
	bool first = true;

	*now_ms += rtt_us / 1000;
	for (; left >= MSS; left -= MSS, first = false) {
		struct tcp_cc_ack a = ack(MSS, pipe, rtt_us, *now_ms, first);

		tcp_cc_acked(&cc, &a);
	}
}

static void test_RFC6298_2_first_and_later_samples(void **state)
{
	struct tcp_rtt r = {0};

	assert_int_equal(tcp_rtt_rto(&r, 0), 1000000);
	tcp_rtt_sample(&r, 100000, 1);
	assert_int_equal(r.srtt_us, 100000);
	assert_int_equal(r.var_us, 50000);
	assert_int_equal(tcp_rtt_rto(&r, 0), 300000);
	tcp_rtt_sample(&r, 180000, 2);
	assert_int_equal(r.srtt_us, 110000);
	assert_int_equal(r.var_us, (50000 * 3 + 80000) / 4);
	assert_int_equal(r.min_us, 100000);
}

static void test_RFC6298_5_5_backoff_doubles_up_to_a_minute(void **state)
{
	struct tcp_rtt r = {0};

	tcp_rtt_sample(&r, 1000, 1);
	assert_int_equal(tcp_rtt_rto(&r, 0), 201000);
	assert_int_equal(tcp_rtt_rto(&r, 1), 402000);
	assert_int_equal(tcp_rtt_rto(&r, 40), 60000000);
}

static void test_the_least_RTT_is_forgotten_after_five_minutes(void **state)
{
	struct tcp_rtt r = {0};

	tcp_rtt_sample(&r, 1000, 65000);
	tcp_rtt_sample(&r, 5000, 65200);
	assert_int_equal(r.min_us, 1000);
	tcp_rtt_sample(&r, 5000, 65400); /* the stamp of 16 bits has wrapped in between */
	assert_int_equal(r.min_us, 5000);
}

static void test_RFC6928_initial_window(void **state)
{
	assert_int_equal(tcp_initial_window(1460), 14600);
	assert_int_equal(tcp_initial_window(536), 5360);
	assert_int_equal(tcp_initial_window(8940), 17880);
}

static void test_slow_start_doubles_while_the_RTT_stays(void **state)
{
	uint32_t now = 1;

	tcp_cc_init(&cc, MSS);
	full_round(50000, &now);
	assert_int_equal(cc.cwnd, 20000);
	full_round(50000, &now);
	assert_int_equal(cc.cwnd, 40000);
}

static void test_RFC9406_a_growing_RTT_ends_slow_start_without_a_loss(void **state)
{
	uint32_t now = 1;

	tcp_cc_init(&cc, MSS);
	for (uint32_t i = 0; i < 3; i++)
		full_round(50000, &now);
	/* 4.2: 50 ms / 8 more: first CSS, a quarter as fast, then avoidance after five rounds. */
	for (uint32_t i = 0; i < 7; i++)
		full_round(60000, &now);
	assert_true(cc.ssthresh < TCP_SSTHRESH_MAX);
	assert_true(cc.cwnd >= cc.ssthresh && cc.cwnd < 80000u * 5);
}

static void test_RFC9406_a_spike_that_passes_resumes_slow_start(void **state)
{
	uint32_t now = 1;

	tcp_cc_init(&cc, MSS);
	full_round(50000, &now);
	full_round(50000, &now);
	full_round(70000, &now);
	full_round(50000, &now);
	full_round(50000, &now);
	assert_int_equal(cc.ssthresh, TCP_SSTHRESH_MAX);
	assert_int_equal(cc.hystart.css_rounds, 0);
}

/* The same, with an ACK every gap_us. */
static void spread_round(uint32_t rtt_us, uint32_t gap_us, uint32_t *round_us)
{
	uint32_t segments = cc.cwnd / MSS, pipe = cc.cwnd;

	*round_us += rtt_us;
	for (uint32_t i = 0; i < segments; i++) {
		struct tcp_cc_ack a = ack(MSS, pipe, rtt_us, *round_us / 1000, i == 0);

		a.now_us = *round_us + i * gap_us;
		tcp_cc_acked(&cc, &a);
	}
}

static void test_ACKs_that_come_closely_for_half_a_round_trip_slow_the_start(void **state)
{
	uint32_t now = 1000, before;

	/* Of 1 MB/s and 100 ms: 100 segments are on the way. */
	tcp_cc_init(&cc, MSS);
	for (int i = 0; i < 3; i++)
		spread_round(100000, 1000, &now);
	assert_int_equal(cc.hystart.css_rounds, 0);
	assert_int_equal(cc.cwnd, 80 * MSS);
	spread_round(100000, 1000, &now);
	assert_true(cc.hystart.train);
	before = cc.cwnd;
	assert_in_range(before, 130 * MSS, 150 * MSS);
	spread_round(100000, 1000, &now);
	assert_in_range(cc.cwnd, before + before / 5, before + before / 3);
	/* The queue grows: that was it. */
	spread_round(130000, 1000, &now);
	assert_true(cc.cwnd < 3 * before / 2);
	assert_in_range(cc.ssthresh, before, cc.cwnd);
}

static void test_a_train_without_a_queue_after_it_resumes_slow_start(void **state)
{
	uint32_t now = 1000, before;

	tcp_cc_init(&cc, MSS);
	for (int i = 0; i < 4; i++)
		spread_round(100000, 1000, &now);
	assert_true(cc.hystart.train);
	for (int i = 0; i < 5; i++)
		spread_round(100000, 10, &now);
	assert_false(cc.hystart.train);
	before = cc.cwnd;
	spread_round(100000, 10, &now);
	assert_int_equal(cc.cwnd / MSS, 2 * (before / MSS));
	assert_int_equal(cc.ssthresh, TCP_SSTHRESH_MAX);
}

static void test_ACKs_with_gaps_between_them_are_no_train(void **state)
{
	uint32_t now = 1000;

	tcp_cc_init(&cc, MSS);
	for (int i = 0; i < 4; i++)
		spread_round(100000, 3000, &now);
	assert_int_equal(cc.cwnd, 160 * MSS);
	assert_int_equal(cc.ssthresh, TCP_SSTHRESH_MAX);
}

static void test_a_loss_in_slow_start_halves_the_window(void **state)
{
	tcp_cc_init(&cc, MSS);
	cc.cwnd = cc.pipe_now = 100 * MSS;
	tcp_cc_lost(&cc, MSS, cc.cwnd);
	assert_int_equal(cc.ssthresh, 50 * MSS);
}

static void test_RFC9438_window_comes_back_to_W_max_after_K(void **state)
{
	uint32_t now = 1000, start;

	tcp_cc_init(&cc, MSS);
	cc.cwnd = cc.ssthresh = 1000 * MSS;
	cc.pipe_now = cc.cwnd;
	tcp_cc_lost(&cc, MSS, cc.cwnd);
	assert_int_equal(cc.ssthresh, 700 * MSS);
	tcp_cc_recovered(&cc, MSS);
	assert_int_equal(cc.cwnd, 700 * MSS);
	start = now;
	/* K = cbrt(300 / 0.4) = 9.09 s */
	while (cc.cwnd < 995 * MSS && now - start < 60000)
		full_round(100000, &now);
	assert_in_range(now - start, 6000, 10500);
	/* The plateau: hardly any growth in the next second. */
	start = cc.cwnd;
	for (int i = 0; i < 10; i++)
		full_round(100000, &now);
	assert_true(cc.cwnd - start < 20 * MSS);
}

static void test_RFC9438_4_7_fast_convergence(void **state)
{
	tcp_cc_init(&cc, MSS);
	cc.cwnd = cc.ssthresh = cc.pipe_now = 100 * MSS;
	tcp_cc_lost(&cc, MSS, cc.cwnd);
	tcp_cc_recovered(&cc, MSS);
	assert_int_equal(cc.w_max, 100 * MSS);
	cc.pipe_now = cc.cwnd;
	tcp_cc_lost(&cc, MSS, cc.cwnd);
	assert_int_equal(cc.w_max, 70 * MSS * 17 / 20);
}

static void test_RFC7661_a_window_that_is_not_used_does_not_grow(void **state)
{
	uint32_t now = 1;

	tcp_cc_init(&cc, MSS);
	for (int i = 0; i < 100; i++) {
		struct tcp_cc_ack a = ack(2000, 2000, 50000, now += 50, true);

		tcp_cc_acked(&cc, &a);
	}
	assert_int_equal(cc.cwnd, 10000);
	/* 4.4.1: and after a loss it is measured by what was used. */
	tcp_cc_lost(&cc, MSS, 2000);
	assert_int_equal(cc.ssthresh, 2 * MSS);
}

static void test_RFC7661_4_4_3_idle_halves_down_to_the_initial_window(void **state)
{
	tcp_cc_init(&cc, MSS);
	cc.cwnd = 100 * MSS;
	tcp_cc_idle(&cc, MSS);
	assert_int_equal(cc.cwnd, 50 * MSS);
	for (int i = 0; i < 9; i++)
		tcp_cc_idle(&cc, MSS);
	assert_int_equal(cc.cwnd, 10 * MSS);
}

static void test_RFC4015_a_reduction_is_taken_back(void **state)
{
	tcp_cc_init(&cc, MSS);
	cc.cwnd = cc.pipe_now = 50 * MSS;
	tcp_cc_timeout(&cc, MSS, cc.cwnd, false);
	assert_int_equal(cc.cwnd, MSS);
	tcp_cc_timeout(&cc, MSS, cc.cwnd, true);
	assert_int_equal(cc.ssthresh, 25 * MSS);
	tcp_cc_undo(&cc);
	assert_int_equal(cc.cwnd, 50 * MSS);
	assert_int_equal(cc.ssthresh, TCP_SSTHRESH_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_RFC6298_2_first_and_later_samples),
		cmocka_unit_test(test_RFC6298_5_5_backoff_doubles_up_to_a_minute),
		cmocka_unit_test(test_the_least_RTT_is_forgotten_after_five_minutes),
		cmocka_unit_test(test_RFC6928_initial_window),
		cmocka_unit_test(test_slow_start_doubles_while_the_RTT_stays),
		cmocka_unit_test(test_RFC9406_a_growing_RTT_ends_slow_start_without_a_loss),
		cmocka_unit_test(test_RFC9406_a_spike_that_passes_resumes_slow_start),
		cmocka_unit_test(test_ACKs_that_come_closely_for_half_a_round_trip_slow_the_start),
		cmocka_unit_test(test_a_train_without_a_queue_after_it_resumes_slow_start),
		cmocka_unit_test(test_ACKs_with_gaps_between_them_are_no_train),
		cmocka_unit_test(test_a_loss_in_slow_start_halves_the_window),
		cmocka_unit_test(test_RFC9438_window_comes_back_to_W_max_after_K),
		cmocka_unit_test(test_RFC9438_4_7_fast_convergence),
		cmocka_unit_test(test_RFC7661_a_window_that_is_not_used_does_not_grow),
		cmocka_unit_test(test_RFC7661_4_4_3_idle_halves_down_to_the_initial_window),
		cmocka_unit_test(test_RFC4015_a_reduction_is_taken_back),
	};

	return cmocka_run_group_tests_name("tcp_cc", tests, NULL, NULL);
}
