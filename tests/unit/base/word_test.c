/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "base/check.h"
#include "base/word.h"

static void test_distance_counts_letters_changed_added_dropped(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{"", "", 0},
		{"abc", "abc", 0},
		{"abc", "", 3},
		{"", "abc", 3},
		{"lisen", "listen", 1},
		{"listten", "listen", 1},
		{"statsu", "status", 2},
		{"abc", "xyz", 3},
		{"kitten", "sitting", 3},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(word_distance(cases[i].a, cases[i].b), cases[i].distance);
		assert_int_equal(word_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
}

static void test_a_long_word_is_far_from_all(void **state)
{
	char longest[WORD_MAX + 1];

	memset(longest, 'a', WORD_MAX);
	longest[WORD_MAX] = '\0';
	assert_int_equal(word_distance("a", longest), UINT_MAX);
	assert_int_equal(word_distance(longest, "a"), WORD_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance_counts_letters_changed_added_dropped),
		cmocka_unit_test(test_a_long_word_is_far_from_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
