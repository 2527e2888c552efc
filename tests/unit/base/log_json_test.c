/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "base/log_json.h"

static void test_pairs_become_members(void **state)
{
	static const struct {
		const char *logfmt, *json;
	} cases[] = {
		{"", "{}"},
		{"a=b", "{\"a\":\"b\"}"},
		{"a=1 b=-1 c=1.5 d=007 e=0",
		 "{\"a\":1,\"b\":\"-1\",\"c\":\"1.5\",\"d\":\"007\",\"e\":0}"},
		{"id=101 task=7 node=3", "{\"id\":\"101\",\"task\":\"7\",\"node\":\"3\"}"},
		{"a=12345678901234567890", "{\"a\":\"12345678901234567890\"}"},
		{"m=\"two words\" n=1", "{\"m\":\"two words\",\"n\":1}"},
		{"m=\"a\\\"b\\\\c\\x0ad\"", "{\"m\":\"a\\\"b\\\\c\\u000ad\"}"},
		{"m=\"\" n=", "{\"m\":\"\",\"n\":\"\"}"},
		{"m=\"never closed", "{\"m\":\"never closed\"}"},
		{"m=\"cut\\", "{\"m\":\"cut\\\\\"}"},
		{"url=http://h/?a=***&b=***", "{\"url\":\"http://h/?a=***&b=***\"}"},
		{"word a=b", "{\"word\":true,\"a\":\"b\"}"},
		{"s=\xc3\xa9", "{\"s\":\"\xc3\xa9\"}"},
		{"s=\xe9.", "{\"s\":\"\\u00e9.\"}"},
		{"s=\xc0\xaf", "{\"s\":\"\\u00c0\\u00af\"}"},
		{"s=\xed\xa0\x80", "{\"s\":\"\\u00ed\\u00a0\\u0080\"}"},
	};
	char text[256];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(log_json(text, sizeof(text), cases[i].logfmt),
				 strlen(cases[i].json));
		assert_string_equal(text, cases[i].json);
	}
}

static void test_what_does_not_fit_is_left_out_whole(void **state)
{
	const char *line = "a=1 bb=two ccc=\"three\\\"\"";
	char text[64];

	for (size_t n = 3; n < sizeof(text); n++) {
		size_t got;

		memset(text, '#', sizeof(text));
		got = log_json(text, n, line);
		assert_true(got < n && text[got - 1] == '}' && !text[got]);
		assert_true(n == sizeof(text) || text[n] == '#');
		assert_true(!strcmp(text, "{}") || !strncmp(text, "{\"a\":1", 6));
	}
	assert_string_equal(text, "{\"a\":1,\"bb\":\"two\",\"ccc\":\"three\\\"\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs_become_members),
		cmocka_unit_test(test_what_does_not_fit_is_left_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
