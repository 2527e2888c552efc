/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "controlplane/live_notify.h"

/* apsara-live.md 4.1: the odd keys exactly, arguments as one value. */
static void test_the_query_has_the_documented_keys(void **state)
{
	char params[] = "vhost=push.example.com&auth_key=***";
	struct live_stream s = {.address = "203.0.113.7:40000", .params = params};
	char *q;

	assert_true(live_split(&s, "push.example.com/live/room 1"));
	q = live_notify_query("publish", &s, "node-1", 1609220385, true, 1280, 720);
	assert_string_equal(
		q, "action=publish&ip=203.0.113.7&id=room%201&app=push.example.com&appname=live&"
		   "time=1609220385&usrargs=vhost%3Dpush.example.com%26auth_key%3D%2A%2A%2A&"
		   "node=node-1&height=720&width=1280");
	free(q);
	q = live_notify_query("publish_done", &s, "node-1", 1609220400, false, 1280, 720);
	assert_null(strstr(q, "height"));
	free(q);
}

static void test_an_address_loses_its_port(void **state)
{
	static const char *const cases[][2] = {{"[2001:db8::1]:1935", "ip=2001%3Adb8%3A%3A1&"},
					       {"2001:db8::1", "ip=2001%3Adb8%3A%3A1&"},
					       {"203.0.113.7", "ip=203.0.113.7&"}};
	char params[] = "";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct live_stream s = {.params = params};
		char *q;

		strcpy(s.address, cases[i][0]);
		assert_true(live_split(&s, "d/a/n"));
		q = live_notify_query("publish", &s, "n", 1, false, 0, 0);
		assert_non_null(strstr(q, cases[i][1]));
		free(q);
	}
}

static void test_a_key_is_split_at_its_first_and_last_slash(void **state)
{
	struct live_stream s;

	assert_true(live_split(&s, "push.example.com/live/deep/a"));
	assert_string_equal(s.domain, "push.example.com");
	assert_string_equal(s.app, "live/deep");
	assert_string_equal(s.name, "a");
	assert_false(live_split(&s, "push.example.com/live"));
	assert_false(live_split(&s, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_query_has_the_documented_keys),
		cmocka_unit_test(test_an_address_loses_its_port),
		cmocka_unit_test(test_a_key_is_split_at_its_first_and_last_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
