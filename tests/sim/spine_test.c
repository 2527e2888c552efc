/* SPDX-License-Identifier: Apache-2.0 */
/* One log, many cursors: what must hold however viewers and their networks behave. */
#include "sim/world.h"

/* One thread: TSan has nothing to find here, and takes its time. */
#ifdef __SANITIZE_THREAD__
#define CROWD  1000
#define WORLDS 15
#else
#define CROWD  10000
#define WORLDS 60
#endif

static unsigned total_over(const struct world *w, enum reason why)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->o.viewers; i++)
		n += w->watchers[i].over[why];
	return n;
}

static uint64_t worst_delay(const struct world *w, enum watcher_kind kind)
{
	uint64_t worst = 0;

	for (unsigned i = 0; i < w->o.viewers; i++)
		if (w->watchers[i].kind == kind)
			worst = max_of(worst, w->watchers[i].delay_max_us);
	return worst;
}

static void test_10000_viewers_200_slow_one_stuck(void **state)
{
	struct world *w = world_new(&(struct world_options){
		.seed = 1,
		.cores = 4,
		.viewers = CROWD,
		.slow = 200,
		.stuck = true,
		.join_at_once = true,
		.flv = true,
		.churn = 20,
		.arena_bytes = 64 << 20,
	});
	unsigned skips = 0;

	world_run(w, 30000);
	/* closed by its own bound, and only it */
	assert_int_equal(total_over(w, REASON_SEND_STALLED), 1);
	assert_int_equal(w->watchers[0].over[REASON_SEND_STALLED], 1);
	for (unsigned i = 0; i < w->o.viewers; i++) {
		assert_true(w->watchers[i].joins > 0 && w->watchers[i].bytes > 0);
		if (w->watchers[i].kind == WATCHER_SLOW)
			skips += w->watchers[i].skips;
	}
	assert_true(skips >= 200);
	assert_true(bench_counter(&w->b, CTR_SKIPS) >= skips);
	assert_true(worst_delay(w, WATCHER_SLOW) > 8000000);
	/* 20 s of two formats at about 20 kB/s */
	assert_in_range(w->arena_peak, 1, 2 * 20 * 25000 / 16384 + 8);
	world_end(w);
	world_free(w);
}

/* The same world twice; the second time viewer 0 reads on instead of being stuck. */
static void test_a_stuck_viewer_changes_nobody_elses_delay(void **state)
{
	struct world *w[2];

	for (unsigned run = 0; run < 2; run++) {
		w[run] = world_new(&(struct world_options){
			.seed = 77,
			.cores = 2,
			.viewers = 1000,
			.slow = 50,
			.stuck = run == 0,
			.join_at_once = true,
			.arena_bytes = 32 << 20,
		});
		world_run(w[run], 40000);
	}
	assert_int_equal(w[0]->watchers[0].over[REASON_SEND_STALLED], 1);
	assert_true(w[0]->watchers[0].bytes < w[1]->watchers[0].bytes / 2);
	for (unsigned i = 1; i < w[0]->o.viewers; i++) {
		assert_int_equal(w[0]->watchers[i].delay_max_us, w[1]->watchers[i].delay_max_us);
		/* the same bytes at the same moments */
		assert_true(w[0]->watchers[i].trace == w[1]->watchers[i].trace);
	}
	world_free(w[0]);
	world_free(w[1]);
}

/* Small worlds with everything at once: publishers come and go, memory is short, nobody stays. */
static void test_random_worlds(void **state)
{
	uint64_t full = 0, skips = 0;
	unsigned lost = 0, ended = 0;

	for (uint64_t seed = 100; seed < 100 + WORLDS; seed++) {
		uint64_t luck = seed;
		struct world *w = world_new(&(struct world_options){
			.seed = seed,
			.cores = 1 + luck_below(&luck, 4),
			.viewers = 20 + luck_below(&luck, 100),
			.slow = luck_below(&luck, 10),
			.stuck = luck_below(&luck, 2),
			.flv = luck_below(&luck, 4) > 0,
			.churn = 300 + luck_below(&luck, 3000),
			.live_ms = luck_below(&luck, 2) ? 1000 + luck_below(&luck, 9000) : 0,
			/* from too little for 20 s of it to plenty */
			.arena_bytes = (size_t)16384 * (8 + luck_below(&luck, 120)),
		});

		for (unsigned i = 0; i < w->o.viewers; i++)
			w->watchers[i].leave_in_op = i % 3 ? 0 : 50;
		world_run(w, 25000);
		assert_true(bench_counter(&w->b, CTR_JOINS) > 20);
		full += bench_counter(&w->b, CTR_LOG_FULL);
		skips += bench_counter(&w->b, CTR_SKIPS);
		lost += total_over(w, REASON_TOO_SLOW);
		ended += total_over(w, REASON_STREAM_ENDED);
		world_end(w);
		world_free(w);
	}
	/* It all happened. */
	assert_true(full > 10 && skips > 100 && lost > 10 && ended > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_10000_viewers_200_slow_one_stuck),
		cmocka_unit_test(test_a_stuck_viewer_changes_nobody_elses_delay),
		cmocka_unit_test(test_random_worlds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
