/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack against itself over bad paths. Environment: SIM_SEEDS so many random worlds (default
 * 600), SIM_FIRST the first of them, SIM_SEED one world, with its packets told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "sim_tcp/world.h"

#define SECOND 1000000ull
#define LAN                     \
	{                       \
		.delay_us = 500 \
	}
#define WAN(delay)                                                          \
	{                                                                   \
		.delay_us = (delay), .rate = 2500000, .queue_bytes = 125000 \
	}

static struct world w;

static struct world_options usual(void)
{
	return (struct world_options){
		.seed = 1,
		.blocks = {256, 256},
		.path = {WAN(20000), WAN(20000)},
	};
}

/* Runs to the end: everything arrived and both are gone. Microseconds of the last answer. */
static uint64_t run_to_end(uint64_t seconds)
{
	uint64_t start = w.now_us, last = 0;
	const char *wrong;

	world_run(&w, start + seconds * SECOND);
	wrong = world_verdict(&w);
	if (wrong)
		fail_msg("seed %lu: %s", (unsigned long)w.o.seed, wrong);
	for (unsigned i = 0; i < w.peers; i++)
		last = max_of(last, w.peer[SERVER][i].ended_us - start);
	return last;
}

static void test_a_clean_path_is_filled_without_a_retransmission(void **state)
{
	struct world_options o = usual();
	uint64_t took;

	o.path[DOWN].queue_bytes = 0;
	world_init(&w, &o);
	world_open(&w, 500, 5000000);
	took = run_to_end(60);
	/* 5 MB at 2.5 MB/s. */
	assert_in_range(took, 2 * SECOND, 3 * SECOND);
	assert_int_equal(tcp_stats(w.stack[SERVER])->bytes_resent, 0);
	assert_int_equal(tcp_stats(w.stack[SERVER])->timeouts, 0);
	world_fini(&w);
}

static void test_ipv6_and_offloads_carry_the_same_bytes(void **state)
{
	struct world_options o = usual();

	o.v6 = o.tso = o.csum_offload = true;
	o.path[DOWN].loss = 10000;
	world_init(&w, &o);
	world_open(&w, 5000, 2000000);
	run_to_end(60);
	world_fini(&w);
}

static void test_a_hundred_connections_share_a_bottleneck(void **state)
{
	struct world_options o = usual();

	o.seed = 3;
	world_init(&w, &o);
	for (int i = 0; i < 100; i++)
		world_open(&w, 100, 40000);
	run_to_end(120);
	world_fini(&w);
}

/* Payload that the sender puts out per second at this loss, over 40 ms and 20 Mbit/s. */
static double goodput(uint32_t loss, bool no_rack)
{
	struct world_options o = usual();
	uint64_t took;

	o.seed = 11;
	o.no_rack[SERVER] = no_rack;
	o.path[DOWN].loss = loss;
	world_init(&w, &o);
	world_open(&w, 100, 4000000);
	took = run_to_end(600);
	world_fini(&w);
	return 4e6 / ((double)took / 1e6);
}

static void test_random_loss_costs_what_CUBIC_says_not_more(void **state)
{
	/* Lower bounds: half of the Reno model 1.22 MSS / (RTT sqrt(p)), or of the link. */
	static const struct {
		uint32_t loss;
		double least;
	} at[] = {{0, 1.5e6}, {1000, 600e3}, {10000, 180e3}, {30000, 80e3}};

	for (unsigned i = 0; i < array_len(at); i++) {
		double rack = goodput(at[i].loss, false), dupacks = goodput(at[i].loss, true);

		printf("# loss %.1f %%: RACK %.0f kB/s, duplicates %.0f kB/s\n",
		       at[i].loss / 10000.0, rack / 1000, dupacks / 1000);
		if (rack < at[i].least || dupacks < at[i].least)
			fail_msg("loss %u ppm: %.0f and %.0f B/s, want %.0f", at[i].loss, rack,
				 dupacks, at[i].least);
	}
}

/* A queue that overflows at two thousand segments loses hundreds at once, in as many places. */
static void test_more_holes_than_the_scoreboard_holds_are_repaired_without_a_timeout(void **state)
{
	for (uint64_t seed = 100; seed < 103; seed++) {
		struct world_options o = usual();
		uint64_t took;

		o.seed = seed;
		o.recv_window[CLIENT] = 4000000;
		o.path[DOWN] = o.path[UP] = (struct path){.delay_us = 1000, .rate = 125000000};
		o.path[DOWN].queue_bytes = 1000000;
		world_init(&w, &o);
		world_open(&w, 100, 50000000);
		took = run_to_end(60);
		/* 50 MB at 125 MB/s. */
		assert_in_range(took, SECOND * 4 / 10, SECOND * 8 / 10);
		assert_int_equal(tcp_stats(w.stack[SERVER])->timeouts, 0);
		world_fini(&w);
	}
}

/* One download over 1 Gb/s and 20 ms, to a receiver that keeps what comes out of order. */
static uint64_t download(uint32_t queue_bytes, uint64_t bytes)
{
	struct world_options o = usual();
	uint64_t took;

	o.recv_window[CLIENT] = 64000000;
	o.blocks[CLIENT] = o.reasm_max[CLIENT] = 8000;
	o.path[DOWN] = o.path[UP] = (struct path){.delay_us = 10000, .rate = 125000000};
	o.path[DOWN].queue_bytes = queue_bytes;
	world_init(&w, &o);
	world_open(&w, 100, bytes);
	took = run_to_end(60);
	printf("# queue %u kB: %.0f Mb/s\n", queue_bytes / 1000, (double)bytes * 8 / (double)took);
	return took;
}

/* The reference is the path: 0.4 s for 50 MB, and eight round trips until it is full. */
static void test_slow_start_ends_where_the_path_is_full_before_the_queue_is(void **state)
{
	assert_in_range(download(2500000, 50000000), SECOND * 4 / 10, SECOND * 65 / 100);
	assert_int_equal(tcp_stats(w.stack[SERVER])->bytes_resent, 0);
	world_fini(&w);
}

static void test_a_queue_that_overflows_in_slow_start_costs_two_recoveries_at_most(void **state)
{
	static const uint32_t queues[] = {250000, 1000000};

	for (unsigned i = 0; i < array_len(queues); i++) {
		const struct tcp_stats *s;

		download(queues[i], 50000000);
		s = tcp_stats(w.stack[SERVER]);
		assert_in_range(s->recoveries, 1, 2);
		assert_int_equal(s->timeouts, 0);
		assert_true(s->bytes_resent < 50000000 / 6);
		world_fini(&w);
	}
}

static void test_reordering_is_not_taken_for_loss(void **state)
{
	struct world_options o = usual();
	uint64_t took;

	o.path[DOWN].jitter_us = 8000;
	o.path[DOWN].queue_bytes = 0;
	world_init(&w, &o);
	world_open(&w, 100, 4000000);
	took = run_to_end(60);
	/* The path carries 2.5 MB/s; others end at a tenth of it. */
	assert_in_range(took, 1, 4 * SECOND);
	world_fini(&w);
}

static void test_RFC9293_3_8_6_1_a_closed_window_is_probed_until_it_opens(void **state)
{
	struct world_options o = usual();

	/* Nobody says that it is open again. */
	o.path[UP].full_from_us = SECOND / 5;
	o.path[UP].full_to_us = 20 * SECOND;
	world_init(&w, &o);
	world_open(&w, 100, 3000000);
	assert_true(run_to_end(120) > 19 * SECOND);
	assert_true(tcp_stats(w.stack[SERVER])->probes_window > 3);
	world_fini(&w);
}

/* For a while the segments of both say anything. Nothing breaks, and in the end nothing is left. */
static void test_peers_that_lie_break_no_invariant_and_are_rid_of(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct world_options o = usual();

		o.seed = seed;
		o.user_timeout_ms = 10000;
		o.keep_idle_ms = 5000;
		o.path[UP].lies = seed % 2 ? 50000 : 300000;
		o.path[DOWN].lies = seed % 3 ? 0 : 100000;
		o.path[DOWN].loss = 10000;
		world_init(&w, &o);
		for (int i = 0; i < 4; i++)
			world_open(&w, 3000, 200000);
		world_run(&w, w.now_us + 60 * SECOND);
		w.o.path[UP].lies = w.o.path[DOWN].lies = 1;
		world_run(&w, w.now_us + 600 * SECOND);
		for (int i = 0; i < 2; i++) {
			if (tcp_conns(w.stack[i]))
				fail_msg("seed %lu: %u connections are left", (unsigned long)seed,
					 tcp_conns(w.stack[i]));
			assert_int_equal(tcp_blocks_used(w.stack[i]), 0);
		}
		world_fini(&w);
	}
}

static void test_a_path_that_dies_for_a_while_is_survived(void **state)
{
	struct world_options o = usual();

	o.path[DOWN].dead_from_us = SECOND / 2;
	o.path[DOWN].dead_to_us = 6 * SECOND;
	world_init(&w, &o);
	world_open(&w, 100, 3000000);
	run_to_end(120);
	assert_true(tcp_stats(w.stack[SERVER])->timeouts > 1);
	world_fini(&w);
}

static void test_a_dead_peer_is_given_up_after_the_user_timeout(void **state)
{
	struct world_options o = usual();
	const struct peer *p = &w.peer[SERVER][0];

	o.user_timeout_ms = 5000;
	o.path[DOWN].dead_from_us = o.path[UP].dead_from_us = SECOND / 2;
	o.path[DOWN].dead_to_us = o.path[UP].dead_to_us = 1000 * SECOND;
	world_init(&w, &o);
	world_open(&w, 100, 3000000);
	world_run(&w, w.now_us + 100 * SECOND);
	assert_true(p->ended);
	assert_int_equal(p->end, TCP_END_TIMEOUT);
	assert_int_equal(tcp_conns(w.stack[SERVER]), 0);
	world_fini(&w);
}

static void test_an_idle_peer_that_is_gone_is_found_by_keep_alive(void **state)
{
	struct world_options o = usual();
	const struct peer *p = &w.peer[SERVER][0];

	o.keep_idle_ms = 2000;
	o.path[DOWN].dead_from_us = o.path[UP].dead_from_us = SECOND;
	o.path[DOWN].dead_to_us = o.path[UP].dead_to_us = 1000 * SECOND;
	world_init(&w, &o);
	world_open(&w, 100, 1000);
	w.peer[SERVER][0].closes = false;
	world_run(&w, w.now_us + 100 * SECOND);
	assert_true(p->ended);
	assert_int_equal(p->end, TCP_END_TIMEOUT);
	assert_int_equal(tcp_stats(w.stack[SERVER])->probes_keep, 3);
	world_fini(&w);
}

static void test_path_MTU_is_learned_from_ICMP_and_without_it(void **state)
{
	for (int tells = 0; tells < 2; tells++) {
		struct world_options o = usual();

		o.path[DOWN].mtu = 1300;
		o.path[DOWN].tells_mtu = tells;
		world_init(&w, &o);
		world_open(&w, 100, 300000);
		run_to_end(60);
		assert_true(tells ? tcp_stats(w.stack[SERVER])->mtu_lowered
				  : tcp_stats(w.stack[SERVER])->black_holes);
		world_fini(&w);
	}
}

static void test_options_taken_away_by_a_middlebox_are_not_missed(void **state)
{
	/* 3 window scale, 4 SACK permitted, 8 timestamps, 2 MSS */
	static const uint32_t strip[] = {1 << 8, 1 << 4, 1 << 3, 1 << 8 | 1 << 4 | 1 << 3 | 1 << 2};

	for (unsigned i = 0; i < array_len(strip); i++) {
		struct world_options o = usual();

		o.seed = 20 + i;
		o.path[UP].strip = strip[i];
		o.path[DOWN].loss = 10000;
		world_init(&w, &o);
		world_open(&w, 1000, 500000);
		run_to_end(120);
		world_fini(&w);
	}
}

static void test_without_blocks_losses_are_repaired_all_the_same(void **state)
{
	struct world_options o = usual();

	o.blocks[SERVER] = o.blocks[CLIENT] = 0;
	o.path[DOWN].loss = 10000;
	world_init(&w, &o);
	world_open(&w, 3000, 300000);
	run_to_end(600);
	world_fini(&w);
}

static void test_bytes_that_left_the_log_end_the_viewer(void **state)
{
	struct world_options o = usual();
	const struct peer *p = &w.peer[SERVER][0];

	o.log_keeps = 20000;
	o.path[DOWN].dead_from_us = SECOND / 4;
	o.path[DOWN].dead_to_us = SECOND;
	world_init(&w, &o);
	world_open(&w, 100, 3000000);
	world_run(&w, w.now_us + 60 * SECOND);
	assert_true(p->ended);
	assert_int_equal(p->end, TCP_END_LOG_GONE);
	assert_true(tcp_stats(w.stack[SERVER])->log_gone > 0);
	world_fini(&w);
}

/* Ten seconds of a stream of 400 kB/s in ticks of 50 ms, over 40 ms; how late the last byte is. */
static uint64_t watch_live(uint32_t loss)
{
	struct world_options o = usual();
	struct peer *p = &w.peer[SERVER][0];
	uint64_t start, last = 0;

	o.seed = 5;
	o.path[DOWN].loss = loss;
	world_init(&w, &o);
	world_open(&w, 100, 1000);
	p->closes = false;
	world_run(&w, w.now_us + 5 * SECOND);
	assert_non_null(p->c);
	start = w.now_us;
	for (unsigned tick = 1; tick <= 200; tick++) {
		p->to_send += 20000;
		p->closes = tick == 200;
		last = w.now_us;
		world_offer(p);
		world_run(&w, start + tick * 50000);
		w.now_us = start + tick * 50000;
	}
	run_to_end(20);
	return p->ended_us - last;
}

static void test_a_live_viewer_gets_its_stream_in_time(void **state)
{
	/* The last tick, its ACK, the FIN and its ACK. */
	assert_in_range(watch_live(0), 0, 200000);
	assert_int_equal(tcp_stats(w.stack[SERVER])->bytes_resent, 0);
	world_fini(&w);
	assert_in_range(watch_live(10000), 0, SECOND);
	assert_in_range(tcp_stats(w.stack[SERVER])->bytes_resent, 20000, 120000);
	world_fini(&w);
}

/* ---- random worlds ---- */

static uint32_t one_of(const uint32_t *list, unsigned n)
{
	return list[world_random(&w, n)];
}
#define PICK(...) \
	one_of((const uint32_t[]){__VA_ARGS__}, array_len(((const uint32_t[]){__VA_ARGS__})))

static struct path random_path(void)
{
	struct path p = {
		.delay_us = PICK(50, 500, 5000, 20000, 60000, 150000),
		.jitter_us = PICK(0, 0, 0, 500, 5000, 30000),
		.rate = PICK(0, 125000, 500000, 2500000, 12500000),
		.queue_bytes = PICK(0, 20000, 60000, 250000),
		.loss = PICK(0, 0, 1000, 10000, 30000, 100000),
		.burst_loss = PICK(0, 0, 0, 1000, 5000),
		.duplicate = PICK(0, 0, 5000, 50000),
		.corrupt = PICK(0, 0, 0, 5000),
		.thin_acks = PICK(0, 0, 0, 300000, 500000),
		.mtu = PICK(0, 0, 0, 0, 1300, 1400),
		.tells_mtu = PICK(0, 1),
		.strip = PICK(0, 0, 0, 1 << 8, 1 << 4, 1 << 3, 1 << 8 | 1 << 4),
	};

	if (!world_random(&w, 6)) {
		p.dead_from_us = world_random(&w, 3000000);
		p.dead_to_us = p.dead_from_us + world_random(&w, 5000000);
	}
	if (!world_random(&w, 6)) {
		p.full_from_us = world_random(&w, 2000000);
		p.full_to_us = p.full_from_us + world_random(&w, 10000000);
	}
	return p;
}

static void run_seed(uint64_t seed, bool told)
{
	struct world_options o = {.seed = seed};
	unsigned pairs;

	memset(&w, 0, sizeof(w));
	w.random = seed * 0x9e3779b97f4a7c15ull + 99;
	for (int i = 0; i < 8; i++)
		world_random(&w, 2);
	o.v6 = world_random(&w, 3) == 0;
	o.tso = world_random(&w, 2);
	o.csum_offload = world_random(&w, 2);
	o.no_rack[0] = world_random(&w, 3) == 0;
	o.no_rack[1] = world_random(&w, 3) == 0;
	o.recv_window[0] = PICK(4000, 65535, 262144);
	o.recv_window[1] = PICK(2000, 16384, 65535, 262144, 4000000);
	o.blocks[0] = PICK(0, 3, 64, 512);
	o.blocks[1] = PICK(0, 3, 64, 512);
	o.mtu = (uint16_t)PICK(1500, 1500, 1500, 9000, 1280);
	o.user_timeout_ms = 3600000;
	o.path[DOWN] = random_path();
	o.path[UP] = random_path();
	pairs = 1 + world_random(&w, 4);
	world_init(&w, &o);
	w.told = told;
	for (unsigned i = 0; i < pairs; i++)
		world_open(&w, PICK(1, 100, 3000, 60000), PICK(1, 1000, 30000, 200000));
	run_to_end(36000);
	world_fini(&w);
}

/* An invariant that does not hold aborts: say where. */
static void tell_seed(int sig)
{
	char text[40];
	int n = snprintf(text, sizeof(text), "# seed %lu\n", (unsigned long)w.o.seed);

	if (write(STDOUT_FILENO, text, (size_t)n) == n)
		signal(sig, SIG_DFL);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_random_worlds_deliver_every_byte(void **state)
{
	uint64_t one = from_environment("SIM_SEED", 0), first = from_environment("SIM_FIRST", 1);
	uint64_t n = from_environment("SIM_SEEDS", 600);

	signal(SIGABRT, tell_seed);
	if (one) {
		run_seed(one, true);
		return;
	}
	for (uint64_t seed = first; seed < first + n; seed++)
		run_seed(seed, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_clean_path_is_filled_without_a_retransmission),
		cmocka_unit_test(test_ipv6_and_offloads_carry_the_same_bytes),
		cmocka_unit_test(test_a_hundred_connections_share_a_bottleneck),
		cmocka_unit_test(test_random_loss_costs_what_CUBIC_says_not_more),
		cmocka_unit_test(
			test_more_holes_than_the_scoreboard_holds_are_repaired_without_a_timeout),
		cmocka_unit_test(test_slow_start_ends_where_the_path_is_full_before_the_queue_is),
		cmocka_unit_test(
			test_a_queue_that_overflows_in_slow_start_costs_two_recoveries_at_most),
		cmocka_unit_test(test_reordering_is_not_taken_for_loss),
		cmocka_unit_test(test_RFC9293_3_8_6_1_a_closed_window_is_probed_until_it_opens),
		cmocka_unit_test(test_peers_that_lie_break_no_invariant_and_are_rid_of),
		cmocka_unit_test(test_a_path_that_dies_for_a_while_is_survived),
		cmocka_unit_test(test_a_dead_peer_is_given_up_after_the_user_timeout),
		cmocka_unit_test(test_an_idle_peer_that_is_gone_is_found_by_keep_alive),
		cmocka_unit_test(test_path_MTU_is_learned_from_ICMP_and_without_it),
		cmocka_unit_test(test_options_taken_away_by_a_middlebox_are_not_missed),
		cmocka_unit_test(test_without_blocks_losses_are_repaired_all_the_same),
		cmocka_unit_test(test_bytes_that_left_the_log_end_the_viewer),
		cmocka_unit_test(test_a_live_viewer_gets_its_stream_in_time),
		cmocka_unit_test(test_random_worlds_deliver_every_byte),
	};

	return cmocka_run_group_tests_name("tcp_sim", tests, NULL, NULL);
}
