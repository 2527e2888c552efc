/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/api.h"

#define RETRY_MIN 60

static const struct api_action *action(const char *name)
{
	size_t n;
	const struct api_action *a = api_actions(&n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(a[i].name, name))
			return &a[i];
	fail_msg("no action %s", name);
	return NULL;
}

static const struct {
	const char *name, *value;
} good_create[] = {
	{"Region", "cn-beijing"},
	{"StartTime", "2026-01-01T00%3A00%3A00Z"},
	{"EndTime", "2026-01-02T00%3A00%3A00Z"},
	{"SourceType", "live"},
	{"SourceProtocol", "rtmp"},
	{"SourceUrls", "%5B%22rtmp%3A%2F%2Fh%2Fa%2Fb%22%5D"},
	{"DstUrl", "rtmp%3A%2F%2Fh%2Fc%2Fd"},
};

/* A good Create with one parameter replaced, added, or (NULL) left out. */
static bool check(const char *name, const char *value, struct refusal *r)
{
	static struct api_arg args[API_PARAMS_MAX];
	struct params p = {0};
	const char *rule;
	char text[8192];
	size_t n = 0;
	bool fine;

	for (size_t i = 0; i < sizeof(good_create) / sizeof(good_create[0]); i++)
		if (strcmp(good_create[i].name, name))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "&%s=%s",
					      good_create[i].name, good_create[i].value);
	if (value)
		snprintf(text + n, sizeof(text) - n, "&%s=%s", name, value);
	assert_int_equal(params_parse(&p, text, strlen(text), &rule), 0);
	fine = api_check(action("CreateLivePullToPush"), &p, RETRY_MIN, args, r);
	params_fini(&p);
	return fine;
}

static void test_a_good_create_passes(void **state)
{
	struct refusal r;

	assert_true(check("", NULL, &r));
	assert_true(check("SomethingNew", "1", &r));
}

static void test_what_is_needed_is_named(void **state)
{
	struct refusal r;

	for (size_t i = 0; i < sizeof(good_create) / sizeof(good_create[0]); i++) {
		const char *name = good_create[i].name;

		if (!strcmp(name, "SourceProtocol"))
			continue;
		assert_false(check(name, NULL, &r));
		assert_string_equal(r.code, "MissingParameter");
		assert_non_null(strstr(r.message, name));
		assert_false(check(name, "", &r));
		assert_string_equal(r.code, "MissingParameter");
	}
}

static void test_edges_of_ranges(void **state)
{
	static const struct {
		const char *name, *value;
		bool fine;
	} cases[] = {
		{"RetryCount", "-1", true},
		{"RetryCount", "-2", false},
		{"RetryPolicy", "exponential", true},
		{"RetryPolicy", "linear", false},
		{"TaskId", "cup_final.2026-1", true},
		{"TaskId", "{a}", false},
		{"RetryInterval", "59", false},
		{"RetryInterval", "60", true},
		{"RetryInterval", "300", true},
		{"RetryInterval", "301", false},
		{"RetryInterval", "6e1", false},
		{"RetryInterval", "", true},
		{"RetryCount", "0", true},
		{"RepeatNumber", "-1", true},
		{"RepeatNumber", "-2", false},
		{"Offset", "-1", false},
		{"FileIndex", "x", false},
		{"SourceType", "video", false},
		{"SourceType", "liv", false},
		{"SourceType", "vod", true},
		{"SourceProtocol", "http-flv", true},
		{"SourceProtocol", "http", false},
		{"Region", "a%20b", false},
		{"SourceUrls", "rtmp://h/a", false},
		{"SourceUrls", "%5B%5D", false},
		{"SourceUrls", "%5B1%5D", false},
		{"SourceUrls", "%7B%7D", false},
		{"DstUrl", "http://h/a/b", false},
		{"DstUrl", "rtmp://h", false},
		{"CallbackUrl", "", true},
		{"CallbackUrl", "https://h/x", true},
		{"CallbackUrl", "ftp://h/x", false},
		{"TaskName", "a%0Ab", false},
		{"TaskName", "%E4%BD%A0", true},
		{"StartTime", "2026-01-01", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct refusal r;

		assert_int_equal(check(cases[i].name, cases[i].value, &r), cases[i].fine);
		if (cases[i].fine)
			continue;
		assert_int_equal(r.status, 400);
		assert_string_equal(r.code, "InvalidParameter");
		assert_memory_equal(r.message, cases[i].name, strlen(cases[i].name));
	}
}

static void test_lengths(void **state)
{
	char text[2100] = "rtmp://h/a/";
	struct refusal r;

	memset(text + 11, 'x', sizeof(text) - 12);
	text[2000] = 0;
	assert_true(check("DstUrl", text, &r));
	strcpy(text + 2000, "y");
	assert_false(check("DstUrl", text, &r));
	assert_non_null(strstr(r.message, "2000"));
	memset(text, 'n', 256);
	text[256] = 0;
	assert_false(check("TaskName", text, &r));
	text[255] = 0;
	assert_true(check("TaskName", text, &r));
}

static void test_every_action_of_the_family_is_there(void **state)
{
	static const char *const names[] = {"CreateLivePullToPush",	  "UpdateLivePullToPush",
					    "DescribeLivePullToPush",	  "StopLivePullToPush",
					    "DescribeLivePullToPushList", "DeleteLivePullToPush",
					    "RestartLivePullToPush"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct api_action *a = action(names[i]);
		size_t n = 0;

		assert_non_null(a->handle);
		while (a->params[n].name)
			n++;
		assert_true(n <= API_PARAMS_MAX);
		assert_string_equal(a->params[0].name, "Region");
		assert_true(a->params[0].needed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_create_passes),
		cmocka_unit_test(test_what_is_needed_is_named),
		cmocka_unit_test(test_edges_of_ranges),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_every_action_of_the_family_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
