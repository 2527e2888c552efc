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

static void test_RFC9293_3_4_order_survives_the_wrap(void **state)
{
	assert_true(seq_lt(0xfffffff0u, 5));
	assert_true(seq_gt(5, 0xfffffff0u));
	assert_true(seq_le(7, 7) && seq_ge(7, 7) && !seq_lt(7, 7));
	assert_int_equal(seq_max(0xfffffff0u, 5), 5);
	assert_int_equal(seq_min(0xfffffff0u, 5), 0xfffffff0u);
}

static void test_a_range_may_lie_across_the_wrap(void **state)
{
	assert_true(seq_in(0xffffffffu, 0xfffffff0u, 32));
	assert_true(seq_in(15, 0xfffffff0u, 32));
	assert_false(seq_in(16, 0xfffffff0u, 32));
	assert_false(seq_in(3, 3, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_RFC9293_3_4_order_survives_the_wrap),
		cmocka_unit_test(test_a_range_may_lie_across_the_wrap),
	};

	return cmocka_run_group_tests_name("seq", tests, NULL, NULL);
}
