/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "controlplane/remote_auth.h"

static void check(const char *address, const char *params, const char *want)
{
	json_t *event =
		json_pack("{ss ss ss ss ss ss ss}", "kind", "play", "domain", "d.e", "app", "live",
			  "name", "a b", "params", params, "address", "::1", "protocol", "rtmp");
	char *url = remote_auth_url(address, event);

	assert_string_equal(url, want);
	free(url);
	json_decref(event);
}

#define OURS "action=play&domain=d.e&app=live&stream=a%20b&address=%3A%3A1&protocol=rtmp&referer="

static void test_the_question_says_who_wants_what(void **state)
{
	check("http://h/ask", "", "http://h/ask?" OURS);
	check("http://h/ask?k=1", "token=x%2Fy&z", "http://h/ask?k=1&" OURS "&token=x%2Fy&z");
}

static void test_a_client_cannot_say_our_part(void **state)
{
	check("http://h/", "action=publish&Domain=x&a%63tion=q&t=1", "http://h/?" OURS "&t=1");
	check("http://h/", "t=1 HTTP/1.1\r\nX: y#f",
	      "http://h/?" OURS "&t=1%20HTTP/1.1%0D%0AX:%20y%23f");
}

static void test_max_age(void **state)
{
	assert_int_equal(remote_auth_max_age("max-age=5"), 5);
	assert_int_equal(remote_auth_max_age("private, Max-Age=0"), 0);
	assert_int_equal(remote_auth_max_age("max-age=999999999"), 86400);
	assert_int_equal(remote_auth_max_age("max-age=-5"), -1);
	assert_int_equal(remote_auth_max_age("no-store"), -1);
	assert_int_equal(remote_auth_max_age(NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_question_says_who_wants_what),
		cmocka_unit_test(test_a_client_cannot_say_our_part),
		cmocka_unit_test(test_max_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
