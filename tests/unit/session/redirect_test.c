/* SPDX-License-Identifier: Apache-2.0 */
/* Where redirects lead. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "session/redirect.h"

static struct slice slice_of(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void test_references_are_resolved_and_dots_removed(void **state)
{
	static const struct {
		const char *from, *to, *text;
	} cases[] = {
		{"http://h/a/b?q", "http://i/x", "http://i/x"},
		{"http://h/a/b?q", "https://I:443/x?y#z", "https://i/x?y"},
		{"http://h:8080/a/b?q", "/x", "http://h:8080/x"},
		{"http://h/a/b?q", "x", "http://h/a/x"},
		{"http://h/a/b?q", "x?u=http://i/", "http://h/a/x?u=http://i/"},
		{"http://h/a/b?q", "/x?u=http://i/", "http://h/x?u=http://i/"},
		{"http://h/a/b?q", "?r", "http://h/a/b?r"},
		{"http://h", "x", "http://h/x"},
		{"https://h:8443/a", "//i/x", "https://i/x"},
		{"https://[::1]:8443/a", "b", "https://[::1]:8443/b"},
		{"http://h/a/b/c", "../d", "http://h/a/d"},
		{"http://h/a/b/c", "./d/.", "http://h/a/b/d/"},
		{"http://h/a/b/c", "..", "http://h/a/"},
		{"http://h/a/b/c", "../../../../d", "http://h/d"},
		{"http://h/a", "http://h/x/../../y/./z", "http://h/y/z"},
		{"http://h/a", "/..a/.b./c..", "http://h/..a/.b./c.."},
		{"http://h/a", "/x//../y", "http://h/x/y"},
		{"http://h/a", "/x?../y", "http://h/x?../y"},
		/* Who is at the same host stays who he is; nobody else hears of it. */
		{"http://u:p@h/a", "/b", "http://u:p@h/b"},
		{"http://u:p@h/a", "http://h/b", "http://h/b"},
		{"http://u:p@h/a", "//i/b", "http://i/b"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char text[REDIRECT_TEXT_MAX];
		struct url from, url;
		const char *rule = "";

		assert_int_equal(url_parse(&from, cases[i].from, &rule), 0);
		assert_int_equal(redirect_join(&from, cases[i].to, &url, &rule), 0);
		assert_int_equal(redirect_text(&url, text), 0);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_C15_rtmp_leads_to_rtmp(void **state)
{
	static const struct {
		const char *tc_url, *stream, *text;
	} cases[] = {
		{"rtmp://i/live", "s?k=v", "rtmp://i/live/s?k=v"},
		{"rtmp://I:1936/live/", "s", "rtmp://i:1936/live/s"},
		{"rtmps://i:443/live", "s", "rtmps://i/live/s"},
		{"rtmp://[::1]:1935/a/b", "s", "rtmp://[::1]/a/b/s"},
		{"rtmp://i/live?k=v", "s", "rtmp://i/live?k=v/s"},
		{"rtmp://i/live", "a/b?c/d", "rtmp://i/live//a/b?c/d"},
		{"rtmp://i/live", "s?c/d", "rtmp://i/live/s?c/d"},
	};
	static const char *const bad[] = {"http://i/live", "rtmp://", "rtmp://i:x/live"};
	char text[REDIRECT_TEXT_MAX];
	struct url from, url;
	const char *rule = "";

	assert_int_equal(url_parse(&from, "rtmp://h/live/s", &rule), 0);
	for (size_t i = 0; i < array_len(cases); i++) {
		redirect_rtmp(text, slice_of(cases[i].tc_url), cases[i].stream);
		assert_int_equal(redirect_join(&from, text, &url, &rule), 0);
		assert_int_equal(redirect_text(&url, text), 0);
		assert_string_equal(text, cases[i].text);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		redirect_rtmp(text, slice_of(bad[i]), "s");
		assert_true(redirect_join(&from, text, &url, &rule) < 0);
	}
}

static void test_what_is_no_http_url_is_refused(void **state)
{
	static const char *const bad[] = {"rtmp://h/a/b", "javascript:x",	"http://",
					  "http://h:x/",  "file:///etc/passwd", "/a b"};
	struct url from, url;
	const char *rule = "";

	assert_int_equal(url_parse(&from, "http://h/a", &rule), 0);
	for (size_t i = 0; i < array_len(bad); i++) {
		rule = NULL;
		assert_true(redirect_join(&from, bad[i], &url, &rule) < 0);
		assert_non_null(rule);
	}
}

static void test_what_is_too_long_is_refused(void **state)
{
	char to[4096];
	struct url from, url;
	const char *rule = "";

	assert_int_equal(url_parse(&from, "http://h/a", &rule), 0);
	for (size_t n = 900; n < sizeof(to); n += 101) {
		memset(to, 'x', n);
		to[n] = '\0';
		assert_int_equal(redirect_join(&from, to, &url, &rule) == 0, n < 1023);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references_are_resolved_and_dots_removed),
		cmocka_unit_test(test_C15_rtmp_leads_to_rtmp),
		cmocka_unit_test(test_what_is_no_http_url_is_refused),
		cmocka_unit_test(test_what_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
