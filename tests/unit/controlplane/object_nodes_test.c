/* SPDX-License-Identifier: Apache-2.0 */
/* Where objects are asked for next, and what a pass is good for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "controlplane/object_nodes.h"

static void test_the_newest_recorder_that_was_not_asked_is_next(void **state)
{
	json_t *nodes = json_pack("{s{ss ss si} s{ss ss si} s{ss ss si} s{ss}}", "a", "address",
				  "http://a", "key", "1", "since", 10, "bb", "address", "http://b",
				  "key", "2", "since", 30, "c", "address", "http://c", "key", "3",
				  "since", 20, "mute", "key", "4");

	assert_string_equal(object_node_next(nodes, ""), "bb");
	assert_string_equal(object_node_next(nodes, "bb"), "c");
	assert_string_equal(object_node_next(nodes, "b,bbb"), "bb");
	assert_string_equal(object_node_next(nodes, "x,bb,c"), "a");
	assert_null(object_node_next(nodes, "a,bb,c"));
	json_decref(nodes);
}

static void test_a_pass_is_for_one_request_of_one_node(void **state)
{
	static const struct object_errand fine = {"GET", "films", "c/1.ts", "", "a", "1700000000"};
	static const struct object_errand others[] = {
		{"DELETE", "films", "c/1.ts", "", "a", "1700000000"},
		{"GET", "filmsc", "/1.ts", "", "a", "1700000000"},
		{"GET", "films", "c/2.ts", "", "a", "1700000000"},
		{"GET", "films", "c/1.ts", "startTime=1", "a", "1700000000"},
		{"GET", "films", "c/1.ts", "", "", "1700000000"},
		{"GET", "films", "c/1.ts", "", "a", "1800000000"},
	};
	char pass[OBJECT_PASS], other[OBJECT_PASS];

	object_pass(pass, "key", &fine);
	assert_int_equal(strlen(pass), OBJECT_PASS - 1);
	assert_string_equal(object_pass(other, "key", &fine), pass);
	assert_string_not_equal(object_pass(other, "yek", &fine), pass);
	for (size_t i = 0; i < array_len(others); i++)
		assert_string_not_equal(object_pass(other, "key", &others[i]), pass);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_newest_recorder_that_was_not_asked_is_next),
		cmocka_unit_test(test_a_pass_is_for_one_request_of_one_node),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
