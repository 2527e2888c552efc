/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#include "net/tcp/seq.h"
#include "net/tcp/tcp_reasm.h"

enum { BLOCKS = 80, MAX = 64 };
static uint8_t memory[BLOCKS * TCP_BLOCK_BYTES] __attribute__((aligned(64)));
static struct tcp_blocks blocks;

static void test_overlaps_are_kept_once_and_taken_in_order(void **state)
{
	struct tcp_reasm r = {0};
	uint32_t nxt = 1000;
	struct slice s;
	struct tcp_late *l;
	char got[64] = "";

	tcp_blocks_init(&blocks, memory, BLOCKS);
	tcp_reasm_put(&r, &blocks, MAX, 1004, (struct slice){(const uint8_t *)"efgh", 4}, false);
	tcp_reasm_put(&r, &blocks, MAX, 1002, (struct slice){(const uint8_t *)"cdEFGHij", 8}, true);
	assert_null(tcp_reasm_take(&r, &blocks, &nxt, &s));
	tcp_reasm_put(&r, &blocks, MAX, 1000, (struct slice){(const uint8_t *)"abC", 3}, false);
	while ((l = tcp_reasm_take(&r, &blocks, &nxt, &s))) {
		strncat(got, (const char *)s.p, s.n);
		if (nxt == 1010)
			assert_true(l->fin);
		tcp_blocks_put(&blocks, l);
	}
	assert_string_equal(got, "abcdefghij");
	assert_int_equal(nxt, 1010);
	assert_int_equal(blocks.used, 0);
}

static void test_a_FIN_alone_waits_too(void **state)
{
	struct tcp_reasm r = {0};
	uint32_t nxt = 10;
	struct slice s;
	struct tcp_late *l;

	tcp_blocks_init(&blocks, memory, BLOCKS);
	tcp_reasm_put(&r, &blocks, MAX, 12, (struct slice){NULL, 0}, true);
	assert_null(tcp_reasm_take(&r, &blocks, &nxt, &s));
	nxt = 12;
	l = tcp_reasm_take(&r, &blocks, &nxt, &s);
	assert_non_null(l);
	assert_true(l->fin && !s.n);
	tcp_blocks_put(&blocks, l);
}

static void test_RFC2018_4_the_newest_run_is_reported_first(void **state)
{
	struct tcp_reasm r = {0};
	struct tcp_sack s[4];
	uint8_t b[100] = {0};

	tcp_blocks_init(&blocks, memory, BLOCKS);
	for (uint32_t i = 1; i <= 5; i++)
		tcp_reasm_put(&r, &blocks, MAX, i * 1000, (struct slice){b, 100}, false);
	tcp_reasm_put(&r, &blocks, MAX, 3100, (struct slice){b, 50}, false);
	assert_int_equal(tcp_reasm_sacks(&r, s, 3), 3);
	assert_int_equal(s[0].start, 3000);
	assert_int_equal(s[0].end, 3150);
	tcp_reasm_put(&r, &blocks, MAX, 5100, (struct slice){b, 50}, false);
	assert_int_equal(tcp_reasm_sacks(&r, s, 3), 3);
	assert_int_equal(s[0].end, 5150);
	tcp_reasm_fini(&r, &blocks);
	assert_int_equal(blocks.used, 0);
}

static void test_what_does_not_fit_is_dropped_and_not_reported(void **state)
{
	struct tcp_reasm r = {0};
	struct tcp_sack s[4];
	uint8_t b[10] = {0};

	tcp_blocks_init(&blocks, memory, BLOCKS);
	for (uint32_t i = 0; i < 2 * MAX; i++)
		tcp_reasm_put(&r, &blocks, MAX, 1000 + 20 * i, (struct slice){b, 10}, false);
	assert_int_equal(blocks.used, MAX);
	assert_int_equal(tcp_reasm_sacks(&r, s, 4), 4);
	tcp_reasm_fini(&r, &blocks);
}

/* Segments in any order, cut anywhere, again and again, with few blocks: the stream comes out. */
static void test_any_arrival_gives_the_stream(void **state)
{
	enum { N = 60000 };
	static uint8_t stream[N];
	unsigned seed = 2;

	for (unsigned i = 0; i < N; i++)
		stream[i] = (uint8_t)rand_r(&seed);
	for (int round = 0; round < 8; round++) {
		struct tcp_reasm r = {0};
		uint32_t base = 0u - 30000u, nxt = base;
		struct tcp_sack sacks[4];
		bool ended = false;

		tcp_blocks_init(&blocks, memory, round < 4 ? BLOCKS : 3);
		while (!ended) {
			uint32_t at = nxt - base, n;
			struct tcp_late *l;
			struct slice s;

			at = at > 300 ? at - 300 : 0;
			at += (unsigned)rand_r(&seed) % 9000;
			at = min_of(at, N);
			n = (unsigned)rand_r(&seed) % 5000;
			n = min_of(n, N - at);
			if (at <= nxt - base) {
				/* In its turn: nobody keeps it. */
				nxt = base + max_of(nxt - base, at + n);
				ended = nxt - base == N;
			} else {
				tcp_reasm_put(&r, &blocks, MAX, base + at,
					      (struct slice){stream + at, n}, at + n == N);
			}
			while ((l = tcp_reasm_take(&r, &blocks, &nxt, &s))) {
				assert_memory_equal(s.p, stream + (nxt - base) - s.n, s.n);
				ended |= l->fin;
				assert_true(!l->fin || nxt - base == N);
				tcp_blocks_put(&blocks, l);
			}
			n = tcp_reasm_sacks(&r, sacks, 4);
			for (uint32_t i = 0; i < n; i++)
				assert_true(seq_lt(nxt, sacks[i].start) &&
					    seq_lt(sacks[i].start, sacks[i].end));
		}
		tcp_reasm_fini(&r, &blocks);
		assert_int_equal(blocks.used, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlaps_are_kept_once_and_taken_in_order),
		cmocka_unit_test(test_a_FIN_alone_waits_too),
		cmocka_unit_test(test_RFC2018_4_the_newest_run_is_reported_first),
		cmocka_unit_test(test_what_does_not_fit_is_dropped_and_not_reported),
		cmocka_unit_test(test_any_arrival_gives_the_stream),
	};

	return cmocka_run_group_tests_name("tcp_reasm", tests, NULL, NULL);
}
