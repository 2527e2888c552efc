/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"

static void test_U5_urls_are_shown_without_secrets(void **state)
{
	static const struct {
		const char *url, *shown;
	} cases[] = {
		{"rtmp://h/live/a", "rtmp://h/live/a"},
		{"rtmp://user:pass@h:1935/live/a", "rtmp://***@h:1935/live/a"},
		{"rtmp://u:p@w@h/live/a", "rtmp://***@h/live/a"},
		{"rtmp://h/live/a?auth_key=1-0-0-abc&x=y", "rtmp://h/live/a?auth_key=***&x=***"},
		{"rtmp://h/live?token=ab/cd/stream", "rtmp://h/live?token=***"},
		{"http://h/a.flv?bare-token", "http://h/a.flv?***"},
		{"http://h/a.flv?a=b#c=d", "http://h/a.flv?a=***"},
		{"rtmp://h/app#k=v/stream", "rtmp://h/app#k=***"},
		{"redis://:secret@127.0.0.1:6379/1", "redis://***@127.0.0.1:6379/1"},
		{"h/a b\"c\n", "h/a%20b%22c%0A"},
		{"http://h/x@y", "http://h/x@y"},
		{"http://h/?a=1&&b", "http://h/?a=***&&***"},
		{"", ""},
	};
	char text[256];

	for (size_t i = 0; i < array_len(cases); i++)
		assert_string_equal(log_url(text, sizeof(text), cases[i].url), cases[i].shown);
}

static void test_quotes_only_where_logfmt_needs_them(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"live/a", "live/a"},
		{"", "\"\""},
		{NULL, "\"\""},
		{"a b", "\"a b\""},
		{"a=\"b\"", "\"a=\\\"b\\\"\""},
		{"a\nb", "\"a\\x0ab\""},
		{"\xc3\xa9", "\xc3\xa9"},
	};
	char text[64];

	for (size_t i = 0; i < array_len(cases); i++)
		assert_string_equal(log_q(text, sizeof(text), cases[i].text), cases[i].shown);
}

static void test_long_text_is_cut_inside_its_bounds(void **state)
{
	char text[300], *tight;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[3] = ' ';
	for (size_t n = 4; n < 40; n++) {
		tight = malloc(n); /* the sanitizer sees one byte too many */
		log_q(tight, n, text);
		assert_true(strlen(tight) < n);
		assert_int_equal(tight[strlen(tight) - 1], '"');
		log_url(tight, n, text);
		assert_true(strlen(tight) < n);
		free(tight);
	}
}

/* Standard error into a pipe while fn runs; what was written, NUL-terminated. */
static size_t captured(void (*fn)(void), char *dst, size_t n)
{
	int keep = dup(STDERR_FILENO), ends[2];
	size_t got = 0;
	ssize_t more;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	fn();
	dup2(keep, STDERR_FILENO);
	close(keep);
	close(ends[1]);
	while ((more = read(ends[0], dst + got, n - 1 - got)) > 0)
		got += (size_t)more;
	close(ends[0]);
	dst[got] = '\0';
	return got;
}

static void write_one(void)
{
	log_init("test", LOG_INFO);
	log_debug("hidden", "a=1");
	log_warn("seen", "text=%s", "two\nlines");
}

static void test_one_event_is_one_line_at_or_above_the_level(void **state)
{
	char out[4096];

	captured(write_one, out, sizeof(out));
	assert_null(strstr(out, "hidden"));
	assert_non_null(strstr(out, " level=warn proc=test event=seen text=two?lines\n"));
	assert_memory_equal(out, "ts=20", 5);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

static void write_many(void)
{
	log_init("test", LOG_INFO);
	for (unsigned i = 0; i < 500; i++)
		log_info("burst", "i=%u", i);
}

static void test_a_burst_of_one_call_site_is_limited(void **state)
{
	static char out[65536];
	unsigned lines = 0;

	captured(write_many, out, sizeof(out));
	for (const char *s = out; (s = strchr(s, '\n')); s++)
		lines++;
	/* 500 calls take far less than a second; a busy machine may see a second window. */
	assert_in_range(lines, 20, 60);
}

static void write_long(void)
{
	char text[5000];

	log_init("test", LOG_INFO);
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("long", "text=%s", text);
}

static void test_a_long_line_is_cut_and_still_ends(void **state)
{
	static char out[65536];
	size_t n = captured(write_long, out, sizeof(out));

	assert_in_range(n, 1000, 2048);
	assert_int_equal(out[n - 1], '\n');
}

static void test_level_words(void **state)
{
	assert_int_equal(log_level_of("error"), LOG_ERROR);
	assert_int_equal(log_level_of("debug"), LOG_DEBUG);
	assert_int_equal(log_level_of("Debug"), -1);
	assert_int_equal(log_level_of(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_U5_urls_are_shown_without_secrets),
		cmocka_unit_test(test_quotes_only_where_logfmt_needs_them),
		cmocka_unit_test(test_long_text_is_cut_inside_its_bounds),
		cmocka_unit_test(test_one_event_is_one_line_at_or_above_the_level),
		cmocka_unit_test(test_a_burst_of_one_call_site_is_limited),
		cmocka_unit_test(test_a_long_line_is_cut_and_still_ends),
		cmocka_unit_test(test_level_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
