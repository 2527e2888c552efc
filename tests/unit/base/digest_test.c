/* SPDX-License-Identifier: Apache-2.0 */
/* Short names for texts. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/digest.h"

static void test_known_answers(void **state)
{
	char text[DIGEST_TEXT];

	assert_string_equal(digest_text(text, ""), "e3b0c44298fc1c149afbf4c8996fb924");
	assert_string_equal(digest_text(text, "abc"), "ba7816bf8f01cfea414140de5dae2223");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
