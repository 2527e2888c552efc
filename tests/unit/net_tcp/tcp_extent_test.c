/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#include "net/tcp/tcp_blocks.h"
#include "net/tcp/tcp_extent.h"

static uint8_t memory[4 * TCP_BLOCK_BYTES] __attribute__((aligned(64)));
static struct tcp_blocks blocks;

static void test_blocks_run_out_and_come_back(void **state)
{
	void *b[5];

	tcp_blocks_init(&blocks, memory, 4);
	for (int i = 0; i < 5; i++)
		b[i] = tcp_blocks_get(&blocks);
	assert_non_null(b[3]);
	assert_null(b[4]);
	tcp_blocks_put(&blocks, b[1]);
	assert_ptr_equal(tcp_blocks_get(&blocks), b[1]);
	tcp_blocks_put(&blocks, NULL);
	assert_int_equal(blocks.used, 4);
}

static void test_ranges_that_continue_each_other_are_one(void **state)
{
	struct tcp_extents x = {0};
	uint32_t to;

	tcp_blocks_init(&blocks, memory, 4);
	for (uint32_t i = 0; i < 100; i++)
		assert_true(tcp_extents_add(&x, &blocks, 1000 + i * 10, 3, 5000 + i * 10));
	assert_int_equal(x.n, 1);
	assert_int_equal(blocks.used, 0);
	assert_int_equal(tcp_extents_find(&x, 1555, 2000, &to)->at, 5000);
	assert_int_equal(to, 2000);
	/* A skip, or another source, begins a new one. */
	assert_true(tcp_extents_add(&x, &blocks, 2000, 3, 9000));
	assert_int_equal(x.n, 2);
}

static void test_the_oldest_offset_is_what_reclaim_must_keep(void **state)
{
	struct tcp_extents x = {0};
	uint64_t at;

	tcp_blocks_init(&blocks, memory, 4);
	tcp_extents_add(&x, &blocks, 100, 0, 7);
	tcp_extents_add(&x, &blocks, 200, 5, 10000);
	tcp_extents_add(&x, &blocks, 300, 5, 50000);
	assert_true(tcp_extents_oldest(&x, 5, 100, &at));
	assert_int_equal(at, 10000);
	tcp_extents_trim(&x, &blocks, 250, 400);
	assert_true(tcp_extents_oldest(&x, 5, 250, &at));
	assert_int_equal(at, 10050);
	assert_false(tcp_extents_oldest(&x, 0, 250, &at));
	tcp_extents_trim(&x, &blocks, 400, 400);
	assert_false(tcp_extents_oldest(&x, 5, 400, &at));
	assert_int_equal(blocks.used, 0);
}

/* Against a plain array: byte i of the stream has this source and offset. */
static void test_any_adds_and_acks_map_every_number_as_an_array_would(void **state)
{
	enum { N = 200000 };
	uint64_t *model = malloc(N * sizeof(*model));
	struct tcp_extents x = {0};
	uint32_t base = 0xffffff00u, una = 0, nxt = 0, to;
	uint64_t at = 0;
	unsigned seed = 4;

	tcp_blocks_init(&blocks, memory, 1);
	assert_non_null(model);
	while (nxt < N - 1000) {
		uint32_t n = 1 + (unsigned)rand_r(&seed) % 900;

		if (rand_r(&seed) % 3 == 0)
			at += (unsigned)rand_r(&seed) % 5000;
		if (tcp_extents_add(&x, &blocks, base + nxt, 2, at))
			for (; n--; nxt++)
				model[nxt] = at++;
		if (rand_r(&seed) % 3 == 0) {
			una += nxt > una ? (unsigned)rand_r(&seed) % (nxt - una + 1) : 0;
			tcp_extents_trim(&x, &blocks, base + una, base + nxt);
		}
		for (int k = 0; k < 5 && nxt > una; k++) {
			uint32_t i = una + (unsigned)rand_r(&seed) % (nxt - una);
			const struct tcp_extent *e =
				tcp_extents_find(&x, base + i, base + nxt, &to);

			assert_true(e->at + (base + i - e->seq) == model[i]);
			assert_true(model[to - base - 1] == model[i] + (to - base - 1 - i));
		}
	}
	tcp_extents_fini(&x, &blocks);
	assert_int_equal(blocks.used, 0);
	free(model);
}

static void test_without_room_nothing_changes(void **state)
{
	struct tcp_extents x = {0};

	tcp_blocks_init(&blocks, memory, 0);
	assert_true(tcp_extents_add(&x, &blocks, 0, 1, 0));
	assert_true(tcp_extents_add(&x, &blocks, 10, 1, 100));
	assert_false(tcp_extents_add(&x, &blocks, 20, 1, 200));
	assert_int_equal(x.n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_run_out_and_come_back),
		cmocka_unit_test(test_ranges_that_continue_each_other_are_one),
		cmocka_unit_test(test_the_oldest_offset_is_what_reclaim_must_keep),
		cmocka_unit_test(test_any_adds_and_acks_map_every_number_as_an_array_would),
		cmocka_unit_test(test_without_room_nothing_changes),
	};

	return cmocka_run_group_tests_name("tcp_extent", tests, NULL, NULL);
}
