/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/online.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static json_t *row(const char *name, const char *node, int since, int edge, int viewers)
{
	return json_pack("{ss ss ss si sb si}", "app", "live", "name", name, "node", node, "since",
			 since, "edge", edge, "viewers", viewers);
}

static const char *text(json_t *rows, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(rows, i), key));
}

static json_int_t viewers(json_t *rows, size_t i)
{
	return json_integer_value(json_object_get(json_array_get(rows, i), "viewers"));
}

static void a_stream_is_one_row_the_origin_s_with_the_viewers_of_all(void **state)
{
	json_t *rows = json_pack("[o o o]", row("a", "edge1", 5, 1, 10),
				 row("a", "origin", 9, 0, 3), row("a", "edge2", 4, 1, 100));
	json_t *out = online_merge(rows);

	assert_int_equal(json_array_size(out), 1);
	assert_string_equal(text(out, 0, "node"), "origin");
	/* Two of the origin's three are the edges. */
	assert_int_equal(viewers(out, 0), 111);
	json_decref(out);
	json_decref(rows);
}

static void of_two_that_pull_it_the_older_one_is_shown(void **state)
{
	json_t *rows = json_pack("[o o]", row("a", "n1", 7, 0, 0), row("a", "n2", 6, 0, 2));
	json_t *out = online_merge(rows);

	assert_string_equal(text(out, 0, "node"), "n2");
	assert_int_equal(viewers(out, 0), 2);
	json_decref(out);
	json_decref(rows);
}

static void streams_come_oldest_first_then_by_name(void **state)
{
	json_t *rows = json_pack("[o o o]", row("c", "n", 3, 0, 0), row("b", "m", 1, 0, 0),
				 row("a", "n", 3, 0, 0));
	json_t *out = online_merge(rows);

	assert_string_equal(text(out, 0, "name"), "b");
	assert_string_equal(text(out, 1, "name"), "a");
	assert_string_equal(text(out, 2, "name"), "c");
	json_decref(out);
	json_decref(rows);
}

static void a_row_of_nonsense_is_harmless(void **state)
{
	json_t *rows = json_pack("[{} {ss} o]", "app", "x", row("a", "n", 1, 0, 0));
	json_t *out = online_merge(rows);

	assert_int_equal(json_array_size(out), 3);
	json_decref(out);
	json_decref(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_one_row_the_origin_s_with_the_viewers_of_all),
		cmocka_unit_test(of_two_that_pull_it_the_older_one_is_shown),
		cmocka_unit_test(streams_come_oldest_first_then_by_name),
		cmocka_unit_test(a_row_of_nonsense_is_harmless),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
