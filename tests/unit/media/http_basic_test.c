/* SPDX-License-Identifier: Apache-2.0 */
/* Users and passwords of URLs as Basic authentication sends them. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "media/http_basic.h"

static int make(char *dst, const char *userinfo)
{
	struct url u = {.scheme = URL_HTTP};

	assert_in_range(strlen(userinfo), 0, sizeof(u.userinfo) - 1);
	strcpy(u.userinfo, userinfo);
	return http_basic(dst, &u);
}

static void test_values(void **state)
{
	static const struct {
		const char *userinfo, *value;
	} cases[] = {
		{"Aladdin:open%20sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		{"u", "Basic dTo="},
		{":p", "Basic OnA="},
		{"u:a:b%3ac", "Basic dTphOmI6Yw=="},
		{"%C3%BC:%40", "Basic w7w6QA=="},
	};
	char value[HTTP_BASIC_MAX];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(make(value, cases[i].userinfo), 0);
		assert_string_equal(value, cases[i].value);
	}
}

static void test_the_longest_one_fits(void **state)
{
	char userinfo[128], value[HTTP_BASIC_MAX];

	memset(userinfo, 'x', 127);
	userinfo[127] = '\0';
	assert_int_equal(make(value, userinfo), 0);
	assert_int_equal(strlen(value), 6 + 172);
	userinfo[0] = ':';
	assert_int_equal(make(value, userinfo), 0);
}

static void test_bad_escapes_and_a_user_with_a_colon_are_refused(void **state)
{
	static const char *const bad[] = {"%", "u%zz", "u:%1", "u:%00", "%00", "a%3Ab:c"};
	char value[HTTP_BASIC_MAX];

	for (size_t i = 0; i < array_len(bad); i++)
		assert_true(make(value, bad[i]) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_the_longest_one_fits),
		cmocka_unit_test(test_bad_escapes_and_a_user_with_a_colon_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
