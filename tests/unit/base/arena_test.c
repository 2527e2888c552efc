/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/check.h"

static void test_every_block_is_handed_out_once(void **state)
{
	struct arena a;
	uint8_t *block[16];
	unsigned seen = 0;

	assert_int_equal(arena_init(&a, 16 * 4096 + 100, 4096, ARENA_NORMAL), 0);
	assert_int_equal(a.blocks, 16);
	for (unsigned i = 0; i < 16; i++) {
		block[i] = arena_get(&a);
		assert_non_null(block[i]);
		seen |= 1u << arena_index(&a, block[i]);
		memset(block[i], 0xee, 4096);
	}
	assert_int_equal(seen, 0xffff);
	assert_null(arena_get(&a));
	assert_int_equal(arena_used(&a), 16);
	arena_put(&a, block[5]);
	assert_int_equal(arena_used(&a), 15);
	assert_ptr_equal(arena_get(&a), block[5]);
	assert_int_equal(arena_index(&a, block[5] + 4095), arena_index(&a, block[5]));
	arena_fini(&a);
}

static void test_freed_blocks_are_used_before_fresh_memory(void **state)
{
	struct arena a;
	uint8_t *one;

	assert_int_equal(arena_init(&a, 1 << 20, 65536, ARENA_THP), 0);
	one = arena_get(&a);
	for (unsigned i = 0; i < 1000; i++) {
		arena_put(&a, one);
		assert_ptr_equal(arena_get(&a), one);
	}
	assert_int_equal(a.fresh, 1);
	arena_fini(&a);
}

static unsigned resident_pages(const struct arena *a)
{
	static unsigned char in[256];
	unsigned n = 0;

	assert_in_range(a->bytes / 4096, 1, sizeof(in));
	assert_int_equal(mincore(a->base, a->bytes, in), 0);
	for (unsigned i = 0; i < a->bytes / 4096; i++)
		n += in[i] & 1;
	return n;
}

static void test_memory_goes_back_but_for_a_few_warm_blocks(void **state)
{
	uint8_t *block[256];
	struct arena a;

	assert_int_equal(arena_init(&a, 256 * 4096, 4096, ARENA_NORMAL), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 256; i++) {
			block[i] = arena_get(&a);
			assert_non_null(block[i]);
			memset(block[i], 1, 4096);
		}
		assert_int_equal(resident_pages(&a), 256);
		for (unsigned i = 0; i < 256; i++)
			arena_put(&a, block[i]);
		assert_in_range(resident_pages(&a), 1, 64);
	}
	/* What one stream takes and gives in turn stays resident. */
	for (unsigned i = 0; i < 8; i++)
		memset(block[i] = arena_get(&a), 1, 4096);
	for (unsigned i = 0; i < 8; i++)
		arena_put(&a, block[i]);
	block[0] = arena_get(&a);
	assert_int_equal(*block[0], 1);
	arena_fini(&a);
}

static void test_fixed_memory_is_kept(void **state)
{
	uint8_t *block[256];
	struct arena a;

	assert_int_equal(arena_init(&a, 256 * 4096, 4096, ARENA_NORMAL), 0);
	a.fixed = true;
	for (unsigned i = 0; i < 256; i++)
		memset(block[i] = arena_get(&a), 1, 4096);
	for (unsigned i = 0; i < 256; i++)
		arena_put(&a, block[i]);
	assert_int_equal(resident_pages(&a), 256);
	arena_fini(&a);
}

static void test_reserved_huge_pages_or_a_clear_refusal(void **state)
{
	struct arena a;
	int rc = arena_init(&a, 1ull << 42, 1 << 20, ARENA_HUGE);

	assert_int_equal(rc, -ENOMEM); /* 4 TiB of reserved huge pages: no machine has them */
	assert_int_equal(arena_init(&a, 1, 4096, ARENA_NORMAL), 0);
	assert_int_equal(a.blocks, 1);
	arena_fini(&a);
}

/* Each thread stamps the blocks it holds; a block with two owners would change its stamp. */
static void *churn(void *arg)
{
	struct arena *a = arg;
	uint8_t *held[32] = {0};
	uintptr_t wrong = 0;

	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (round * 7) % 32;

		if (held[i]) {
			wrong += *(pthread_t *)held[i] != pthread_self();
			arena_put(a, held[i]);
			held[i] = NULL;
		} else if ((held[i] = arena_get(a))) {
			*(pthread_t *)held[i] = pthread_self();
		}
	}
	for (unsigned i = 0; i < 32; i++)
		if (held[i])
			arena_put(a, held[i]);
	return (void *)wrong;
}

static void test_threads_never_share_a_block(void **state)
{
	pthread_t threads[4];
	struct arena a;
	void *wrong;

	assert_int_equal(arena_init(&a, 64 * 4096, 4096, ARENA_NORMAL), 0);
	for (unsigned i = 0; i < array_len(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, &a), 0);
	for (unsigned i = 0; i < array_len(threads); i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(arena_used(&a), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_non_null(arena_get(&a));
	assert_null(arena_get(&a));
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_block_is_handed_out_once),
		cmocka_unit_test(test_freed_blocks_are_used_before_fresh_memory),
		cmocka_unit_test(test_memory_goes_back_but_for_a_few_warm_blocks),
		cmocka_unit_test(test_fixed_memory_is_kept),
		cmocka_unit_test(test_reserved_huge_pages_or_a_clear_refusal),
		cmocka_unit_test(test_threads_never_share_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
