/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "controlplane/redis_url.h"

static void test_every_part(void **state)
{
	static const struct {
		const char *text, *path, *host, *port, *user, *password, *db;
	} cases[] = {
		{"unix:///run/r.sock", "/run/r.sock", "", "", "", "", ""},
		{"redis://h", "", "h", "6379", "", "", ""},
		{"redis://h/", "", "h", "6379", "", "", ""},
		{"redis://h:7000/3", "", "h", "7000", "", "", "3"},
		{"redis://:pw@h", "", "h", "6379", "", "pw", ""},
		{"redis://pw@h", "", "h", "6379", "", "pw", ""},
		{"redis://u:p%40%2f@h:1/15", "", "h", "1", "u", "p@/", "15"},
		{"redis://u:a@b@h", "", "h", "6379", "u", "a@b", ""},
		{"redis://[::1]:6380", "", "::1", "6380", "", "", ""},
		{"redis://[::1]", "", "::1", "6379", "", "", ""},
		{"REDIS://127.0.0.1:6379", "", "127.0.0.1", "6379", "", "", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_url u;

		assert_null(redis_url_parse(&u, cases[i].text));
		assert_string_equal(u.path, cases[i].path);
		assert_string_equal(u.hosts[0].host, cases[i].host);
		assert_string_equal(u.hosts[0].port, cases[i].port);
		assert_string_equal(u.user, cases[i].user);
		assert_string_equal(u.password, cases[i].password);
		assert_string_equal(u.db, cases[i].db);
	}
}

static void test_sentinels(void **state)
{
	struct redis_url u;

	assert_null(redis_url_parse(
		&u, "redis+sentinel://me:pw@a,b:1,[::1]:26380,[fe80::1]/main-1.x_y/2"));
	assert_int_equal(u.hosts_n, 4);
	assert_string_equal(u.hosts[0].host, "a");
	assert_string_equal(u.hosts[0].port, "26379");
	assert_string_equal(u.hosts[1].host, "b");
	assert_string_equal(u.hosts[1].port, "1");
	assert_string_equal(u.hosts[2].host, "::1");
	assert_string_equal(u.hosts[2].port, "26380");
	assert_string_equal(u.hosts[3].host, "fe80::1");
	assert_string_equal(u.master, "main-1.x_y");
	assert_string_equal(u.user, "me");
	assert_string_equal(u.password, "pw");
	assert_string_equal(u.db, "2");
	assert_null(redis_url_parse(&u, "redis+sentinel://a/m"));
	assert_string_equal(u.db, "");
}

static void test_what_cannot_be_used(void **state)
{
	static const char *const bad[] = {"",
					  "localhost:6379",
					  "http://h",
					  "unix://relative",
					  "unix://",
					  "redis://",
					  "redis://:6379",
					  "redis://h:",
					  "redis://h:0",
					  "redis://h:70000",
					  "redis://h:x",
					  "redis://h/db",
					  "redis://h/1/2",
					  "redis://h/123456789012345",
					  "redis+sentinel://a",
					  "redis+sentinel://a/",
					  "redis+sentinel://a//1",
					  "redis+sentinel://a/m/x",
					  "redis+sentinel://a/m n",
					  "redis+sentinel:///m",
					  "redis+sentinel://a,/m",
					  "redis+sentinel://,a/m",
					  "redis+sentinel://a:0,b/m",
					  "redis+sentinel://1,2,3,4,5,6,7,8,9/m",
					  "rediss://h"};
	char longest[300] = "unix:///";
	struct redis_url u;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(redis_url_parse(&u, bad[i]));
	memset(longest + 8, 'x', 120);
	assert_non_null(redis_url_parse(&u, longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_part),
		cmocka_unit_test(test_sentinels),
		cmocka_unit_test(test_what_cannot_be_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
