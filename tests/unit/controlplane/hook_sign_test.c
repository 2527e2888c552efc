/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/hook_sign.h"

/* The value of apsara-live.md 4.1. */
static void test_the_documented_example_of_the_live_scheme(void **state)
{
	struct hook_signature s;

	hook_sign(&s, "https://push.example.com/cb?a=1", "{}", "abcdefgh12345678", 1609220385);
	assert_string_equal(s.timestamp, "1609220385");
	assert_string_equal(s.live, "0b6622caae0e66ede9971614ad76ae8d");
}

/* printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret */
static void test_the_body_is_covered(void **state)
{
	struct hook_signature s, other;

	hook_sign(&s, "http://h/", "{\"a\":1}", "secret", 1700000000);
	assert_string_equal(s.body,
			    "sha256="
			    "49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686");
	hook_sign(&other, "http://h/", "{\"a\":2}", "secret", 1700000000);
	assert_string_not_equal(s.body, other.body);
	assert_string_equal(s.live, other.live);
}

static void test_the_domain_is_the_host_of_the_url(void **state)
{
	static const char *const cases[][2] = {
		{"http://a.example/cb", "a.example"},
		{"https://a.example:8443/cb", "a.example"},
		{"http://user:p:w@a.example/cb@x", "a.example"},
		{"http://a.example?x=@b:1/", "a.example"},
		{"http://[::1]:80/cb", "::1"},
		{"http://a.example#f", "a.example"},
	};
	char domain[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(hook_domain(domain, cases[i][0]), cases[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_documented_example_of_the_live_scheme),
		cmocka_unit_test(test_the_body_is_covered),
		cmocka_unit_test(test_the_domain_is_the_host_of_the_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
