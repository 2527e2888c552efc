/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "controlplane/cli/format.h"

static void test_rates_and_sizes_have_two_to_four_digits(void **state)
{
	static const struct {
		double v;
		const char *rate, *bytes;
	} cases[] = {
		{0, "0 b/s", "0 B"},
		{999, "999 b/s", "999 B"},
		{1000, "1.0 kb/s", "1.0 kB"},
		{2100000, "2.1 Mb/s", "2.1 MB"},
		{999949, "999.9 kb/s", "999.9 kB"},
		{999951, "1.0 Mb/s", "1.0 MB"},
		{1.25e10, "12.5 Gb/s", "12.5 GB"},
		{1.8e19, "18.0 Eb/s", "18.0 EB"},
	};
	char text[FORMAT_TEXT];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_string_equal(format_rate(text, cases[i].v), cases[i].rate);
		assert_string_equal(format_bytes(text, cases[i].v), cases[i].bytes);
	}
}

static void test_spans_name_their_two_largest_units(void **state)
{
	static const struct {
		int64_t s;
		const char *text;
	} cases[] = {
		{-5, "0s"},	  {0, "0s"},	    {59, "59s"},	  {60, "1m00s"},
		{192, "3m12s"},	  {3599, "59m59s"}, {3600, "1h00m"},	  {7500, "2h05m"},
		{86400, "1d00h"}, {97200, "1d03h"}, {8640000, "100d00h"},
	};
	char text[FORMAT_TEXT];

	for (size_t i = 0; i < array_len(cases); i++)
		assert_string_equal(format_span(text, cases[i].s), cases[i].text);
}

static void test_text_from_elsewhere_cannot_steer_the_terminal(void **state)
{
	char text[32];

	assert_string_equal(format_safe(text, sizeof(text), "a\033[2Jb\n\t\x7f"), "a?[2Jb???");
	assert_string_equal(format_safe(text, sizeof(text),
					"a\xc2\x9b"
					"b"),
			    "a?b");
	assert_string_equal(format_safe(text, sizeof(text), "caf\xc3\xa9"), "caf\xc3\xa9");
	assert_string_equal(format_safe(text, 4, "abcdef"), "abc");
}

static void test_columns_count_characters(void **state)
{
	assert_int_equal(format_columns("caf\xc3\xa9"), 4);
	assert_int_equal(format_columns(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_and_sizes_have_two_to_four_digits),
		cmocka_unit_test(test_spans_name_their_two_largest_units),
		cmocka_unit_test(test_text_from_elsewhere_cannot_steer_the_terminal),
		cmocka_unit_test(test_columns_count_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
