/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "session/hops.h"

static void test_a_node_finds_itself_among_those_that_were_passed_P7(void **state)
{
	struct config c = {.node = "n1"};

	assert_true(hops_have_me(&c, "mr_hop=n1"));
	assert_true(hops_have_me(&c, "a=1&mr_hop=n0,n1,n2&b=2"));
	assert_false(hops_have_me(&c, "a=1&mr_hop=n11,n"));
	assert_false(hops_have_me(&c, "mr_hop="));
	assert_false(hops_have_me(&c, "hop=n1"));
	assert_false(hops_have_me(&c, ""));
}

static void test_a_node_without_a_name_is_called_as_its_host(void **state)
{
	struct config c = {.node = ""};
	char host[65] = "", params[80];

	assert_return_code(gethostname(host, sizeof(host) - 1), 0);
	snprintf(params, sizeof(params), "mr_hop=%s", host);
	assert_true(hops_have_me(&c, params));
	assert_false(hops_have_me(&c, "mr_hop=,"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_node_finds_itself_among_those_that_were_passed_P7),
		cmocka_unit_test(test_a_node_without_a_name_is_called_as_its_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
