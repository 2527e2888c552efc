/* SPDX-License-Identifier: Apache-2.0 */
/* Who may publish an internal stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "session/inner.h"

static struct stream_name name_of(const char *domain, const char *name, const char *params)
{
	struct stream_name n = {.app = "task"};

	snprintf(n.domain, sizeof(n.domain), "%s", domain);
	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.params, sizeof(n.params), "%s", params);
	return n;
}

static void test_only_domains_with_an_underscore_are_ours(void **state)
{
	struct stream_name ours = name_of("_relay", "a", ""), theirs = name_of("default", "a", "");

	assert_true(inner_name(&ours));
	assert_false(inner_name(&theirs));
}

static void test_a_pass_is_for_one_stream(void **state)
{
	char text[256], pass[DIGEST_TEXT], params[128];
	struct stream_name n;

	assert_int_equal(strlen(inner_key()), 64);
	snprintf(text, sizeof(text), "%s_relay/task/a", inner_key());
	snprintf(params, sizeof(params), "vhost=_relay&pass=%s", digest_text(pass, text));
	n = name_of("_relay", "a", params);
	assert_true(inner_pass(&n));
	n = name_of("_relay", "b", params);
	assert_false(inner_pass(&n));
	params[strlen(params) - 1] ^= 1;
	n = name_of("_relay", "a", params);
	assert_false(inner_pass(&n));
}

static void test_no_pass_is_no_pass(void **state)
{
	static const char *const params[] = {"", "pass=", "pass=0", "vhost=_relay",
					     "pass=00000000000000000000000000000000"
					     "00000000000000000000000000000000"};

	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		struct stream_name n = name_of("_relay", "a", params[i]);

		assert_false(inner_pass(&n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_domains_with_an_underscore_are_ours),
		cmocka_unit_test(test_a_pass_is_for_one_stream),
		cmocka_unit_test(test_no_pass_is_no_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
