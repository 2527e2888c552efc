/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/params.h"

static int parse(struct params *p, const char *text)
{
	const char *rule = NULL;
	int rc;

	*p = (struct params){0};
	rc = params_parse(p, text, strlen(text), &rule);
	assert_true(!rc == !rule);
	return rc;
}

static void test_pairs_are_decoded(void **state)
{
	struct params p;

	assert_int_equal(parse(&p, "a=1&b=x+y%2B&&empty=&bare&%63=%E4%BD%A0"), 0);
	assert_int_equal(p.n, 5);
	assert_string_equal(params_value(&p, "a"), "1");
	assert_string_equal(params_value(&p, "b"), "x y+");
	assert_string_equal(params_value(&p, "empty"), "");
	assert_string_equal(params_value(&p, "bare"), "");
	assert_string_equal(params_value(&p, "c"), "\xe4\xbd\xa0");
	assert_null(params_value(&p, "d"));
	params_fini(&p);
}

static void test_bad_text_is_refused(void **state)
{
	static const char *const bad[] = {"a=%",    "a=%4",	"a=%zz",  "%4=b",
					  "a=%00b", "a=%ff%fe", "\xc3=1", "a=1&a=2"};
	struct params p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&p, bad[i]), -EINVAL);
		params_fini(&p);
	}
}

static void test_their_number_is_bounded(void **state)
{
	char text[PARAMS_MAX * 8];
	struct params p;
	size_t n = 0;

	for (int i = 0; i < PARAMS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "&k%d=", i);
	assert_int_equal(parse(&p, text), 0);
	params_fini(&p);
	snprintf(text + n, sizeof(text) - n, "&z=");
	assert_int_equal(parse(&p, text), -EINVAL);
	params_fini(&p);
}

static void test_random_bytes_never_escape(void **state)
{
	char text[200];
	struct params p;
	const char *rule;

	srand(7);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % sizeof(text);

		for (size_t i = 0; i < n; i++)
			text[i] = "a=&%4f+\xc3\xa4"[rand() % 9];
		p = (struct params){0};
		params_parse(&p, text, n, &rule);
		params_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs_are_decoded),
		cmocka_unit_test(test_bad_text_is_refused),
		cmocka_unit_test(test_their_number_is_bounded),
		cmocka_unit_test(test_random_bytes_never_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
