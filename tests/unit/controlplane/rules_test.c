/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "controlplane/rules.h"

static void test_times(void **state)
{
	static const char *const bad[] = {"",
					  "2026-01-31",
					  "2026-01-31T12:00:00",
					  "2026-01-31 12:00:00Z",
					  "2026-02-30T12:00:00Z",
					  "2026-13-01T12:00:00Z",
					  "2026-01-31T24:00:00Z",
					  "2026-01-31T12:60:00Z",
					  "1999-01-31T12:00:00Z",
					  "2026-01-31T12:00:00Zx",
					  "2026-01-31T12:00:00+08:00"};
	char text[TIME_TEXT];
	int64_t s;

	assert_true(time_parse("2016-02-23T12:46:24Z", &s));
	assert_int_equal(s, 1456231584);
	assert_string_equal(time_text(text, s), "2016-02-23T12:46:24Z");
	assert_true(time_parse("2028-02-29T00:00:00Z", &s));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(time_parse(bad[i], &s));
}

static void test_whole_numbers(void **state)
{
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "9223372036854775808"};
	int64_t n;

	assert_true(rule_is_int("-1", &n) && n == -1);
	assert_true(rule_is_int("9223372036854775807", &n) && n == INT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(rule_is_int(bad[i], &n));
}

static void test_words_and_plain_text(void **state)
{
	assert_true(rule_is_word("cn-beijing_1.a"));
	assert_false(rule_is_word(""));
	assert_false(rule_is_word("a b"));
	assert_false(rule_is_word("a/b"));
	assert_true(rule_is_plain("t\xc3\xa4gliche Nachrichten"));
	assert_false(rule_is_plain("a\nb"));
	assert_false(rule_is_plain("a\x7f"));
}

static void test_urls(void **state)
{
	static const char *const good[] = {"http://h", "HTTP://h:80/x?y=1#z", "http://[::1]:8080/",
					   "http://user:pass@h/x", "https://h:65535"};
	static const char *const bad[] = {"",
					  "h",
					  "ftp://h/",
					  "http://",
					  "http:///x",
					  "http://:80/",
					  "http://h:0/",
					  "http://h:65536/",
					  "http://h:",
					  "http://h:x/",
					  "http://[::1/",
					  "http://h/a b",
					  "http://h/\n",
					  "http://[]/",
					  "http://h:123456/"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(rule_url(good[i], RULE_HTTP | RULE_HTTPS));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(rule_url(bad[i], RULE_HTTP | RULE_HTTPS));
	assert_non_null(rule_url("https://h/", RULE_HTTP));
}

static void test_P10_rtmp_targets(void **state)
{
	static const char *const good[] = {"rtmp://h/app/key",	"rtmp://h:1936/app/a/b?x=1&y=2",
					   "rtmp://[::1]/a/b",	"RTMP://h//a/b",
					   "rtmps://h/app/key", "RTMPS://h:444/a/b?x=@y",
					   "rtmp://h/a/b@c"};
	static const char *const bad[] = {
		"rtmp://h",	   "rtmp://h/",	       "rtmp://h/app",
		"rtmp://h/app/",   "http://h/app/key", "rtmps:/h/app/key",
		"rtmp:///app/key", "rtmps://h/app",    "rtmp://u:p@h/app/key"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(rule_rtmp(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(rule_rtmp(bad[i]));
}

static void test_P7_the_same_stream_in_other_words(void **state)
{
	static const struct {
		const char *one, *other;
		bool same;
	} cases[] = {
		{"rtmp://h/a/b", "rtmp://H:1935/a/b?token=x", true},
		{"rtmp://[::1]/a/b", "rtmp://[::1]:1935/a/b", true},
		{"rtmps://h/a/b", "RTMPS://h:443/a/b", true},
		{"rtmp://h/a/b", "rtmp://h/a/bb", false},
		{"rtmp://h/a/b", "rtmp://h/a/B", false},
		{"rtmp://h/a/b", "rtmp://h:1936/a/b", false},
		{"rtmp://h/a/b", "rtmp://hh/a/b", false},
		{"rtmp://h/a/b", "rtmps://h/a/b", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(rule_same_stream(cases[i].one, cases[i].other), cases[i].same);
		assert_int_equal(rule_same_stream(cases[i].other, cases[i].one), cases[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_whole_numbers),
		cmocka_unit_test(test_words_and_plain_text),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_P10_rtmp_targets),
		cmocka_unit_test(test_P7_the_same_stream_in_other_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
