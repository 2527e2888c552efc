/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pool.h"

static const size_t sizes[] = {1, 8, 63, 64, 65, 100, 1000, 4096, 65536};

static void test_objects_are_zeroed_aligned_and_apart(void **state)
{
	for (size_t s = 0; s < array_len(sizes); s++) {
		uint8_t *got[64];
		struct pool p;

		pool_init(&p, "t", sizes[s], 64);
		for (unsigned i = 0; i < 64; i++) {
			got[i] = pool_get(&p);
			assert_non_null(got[i]);
			assert_int_equal((uintptr_t)got[i] % 64, 0);
			for (size_t b = 0; b < sizes[s]; b++)
				assert_int_equal(got[i][b], 0);
			memset(got[i], (int)i + 1, sizes[s]);
		}
		for (unsigned i = 0; i < 64; i++) {
			assert_int_equal(got[i][0], i + 1);
			assert_int_equal(got[i][sizes[s] - 1], i + 1);
			pool_put(&p, got[i]);
		}
		/* What was dirty comes back zeroed. */
		got[0] = pool_get(&p);
		assert_int_equal(got[0][0], 0);
		assert_int_equal(got[0][sizes[s] - 1], 0);
		pool_fini(&p);
	}
}

static void test_the_maximum_is_a_hard_bound(void **state)
{
	struct pool p;
	void *first;

	pool_init(&p, "t", 100, 3);
	first = pool_get(&p);
	assert_non_null(pool_get(&p));
	assert_non_null(pool_get(&p));
	assert_null(pool_get(&p));
	assert_int_equal(p.used, 3);
	pool_put(&p, first);
	assert_ptr_equal(pool_get(&p), first);
	pool_put(&p, NULL);
	assert_int_equal(p.used, 3);
	assert_int_equal(p.peak, 3);
	pool_fini(&p);
}

static void test_slabs_go_back_when_use_goes_down(void **state)
{
	enum { N = 20000 };
	static void *got[N];
	uint64_t allocs = 0;
	struct pool p;

	pool_init(&p, "t", 500, N);
	p.allocs = &allocs;
	for (unsigned i = 0; i < N; i++)
		got[i] = pool_get(&p);
	assert_int_equal(allocs, p.slabs);
	assert_true(p.slabs >= N / p.per_slab);
	for (unsigned i = 0; i < N; i++)
		pool_put(&p, got[(i * 7919u) % N]);
	assert_int_equal(p.used, 0);
	assert_int_equal(p.slabs, 1);
	/* One object that comes and goes costs no further allocation. */
	allocs = 0;
	for (unsigned i = 0; i < 1000; i++)
		pool_put(&p, pool_get(&p));
	assert_int_equal(allocs, 0);
	pool_fini(&p);
}

static void test_random_use_keeps_objects_apart(void **state)
{
	enum { N = 500 };
	uint32_t *got[N] = {0};
	struct pool p;
	unsigned seed = 42;

	pool_init(&p, "t", 3000, N / 2);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (unsigned)rand_r(&seed) % N;

		if (got[i]) {
			assert_int_equal(*got[i], i);
			pool_put(&p, got[i]);
			got[i] = NULL;
		} else if ((got[i] = pool_get(&p))) {
			assert_int_equal(*got[i], 0);
			*got[i] = i;
		} else {
			assert_int_equal(p.used, N / 2);
		}
	}
	pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects_are_zeroed_aligned_and_apart),
		cmocka_unit_test(test_the_maximum_is_a_hard_bound),
		cmocka_unit_test(test_slabs_go_back_when_use_goes_down),
		cmocka_unit_test(test_random_use_keeps_objects_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
