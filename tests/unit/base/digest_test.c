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

static void test_md5_of_pieces_is_that_of_the_whole(void **state)
{
	const struct slice whole = {(const uint8_t *)"abc", 3};
	const struct slice pieces[] = {
		{(const uint8_t *)"a", 1}, {NULL, 0}, {(const uint8_t *)"bc", 2}};
	char text[DIGEST_TEXT];

	assert_string_equal(digest_md5(text, NULL, 0), "d41d8cd98f00b204e9800998ecf8427e");
	assert_string_equal(digest_md5(text, &whole, 1), "900150983cd24fb0d6963f7d28e17f72");
	assert_string_equal(digest_md5(text, pieces, 3), "900150983cd24fb0d6963f7d28e17f72");
}

static void test_equal_bytes_are_the_same(void **state)
{
	assert_true(digest_same("abc", "abd", 2));
	assert_false(digest_same("abc", "abd", 3));
	assert_false(digest_same("xbc", "abc", 3));
	assert_true(digest_same("a", "b", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_md5_of_pieces_is_that_of_the_whole),
		cmocka_unit_test(test_equal_bytes_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
