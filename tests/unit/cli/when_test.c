/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "controlplane/cli/when.h"

#define NOW 1769860800 /* 2026-01-31T12:00:00Z */

static void test_moments_become_the_apis_form(void **state)
{
	static const struct {
		const char *text, *moment;
	} cases[] = {
		{"now", "2026-01-31T12:00:00Z"},
		{"+0", "2026-01-31T12:00:00Z"},
		{"+90", "2026-01-31T12:01:30Z"},
		{"+2h", "2026-01-31T14:00:00Z"},
		{"+1h30m", "2026-01-31T13:30:00Z"},
		{"+1d", "2026-02-01T12:00:00Z"},
		{"2028-02-29T23:59:59Z", "2028-02-29T23:59:59Z"},
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
	};
	char moment[WHEN_TEXT];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_true(when_parse(cases[i].text, NOW, moment));
		assert_string_equal(moment, cases[i].moment);
	}
}

static void test_other_words_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"+",
		"yesterday",
		"-2h",
		"+2x",
		"+h",
		"+2h3",
		"+-2h",
		"+ 2h",
		"Now",
		"2026-02-30T00:00:00Z",
		"2026-01-31T12:00:00",
		"2026-01-31 12:00:00Z",
		"2026-1-31T12:00:00Z",
		"2026-01-31T25:00:00Z",
		"2026-01-31T12:00:00Zx",
		"2026-01-31T12:00:00+01:00",
		"1969-12-31T23:59:59Z",
		"+99999999999999999999s",
		"+999999d",
	};
	char moment[WHEN_TEXT];

	for (size_t i = 0; i < array_len(cases); i++)
		assert_false(when_parse(cases[i], NOW, moment));
}

static void test_spans(void **state)
{
	int64_t s = -1;

	assert_true(span_parse("60", &s) && s == 60);
	assert_true(span_parse("60s", &s) && s == 60);
	assert_true(span_parse("2m30s", &s) && s == 150);
	assert_true(span_parse("1d2h3m4s", &s) && s == 93784);
	assert_false(span_parse("", &s));
	assert_false(span_parse("1.5h", &s));
	assert_false(span_parse("1h2", &s));
	assert_int_equal(s, 93784);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments_become_the_apis_form),
		cmocka_unit_test(test_other_words_are_refused),
		cmocka_unit_test(test_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
