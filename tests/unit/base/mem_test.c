/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

static void test_T14_budget_is_never_exceeded(void **state)
{
	struct mem m = {.max = 1000};
	uint8_t *p = mem_resize(&m, NULL, 0, 600);

	assert_non_null(p);
	assert_int_equal(m.used, 600);
	assert_null(mem_resize(&m, p, 600, 1001));
	assert_null(mem_resize(&m, NULL, 0, 401));
	assert_null(mem_resize(&m, NULL, 0, SIZE_MAX));
	assert_int_equal(m.used, 600);
	p = mem_resize(&m, p, 600, 1000);
	assert_non_null(p);
	assert_int_equal(m.used, 1000);
	mem_free(&m, p, 1000);
	assert_int_equal(m.used, 0);
}

static void test_content_survives_growth_and_allocations_are_counted(void **state)
{
	uint64_t allocs = 0;
	struct mem m = {.max = 1 << 20, .allocs = &allocs};
	uint8_t *p = mem_resize(&m, NULL, 0, 4);

	memcpy(p, "abcd", 4);
	p = mem_resize(&m, p, 4, 100000);
	assert_memory_equal(p, "abcd", 4);
	assert_int_equal(allocs, 2);
	mem_free(&m, p, 100000);
	assert_int_equal(allocs, 2);
}

static void test_shrinking_works_when_the_budget_was_lowered(void **state)
{
	struct mem m = {.max = 1000};
	uint8_t *p = mem_resize(&m, NULL, 0, 900);

	m.max = 100;
	assert_null(mem_resize(&m, p, 900, 901));
	p = mem_resize(&m, p, 900, 500);
	assert_non_null(p);
	assert_int_equal(m.used, 500);
	mem_free(&m, p, 500);
}

static void test_buf_collects_what_is_written_through_its_sink(void **state)
{
	struct mem m = {.max = 1 << 20};
	struct buf b;
	uint8_t byte;

	buf_init(&b, &m);
	for (unsigned i = 0; i < 5000; i++) {
		byte = (uint8_t)(i * 7);
		b.sink.write(&b.sink, &byte, 1);
	}
	assert_int_equal(b.n, 5000);
	assert_false(b.bad);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(b.p[i], (uint8_t)(i * 7));
	buf_fini(&b);
	assert_int_equal(m.used, 0);
}

static void test_T14_buf_uses_the_whole_budget_and_then_turns_bad(void **state)
{
	static const uint8_t bytes[1000];
	struct mem m = {.max = 1000};
	struct buf b;

	buf_init(&b, &m);
	buf_write(&b, bytes, 600); /* doubling would not fit afterwards */
	buf_write(&b, bytes, 400);
	assert_false(b.bad);
	assert_int_equal(b.n, 1000);
	buf_write(&b, bytes, 1);
	assert_true(b.bad);
	assert_int_equal(b.n, 1000);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOMEM);

	buf_reset(&b, 100);
	assert_false(b.bad);
	assert_int_equal(b.cap, 100);
	assert_int_equal(m.used, 100);
	buf_reset(&b, 0);
	assert_int_equal(m.used, 0);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T14_budget_is_never_exceeded),
		cmocka_unit_test(test_content_survives_growth_and_allocations_are_counted),
		cmocka_unit_test(test_shrinking_works_when_the_budget_was_lowered),
		cmocka_unit_test(test_buf_collects_what_is_written_through_its_sink),
		cmocka_unit_test(test_T14_buf_uses_the_whole_budget_and_then_turns_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
