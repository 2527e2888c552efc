/* SPDX-License-Identifier: Apache-2.0 */
/* What HLS players ask for, and ranges. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "media/hls_url.h"
#include "media/http_range.h"

static struct slice text(const char *s)
{
	return (struct slice){(const uint8_t *)s, strlen(s)};
}

static bool parse(struct hls_url *u, struct stream_name *name, const char *target)
{
	const char *field, *rule;
	char suffix[16];

	assert_int_equal(stream_name_http(name, text(target), text("h"), suffix, &field, &rule), 0);
	return hls_url_parse(u, name, suffix);
}

static void test_what_a_path_means(void **state)
{
	static const struct {
		const char *target, *app, *name;
		enum hls_what what;
		uint64_t number;
		uint32_t part;
		bool fmp4;
	} cases[] = {
		{"/live/a.m3u8", "live", "a", HLS_PLAYLIST, 0, 0, false},
		{"/live/master.m3u8", "live", "master", HLS_PLAYLIST, 0, 0, false},
		{"/live/a/master.m3u8", "live", "a", HLS_MASTER, 0, 0, false},
		{"/live/a/17.ts", "live", "a", HLS_OF_SEGMENT, 17, 0, false},
		{"/x/live/a/0.m4s", "x/live", "a", HLS_OF_SEGMENT, 0, 0, true},
		{"/live/a/17.3.m4s", "live", "a", HLS_OF_PART, 17, 3, true},
		{"/live/a/17.0.ts", "live", "a", HLS_OF_PART, 17, 0, false},
		{"/live/a/init-2.mp4", "live", "a", HLS_OF_INIT, 2, 0, false},
		{"/live/a/9.key", "live", "a", HLS_OF_KEY, 9, 0, false},
		{"/live/a.b/1.ts", "live", "a.b", HLS_OF_SEGMENT, 1, 0, false},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct stream_name name;
		struct hls_url u;

		assert_true(parse(&u, &name, cases[i].target));
		assert_string_equal(name.app, cases[i].app);
		assert_string_equal(name.name, cases[i].name);
		assert_int_equal(u.what, cases[i].what);
		assert_int_equal(u.number, cases[i].number);
		assert_int_equal(u.part, cases[i].part);
		assert_int_equal(u.fmp4, cases[i].fmp4);
	}
}

static void test_what_is_no_part_of_hls(void **state)
{
	static const char *const targets[] = {
		"/live/a.flv",
		"/live/17.ts",
		"/live/a/x.ts",
		"/live/a/1.2.3.ts",
		"/live/a/01.ts",
		"/live/a/1..ts",
		"/live/a/-1.m4s",
		"/live/a/init-.mp4",
		"/live/a/1.mp4",
		"/live/a/init-1.m4s",
		"/live/a/1.2.key",
		"/live/a/1.5000000000.ts",
		"/live/a/1234567890123456789.ts",
	};
	struct stream_name name;
	struct hls_url u;

	for (size_t i = 0; i < array_len(targets); i++)
		assert_false(parse(&u, &name, targets[i]));
}

static void test_L11_directives(void **state)
{
	struct stream_name name;
	struct hls_url u;

	assert_true(parse(&u, &name, "/l/a.m3u8?k=v"));
	assert_false(u.blocking || u.has_part || u.skip || u.bad);
	assert_true(parse(&u, &name, "/l/a.m3u8?_HLS_msn=12&_HLS_part=3&_HLS_skip=YES"));
	assert_true(u.blocking && u.has_part && u.skip && !u.bad);
	assert_int_equal(u.msn, 12);
	assert_int_equal(u.msn_part, 3);
	assert_true(parse(&u, &name, "/l/a.m3u8?_HLS_skip=v2"));
	assert_true(u.skip);
	assert_true(parse(&u, &name, "/l/a.m3u8?_HLS_skip=no"));
	assert_false(u.skip);
	assert_true(parse(&u, &name, "/l/a.m3u8?_HLS_part=3"));
	assert_true(u.bad);
	assert_true(parse(&u, &name, "/l/a.m3u8?_HLS_msn=x"));
	assert_true(u.bad);
	assert_true(parse(&u, &name, "/l/a.m3u8?_HLS_msn="));
	assert_true(u.bad);
	assert_true(parse(&u, &name, "/l/a.m3u8?_HLS_msn=1&_HLS_part=-1"));
	assert_true(u.bad);
}

static void test_ranges(void **state)
{
	static const struct {
		const char *value;
		enum http_range want;
		uint64_t first, last;
	} cases[] = {
		{"bytes=0-0", HTTP_RANGE_PART, 0, 0},
		{"bytes=10-19", HTTP_RANGE_PART, 10, 19},
		{"Bytes=90-", HTTP_RANGE_PART, 90, 99},
		{"bytes=90-1000", HTTP_RANGE_PART, 90, 99},
		{"bytes=-10", HTTP_RANGE_PART, 90, 99},
		{"bytes=-1000", HTTP_RANGE_PART, 0, 99},
		{"bytes=100-", HTTP_RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-0", HTTP_RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=20-10", HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=0-1,3-4", HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=", HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=-", HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=a-b", HTTP_RANGE_WHOLE, 0, 0},
		{"lines=0-1", HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=1234567890123456789012-", HTTP_RANGE_WHOLE, 0, 0},
		{"", HTTP_RANGE_WHOLE, 0, 0},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		uint64_t first = 0, last = 0;

		assert_int_equal(http_range_parse(text(cases[i].value), 100, &first, &last),
				 cases[i].want);
		if (cases[i].want != HTTP_RANGE_PART)
			continue;
		assert_int_equal(first, cases[i].first);
		assert_int_equal(last, cases[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_path_means),
		cmocka_unit_test(test_what_is_no_part_of_hls),
		cmocka_unit_test(test_L11_directives),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
