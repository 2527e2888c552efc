/* SPDX-License-Identifier: Apache-2.0 */
#include "media/url.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

static const char *rule;

static void test_U6_urls_and_default_ports(void **state)
{
	static const struct {
		const char *text;
		enum url_scheme scheme;
		const char *host;
		uint16_t port;
		const char *path, *query;
	} cases[] = {
		{"rtmp://h/live/cam", URL_RTMP, "h", 1935, "/live/cam", ""},
		{"rtmp://h:1935/live/cam", URL_RTMP, "h", 1935, "/live/cam", ""},
		{"rtmps://h/live/cam", URL_RTMPS, "h", 443, "/live/cam", ""},
		{"RTMP://H.Example/Live/Cam", URL_RTMP, "h.example", 1935, "/Live/Cam", ""},
		{"http://h", URL_HTTP, "h", 80, "/", ""},
		{"http://h?x=1", URL_HTTP, "h", 80, "/", "x=1"},
		{"http://h:/x", URL_HTTP, "h", 80, "/x", ""},
		{"https://h:8443/a.flv?b=c?d#frag", URL_HTTPS, "h", 8443, "/a.flv", "b=c?d"},
		{"http://h/a#frag?x", URL_HTTP, "h", 80, "/a", ""},
		{"rtmp://h/live/key#1", URL_RTMP, "h", 1935, "/live/key#1", ""},
		{"http://[::1]:8080/x", URL_HTTP, "::1", 8080, "/x", ""},
		{"rtmp://[2001:DB8::1]/live/cam", URL_RTMP, "2001:db8::1", 1935, "/live/cam", ""},
		{"rtsp://h/x", URL_RTSP, "h", 554, "/x", ""},
		{"srt://h:9000?streamid=x", URL_SRT, "h", 9000, "/", "streamid=x"},
		{"ftp://h/x", URL_OTHER, "h", 0, "/x", ""},
		{"http://u:p%40@h/x@y", URL_HTTP, "h", 80, "/x@y", ""},
	};
	struct url u;

	for (unsigned i = 0; i < array_len(cases); i++) {
		if (url_parse(&u, cases[i].text, &rule))
			fail_msg("%s: %s", cases[i].text, rule);
		assert_int_equal(u.scheme, cases[i].scheme);
		assert_string_equal(u.host, cases[i].host);
		assert_int_equal(u.port, cases[i].port);
		assert_string_equal(u.path, cases[i].path);
		assert_string_equal(u.query, cases[i].query);
	}
	assert_string_equal(u.userinfo, "u:p%40");
	assert_int_equal(url_parse(&u, "http://[::1]:80/", &rule), 0);
	assert_true(u.v6 && u.port_given);
}

static void test_urls_that_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"h/live/cam",
		"rtmp:/h/x",
		"://h/x",
		"1rtmp://h/x",
		"rt mp://h/x",
		"rtmp:///live/cam",
		"rtmp://:1935/live",
		"rtmp://h:0/x",
		"rtmp://h:65536/x",
		"rtmp://h:99999999999/x",
		"rtmp://h:1x/x",
		"rtmp://h:-1/x",
		"rtmp://[::1/x",
		"rtmp://[::1]x/y",
		"rtmp://[]/y",
		"rtmp://[::1%eth0]/y",
		"rtmp://h%41/x",
		"rtmp://h\"/x",
		"rtmp://h#x",
		"http://h/a b",
		"http://h/a\r\nX: y",
		"http://h/\x7f",
	};
	char longest[2100];
	struct url u;

	for (unsigned i = 0; i < array_len(bad); i++) {
		rule = NULL;
		if (url_parse(&u, bad[i], &rule) != -EINVAL)
			fail_msg("%s", bad[i]);
		assert_non_null(rule);
	}
	for (unsigned n = 200; n < sizeof(longest) - 20; n += 100) {
		const struct {
			const char *before;
			unsigned max;
		} parts[] = {{"http://", 255}, {"http://h/", 1022}, {"http://h/?", 1023}};

		for (unsigned i = 0; i < array_len(parts); i++) {
			int len = sprintf(longest, "%s", parts[i].before);

			memset(longest + len, 'a', n);
			longest[(unsigned)len + n] = '\0';
			assert_int_equal(url_parse(&u, longest, &rule),
					 n > parts[i].max ? -EINVAL : 0);
		}
	}
}

static void test_P10_rtmp_urls_as_clients_use_them(void **state)
{
	static const struct {
		const char *text, *app, *stream, *tc_url;
	} cases[] = {
		{"rtmp://h/live/cam", "live", "cam", "rtmp://h/live"},
		{"rtmp://h:1935/live/cam", "live", "cam", "rtmp://h/live"},
		{"rtmp://h:1936/live/cam", "live", "cam", "rtmp://h:1936/live"},
		{"rtmps://h:443/rtmp/KEY?s_bl=1&s_l=0", "rtmp", "KEY?s_bl=1&s_l=0",
		 "rtmps://h/rtmp"},
		{"rtmp://[::1]:1936/live/cam", "live", "cam", "rtmp://[::1]:1936/live"},
		{"rtmp://h/live/cam?a=b/c?d", "live", "cam?a=b/c?d", "rtmp://h/live"},
		{"rtmp://h/app?k=v/stream", "app?k=v", "stream", "rtmp://h/app?k=v"},
		{"rtmp://h/app/inst/stream", "app/inst", "stream", "rtmp://h/app/inst"},
		{"rtmp://h/app/_definst_/mp4:x.mp4", "app/_definst_", "mp4:x.mp4",
		 "rtmp://h/app/_definst_"},
		{"rtmp://h/app//key/with/slashes?x=1", "app", "key/with/slashes?x=1",
		 "rtmp://h/app"},
		{"rtmp://h/app/%41%2f", "app", "%41%2f", "rtmp://h/app"},
		{"rtmp://user:secret@h/app/key#1", "app", "key#1", "rtmp://h/app"},
	};
	static const char *const bad[] = {
		"rtmp://h",	  "rtmp://h/",	       "rtmp://h/app",
		"rtmp://h/app/",  "rtmp://h/app?k=v",  "rtmp://h//key",
		"rtmp://h/app//", "rtmp://h/app?k=v/", "http://h/app/key"};
	char app[512], stream[2048], tc_url[1024];
	struct url u;

	for (unsigned i = 0; i < array_len(cases); i++) {
		assert_int_equal(url_parse(&u, cases[i].text, &rule), 0);
		if (url_rtmp_split(&u, app, stream, tc_url, &rule))
			fail_msg("%s: %s", cases[i].text, rule);
		assert_string_equal(app, cases[i].app);
		assert_string_equal(stream, cases[i].stream);
		assert_string_equal(tc_url, cases[i].tc_url);
	}
	for (unsigned i = 0; i < array_len(bad); i++) {
		assert_int_equal(url_parse(&u, bad[i], &rule), 0);
		if (url_rtmp_split(&u, app, stream, tc_url, &rule) != -EINVAL)
			fail_msg("%s", bad[i]);
	}
}

static void test_U4_percent_decoding_is_done_once(void **state)
{
	static const struct {
		const char *text, *plain;
	} cases[] = {
		{"", ""},	  {"abc", "abc"}, {"%41%6a%6A", "Ajj"},
		{"%2541", "%41"}, {"a+b", "a+b"}, {"%E4%b8%ad", "\xe4\xb8\xad"},
	};
	static const char *const bad[] = {"%", "%4", "a%", "%4g", "%g4", "%%41", "%00", "%0"};
	char dst[32];

	for (unsigned i = 0; i < array_len(cases); i++) {
		struct slice text = {(const uint8_t *)cases[i].text, strlen(cases[i].text)};

		assert_int_equal(percent_decode(dst, sizeof(dst), text), strlen(cases[i].plain));
		assert_string_equal(dst, cases[i].plain);
		assert_int_equal(percent_decode(dst, strlen(cases[i].plain), text), -ENAMETOOLONG);
	}
	for (unsigned i = 0; i < array_len(bad); i++) {
		struct slice text = {(const uint8_t *)bad[i], strlen(bad[i])};

		assert_int_equal(percent_decode(dst, sizeof(dst), text), -EINVAL);
	}
	assert_int_equal(
		percent_decode(dst, sizeof(dst), (struct slice){(const uint8_t *)"a\0b", 3}),
		-EINVAL);
}

static void test_parameters(void **state)
{
	static const char params[] = "a=1&empty=&bare&token=x%2Fy%26z&a=2&bad=%4&aa=3";
	char dst[8];

	assert_true(params_get(params, "a", dst, sizeof(dst)));
	assert_string_equal(dst, "1");
	assert_true(params_get(params, "aa", dst, sizeof(dst)));
	assert_string_equal(dst, "3");
	assert_true(params_get(params, "token", dst, sizeof(dst)));
	assert_string_equal(dst, "x/y&z");
	assert_true(params_get(params, "empty", dst, sizeof(dst)));
	assert_string_equal(dst, "");
	assert_true(params_get(params, "bare", dst, sizeof(dst)));
	assert_string_equal(dst, "");
	assert_false(params_get(params, "ba", dst, sizeof(dst)));
	assert_false(params_get(params, "bad", dst, sizeof(dst)));
	assert_false(params_get(params, "token", dst, 5));
	assert_false(params_get("", "a", dst, sizeof(dst)));
	assert_true(params_get("&&a=1", "a", dst, sizeof(dst)));
}

static void test_U5_parameters_that_are_secrets_are_masked(void **state)
{
	static const struct {
		const char *params, *shown;
	} cases[] = {
		{"", ""},
		{"auth_key=1-0-0-abc", "auth_key=***"},
		{"a=1&auth_key=1-0-0-abc&b=2", "a=1&auth_key=***&b=2"},
		{"token=x&TOKEN=y&wsSecret=z&sign=s&password=p",
		 "token=***&TOKEN=***&wsSecret=***&sign=***&password=***"},
		{"key", "key"},
		{"keys=1&keyframe=2&vhost=push.example.com",
		 "keys=1&keyframe=2&vhost=push.example.com"},
		{"&&pass=", "pass=***"},
	};
	char dst[256], few[8];

	for (size_t i = 0; i < array_len(cases); i++) {
		const char *got = params_mask(dst, sizeof(dst), cases[i].params);

		assert_string_equal(got, cases[i].shown);
	}
	assert_string_equal(params_mask(few, sizeof(few), "abcdef=1&token=2"), "abcdef=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_U6_urls_and_default_ports),
		cmocka_unit_test(test_urls_that_are_refused),
		cmocka_unit_test(test_P10_rtmp_urls_as_clients_use_them),
		cmocka_unit_test(test_U4_percent_decoding_is_done_once),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_U5_parameters_that_are_secrets_are_masked),
	};

	return cmocka_run_group_tests_name("media/url", tests, NULL, NULL);
}
