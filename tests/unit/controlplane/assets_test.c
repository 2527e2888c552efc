/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "controlplane/assets.h"

static void test_paths_below_the_folder(void **state)
{
	static const char *const fine[] = {"a.mp4",   "a/b/c.flv", "...",
					   "a..b/.c", "a b.mp4",   "..a/b"};
	static const char *const bad[] = {"",	    "/",    "/a",    ".",   "..", "../a", "a/..",
					  "a/../b", "a//b", "a/./b", "./a", "a/", "a\nb"};
	char longest[1002];

	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_null(asset_path_rule(fine[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(asset_path_rule(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[1001] = 0;
	assert_non_null(asset_path_rule(longest));
	longest[1000] = 0;
	assert_null(asset_path_rule(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_below_the_folder),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
