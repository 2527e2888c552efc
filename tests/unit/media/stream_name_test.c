/* SPDX-License-Identifier: Apache-2.0 */
#include "media/stream_name.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

static struct slice text(const char *s)
{
	return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

/* What the three strings of connect and publish, or play, must become. */
struct rtmp_case {
	const char *tc_url, *app, *stream; /* sent */
	const char *key, *params;	   /* wanted */
};

static void check_rtmp(const struct rtmp_case *c, size_t n)
{
	for (; n--; c++) {
		const char *field = NULL, *rule = NULL;
		char key[STREAM_KEY_MAX];
		struct stream_name name;

		if (stream_name_rtmp(&name, text(c->tc_url), text(c->app), text(c->stream), &field,
				     &rule))
			fail_msg("%s | %s | %s: %s %s", c->tc_url, c->app, c->stream, field, rule);
		if (strcmp(stream_key(key, &name), c->key) || strcmp(name.params, c->params))
			fail_msg("%s | %s | %s: %s ? %s", c->tc_url, c->app, c->stream, key,
				 name.params);
	}
}

static void test_U1_where_parameters_may_stand(void **state)
{
	static const struct rtmp_case cases[] = {
		{"rtmp://h/live", "live", "cam", "h/live/cam", ""},
		{"rtmp://h/live", "live", "cam?k=v", "h/live/cam", "k=v"},
		{"rtmp://h/live?k=v", "live?k=v", "cam", "h/live/cam", "k=v"},
		{"rtmp://h/live?k=v", "live", "cam", "h/live/cam", "k=v"},
		{"rtmp://h/live#k=v", "live#k=v", "cam", "h/live/cam", "k=v"},
		{"rtmp://h/live?t=a/b", "live?t=a/b", "cam", "h/live/cam", "t=a/b"},
		{"rtmp://h/live", "live", "cam?t=a/b", "h/live/cam", "t=a/b"},
	};

	check_rtmp(cases, array_len(cases));
}

static void test_U1_app_levels_and_default_instance(void **state)
{
	static const struct rtmp_case cases[] = {
		{"rtmp://h/a/b/c", "a/b/c", "cam", "h/a/b/c/cam", ""},
		{"rtmp://h/a", "a", "b/c/cam", "h/a/b/c/cam", ""},
		{"rtmp://h/a/b", "a/b", "c/cam", "h/a/b/c/cam", ""},
		{"rtmp://h/live/_definst_", "live/_definst_", "cam", "h/live/cam", ""},
		{"rtmp://h/live", "live", "_definst_/cam", "h/live/cam", ""},
		{"rtmp://h/live/_definst_?k=v", "live/_definst_?k=v", "cam", "h/live/cam", "k=v"},
		{"rtmp://h/live", "live", "_definst_", "h/live/_definst_", ""},
		{"rtmp://h/live/", "live/", "cam", "h/live/cam", ""},
		{"rtmp://h//live/", "/live/", "/cam", "h/live/cam", ""},
	};
	struct stream_name name;
	const char *field, *rule;

	check_rtmp(cases, array_len(cases));
	stream_name_rtmp(&name, text(""), text("a"), text("b/cam"), &field, &rule);
	assert_string_equal(name.app, "a/b");
	assert_string_equal(name.name, "cam");
}

static void test_U1_virtual_hosts(void **state)
{
	static const struct rtmp_case cases[] = {
		{"rtmp://h/live?vhost=V.Example", "live?vhost=V.Example", "cam",
		 "v.example/live/cam", "vhost=V.Example"},
		{"rtmp://h/live", "live", "cam?vhost=v", "v/live/cam", "vhost=v"},
		{"rtmp://h/live?domain=d", "live?domain=d", "cam", "d/live/cam", "domain=d"},
		{"rtmp://h/live?domain=d&vhost=v", "live?domain=d&vhost=v", "cam", "v/live/cam",
		 "domain=d&vhost=v"},
		{"rtmp://h/live...vhost...v", "live...vhost...v", "cam", "v/live/cam", ""},
		{"rtmp://h/live", "live", "cam...vhost...v", "v/live/cam", ""},
		{"rtmp://h/live...vhost...v/cam", "live...vhost...v/cam", "", "v/live/cam", ""},
		{"rtmp://h/live?vhost=", "live?vhost=", "cam", "h/live/cam", "vhost="},
		{"rtmp://h/live", "live", "cam?vhost=__defaultVhost__", "default/live/cam",
		 "vhost=__defaultVhost__"},
		{"rtmp://h/live", "live", "cam?vhost=10.0.0.1", "default/live/cam",
		 "vhost=10.0.0.1"},
		{"rtmp://h/live?vhost=a", "live?vhost=a", "cam?vhost=b", "b/live/cam", "vhost=b"},
	};

	check_rtmp(cases, array_len(cases));
}

static void test_U2_parameters_of_the_stream_win(void **state)
{
	static const struct rtmp_case cases[] = {
		{"", "live?token=old&a=1", "cam?token=new&b=2", "default/live/cam",
		 "token=new&b=2&a=1"},
		{"", "live?token=old", "cam?token", "default/live/cam", "token"},
		{"", "live?tok=1", "cam?token=2", "default/live/cam", "token=2&tok=1"},
		{"", "live?&a=1&&", "cam?&", "default/live/cam", "a=1"},
		{"", "live", "cam?id=1&id=2", "default/live/cam", "id=1&id=2"},
	};

	check_rtmp(cases, array_len(cases));
}

static void test_U6_hosts_become_domains(void **state)
{
	static const struct rtmp_case cases[] = {
		{"rtmp://Play.Example.COM/live", "live", "cam", "play.example.com/live/cam", ""},
		{"rtmp://h.example:1935/live", "live", "cam", "h.example/live/cam", ""},
		{"rtmp://h.example./live", "live", "cam", "h.example/live/cam", ""},
		{"rtmp://user:pw@h/live", "live", "cam", "h/live/cam", ""},
		{"rtmps://h:443/live", "live", "cam", "h/live/cam", ""},
		{"rtmp://127.0.0.1:1935/live", "live", "cam", "default/live/cam", ""},
		{"rtmp://[::1]:1935/live", "live", "cam", "default/live/cam", ""},
		{"rtmp://[::1]/live", "live", "cam", "default/live/cam", ""},
		{"rtmp://2001:db8::1/live", "live", "cam", "default/live/cam", ""},
		{"rtmp://localhost/live", "live", "cam", "default/live/cam", ""},
		{"rtmp://LOCALHOST:1936/live", "live", "cam", "default/live/cam", ""},
		{"rtmp:///live", "live", "cam", "default/live/cam", ""},
		{"", "live", "cam", "default/live/cam", ""},
		{NULL, "live", "cam", "default/live/cam", ""},
		{"live", "live", "cam", "default/live/cam", ""},
		{"rtmp://h/live", "", "cam", "h/live/cam", ""},
		{"rtmp://h/live?k=v", NULL, "cam", "h/live/cam", "k=v"},
	};

	check_rtmp(cases, array_len(cases));
}

static void test_C2_prefixes_and_empty_names(void **state)
{
	static const struct rtmp_case cases[] = {
		{"rtmp://h/live", "live", "flv:cam", "h/live/cam", ""},
		{"rtmp://h/live", "live", "mp4:dir/cam.mp4", "h/live/dir/cam.mp4", ""},
		{"rtmp://h/live", "live", "flv:flv:cam", "h/live/flv:cam", ""},
		{"rtmp://h/live/cam", "live/cam", "", "h/live/cam", ""},
		{"rtmp://h/live/cam", "live/cam", NULL, "h/live/cam", ""},
		{"rtmp://h/a/b/cam", "a/b/cam", "", "h/a/b/cam", ""},
		{"rtmp://h/live/cam?k=v", "live/cam?k=v", "", "h/live/cam", "k=v"},
		{"rtmp://h/live/cam?t=a/b", "live/cam?t=a/b", "", "h/live/cam", "t=a/b"},
		{"rtmp://h/live?k=v/cam", "live?k=v/cam", "", "h/live/cam", "k=v"},
		{"rtmp://h/live/cam", "", "", "h/live/cam", ""},
	};

	check_rtmp(cases, array_len(cases));
}

static void test_U4_names_are_opaque_bytes_decoded_once(void **state)
{
	static const struct rtmp_case cases[] = {
		{"", "live", "cam.v2.final", "default/live/cam.v2.final", ""},
		{"", "live", "a%20b c", "default/live/a b c", ""},
		{"", "live", "%2541", "default/live/%41", ""},
		{"", "live", "%e4%b8%ad\xe6\x96\x87", "default/live/\xe4\xb8\xad\xe6\x96\x87", ""},
		{"", "live", "room%2Fcam", "default/live/room/cam", ""},
		{"", "live", "a+b=c&d", "default/live/a+b=c&d", ""},
		{"", "live", "cam%3Fx", "default/live/cam?x", ""},
		{"", "live", "...", "default/live/...", ""},
		{"", "live", "cam#1", "default/live/cam#1", ""},
	};

	check_rtmp(cases, array_len(cases));
}

/* Each with the field that is wrong. */
static void test_U4_names_that_are_refused(void **state)
{
	static const struct {
		const char *tc_url, *app, *stream, *field;
	} cases[] = {
		{"", "live", "", "app"}, /* one level: it could only be the name */
		{"", "", "cam", "app"},
		{"", "", "", "stream"},
		{"", "live", "?k=v", "app"},
		{"", "live", "flv:", "app"},
		{"", "live", "..", "stream"},
		{"", "live", ".", "stream"},
		{"", "..", "cam", "app"},
		{"", "live/../x", "cam", "app"},
		{"", "live", "%2e%2e/cam", "stream"},
		{"", "live", "a%2f..%2fcam", "stream"},
		{"", "live", "flv:..", "stream"},
		{"", "live", "a\nb", "stream"},
		{"", "live", "a%0ab", "stream"},
		{"", "live", "a%00b", "stream"},
		{"", "live", "a\x7f", "stream"},
		{"", "li\tve", "cam", "app"},
		{"", "live", "cam%", "stream"},
		{"", "live", "cam%zz", "stream"},
		{"", "live", "cam?a=\r\n", "stream"},
		{"", "live?a=\x01", "cam", "app"},
		{"rtmp://a_b!c/live", "live", "cam", "domain"},
		{"rtmp://.h/live", "live", "cam", "domain"},
		{"rtmp://h../live", "live", "cam", "domain"},
		{"rtmp://\xe4\xb8\xad/live", "live", "cam", "domain"},
		{"", "live", "cam?vhost=a%2fb", "domain"},
		{"", "live", "cam?vhost=..", "domain"},
		{"", "live", "cam...vhost...a b", "domain"},
	};

	for (unsigned i = 0; i < array_len(cases); i++) {
		const char *field = "ok", *rule = NULL;
		struct stream_name name;
		int err = stream_name_rtmp(&name, text(cases[i].tc_url), text(cases[i].app),
					   text(cases[i].stream), &field, &rule);

		if (!err)
			field = "ok";
		if (strcmp(field, cases[i].field))
			fail_msg("%s | %s: %s %s", cases[i].app, cases[i].stream, field, rule);
		if (err)
			assert_non_null(rule);
	}
}

/* 0 where the four lengths give a name. */
static int with_lengths(unsigned domain, unsigned app, unsigned name, unsigned params)
{
	char tc_url[2000], a[2000], s[4000];
	const char *field, *rule;
	struct stream_name out;
	int n = sprintf(tc_url, "rtmp://");

	memset(tc_url + n, 'd', domain);
	sprintf(tc_url + n + domain, "/x");
	memset(a, 'a', app);
	a[app] = '\0';
	memset(s, 's', name);
	s[name] = '?';
	memset(s + name + 1, 'p', params);
	s[name + 1 + params] = '\0';
	return stream_name_rtmp(&out, text(tc_url), text(a), text(s), &field, &rule);
}

static void test_U4_longest_names(void **state)
{
	assert_int_equal(with_lengths(127, 127, 255, 1022), 0);
	assert_int_equal(with_lengths(128, 127, 255, 1022), -EINVAL);
	assert_int_equal(with_lengths(127, 128, 255, 1022), -EINVAL);
	assert_int_equal(with_lengths(127, 127, 256, 1022), -EINVAL);
	assert_int_equal(with_lengths(127, 127, 255, 1023), -EINVAL);
	assert_int_equal(with_lengths(1500, 1500, 1500, 1500), -EINVAL);
}

static void test_http_targets(void **state)
{
	static const struct {
		const char *target, *host, *key, *suffix, *params;
	} cases[] = {
		{"/live/cam.flv", "h:8080", "h/live/cam", "flv", ""},
		{"/live/cam.flv?token=x&vhost=V", "h", "v/live/cam", "flv", "token=x&vhost=V"},
		{"/live/cam.v2.flv", "h", "h/live/cam.v2", "flv", ""},
		{"/live/cam", "", "default/live/cam", "", ""},
		{"/live/cam.M3U8", NULL, "default/live/cam", "m3u8", ""},
		{"/a/b/cam-12.ts", "[::1]:8080", "default/a/b/cam-12", "ts", ""},
		{"/live/%e4%b8%ad.flv", "h", "h/live/\xe4\xb8\xad", "flv", ""},
		{"/live/cam%2eflv", "h", "h/live/cam", "flv", ""},
		{"http://other/live/cam.flv", "h", "other/live/cam", "flv", ""},
		{"/live/cam.flv?u=http://x/y", "h", "h/live/cam", "flv", "u=http://x/y"},
		{"/live/cam.", "h", "h/live/cam.", "", ""},
		{"/live/cam.what-is-this", "h", "h/live/cam.what-is-this", "", ""},
		{"/live/cam.abcdefghijklmno", "h", "h/live/cam", "abcdefghijklmno", ""},
		{"/live/cam.abcdefghijklmnop", "h", "h/live/cam.abcdefghijklmnop", "", ""},
		{"/v1.5/cam", "h", "h/v1.5/cam", "", ""},
		{"//live//cam.flv", "h", "h/live/cam", "flv", ""},
	};
	static const char *const bad[] = {"/",
					  "*",
					  "",
					  "/cam.flv",
					  "/live/.flv",
					  "/live/../x/cam.flv",
					  "/live/..flv",
					  "/live/...flv",
					  "/live/%2e%2e/cam.flv",
					  "/live/a%0a.flv",
					  "/live/cam%.flv",
					  "/live/cam.flv?a=\x01"};
	const char *field, *rule;
	struct stream_name name;
	char suffix[16];

	for (unsigned i = 0; i < array_len(cases); i++) {
		char key[STREAM_KEY_MAX];

		if (stream_name_http(&name, text(cases[i].target), text(cases[i].host), suffix,
				     &field, &rule))
			fail_msg("%s: %s %s", cases[i].target, field, rule);
		assert_string_equal(stream_key(key, &name), cases[i].key);
		assert_string_equal(suffix, cases[i].suffix);
		assert_string_equal(name.params, cases[i].params);
	}
	for (unsigned i = 0; i < array_len(bad); i++) {
		if (!stream_name_http(&name, text(bad[i]), text("h"), suffix, &field, &rule))
			fail_msg("%s: %s/%s", bad[i], name.app, name.name);
	}
}

static void test_keys(void **state)
{
	static const struct {
		const char *text, *key;
	} cases[] = {
		{"live/cam", "default/live/cam"},
		{"h/live/cam", "h/live/cam"},
		{"H.Example:1935/live/cam", "h.example/live/cam"},
		{"127.0.0.1/live/cam", "default/live/cam"},
		{"h/a/b/cam", "h/a/b/cam"},
		{"h/live/cam%41?x#y", "h/live/cam%41?x#y"},
	};
	static const char *const bad[] = {
		"",	    "cam",	  "/",		 "/cam",	"h/live/..",
		"h/../cam", "h/live/a\n", "h!/live/cam", "../live/cam", "live/"};
	const char *rule;
	struct stream_name name;
	char key[STREAM_KEY_MAX];

	for (unsigned i = 0; i < array_len(cases); i++) {
		assert_int_equal(stream_name_key(&name, cases[i].text, &rule), 0);
		assert_string_equal(stream_key(key, &name), cases[i].key);
		assert_int_equal(stream_name_key(&name, cases[i].key, &rule), 0);
		assert_string_equal(stream_key(key, &name), cases[i].key);
	}
	for (unsigned i = 0; i < array_len(bad); i++) {
		if (!stream_name_key(&name, bad[i], &rule))
			fail_msg("%s: %s", bad[i], stream_key(key, &name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_U1_where_parameters_may_stand),
		cmocka_unit_test(test_U1_app_levels_and_default_instance),
		cmocka_unit_test(test_U1_virtual_hosts),
		cmocka_unit_test(test_U2_parameters_of_the_stream_win),
		cmocka_unit_test(test_U6_hosts_become_domains),
		cmocka_unit_test(test_C2_prefixes_and_empty_names),
		cmocka_unit_test(test_U4_names_are_opaque_bytes_decoded_once),
		cmocka_unit_test(test_U4_names_that_are_refused),
		cmocka_unit_test(test_U4_longest_names),
		cmocka_unit_test(test_http_targets),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("media/stream_name", tests, NULL, NULL);
}
