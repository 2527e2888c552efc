/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/pull_origin.h"
#include "controlplane/url_sign.h"

static struct pull_question question(const char *auth, const char *params)
{
	return (struct pull_question){.protocol = "rtmp",
				      .host = "o.example.com:1936",
				      .app = "live",
				      .name = "a b",
				      .params = params,
				      .node = "n1",
				      .auth = auth,
				      .sign = SIGN_A,
				      .key = "secretkey",
				      .now_s = 1700000000};
}

static void check(const struct pull_question *q, const char *want)
{
	char *url = pull_origin_url(q);

	if (want)
		assert_string_equal(url, want);
	else
		assert_null(url);
	free(url);
}

static void check_auth(const char *auth, const char *params, const char *want)
{
	struct pull_question q = question(auth, params);

	check(&q, want);
}

static void test_the_origin_is_asked_in_its_own_terms(void **state)
{
	struct pull_question q = question("none", "");

	check_auth("none", "auth_key=1", "rtmp://o.example.com:1936/live/a%20b?mr_hop=n1");
	q.protocol = "httpflv";
	q.host = "[2001:db8::1]:8080";
	q.app = "src";
	check(&q, "http://[2001:db8::1]:8080/src/a%20b.flv?mr_hop=n1");
	q = question("none", "vhost=x");
	q.vhost = "play.example.com";
	check(&q, "rtmp://o.example.com:1936/live/a%20b?vhost=play.example.com&mr_hop=n1");
}

static void test_a_viewers_parameters_are_passed_on_but_those_of_nodes(void **state)
{
	struct pull_question q = question("pass", "vhost=x&&auth_key=1-2&mr_hop=n9");

	check_auth("pass", "t=1&u=2", "rtmp://o.example.com:1936/live/a%20b?t=1&u=2&mr_hop=n1");
	check_auth("pass", "", "rtmp://o.example.com:1936/live/a%20b?mr_hop=n1");
	check_auth("pass", "t=1&mr_hop=n2&u=2",
		   "rtmp://o.example.com:1936/live/a%20b?t=1&u=2&mr_hop=n2,n1");
	q.vhost = "p.example.com";
	check(&q, "rtmp://o.example.com:1936/live/a%20b?vhost=p.example.com&auth_key=1-2&"
		  "mr_hop=n9,n1");
}

static void test_a_url_is_signed_anew_by_the_domains_own_key(void **state)
{
	static const char *const keys[2] = {"secretkey", ""};
	struct pull_question q = question("sign", "auth_key=old");
	char *url = pull_origin_url(&q), *hop = strstr(url, "&mr_hop=n1");

	assert_non_null(hop);
	assert_null(strstr(url, "old"));
	*hop = 0;
	assert_null(url_auth_check(url, SIGN_A, keys, 1800, 1700000001));
	free(url);
	q.protocol = "httpflv";
	url = pull_origin_url(&q);
	*strstr(url, "&mr_hop=n1") = 0;
	assert_null(url_auth_check(url, SIGN_A, keys, 1800, 1700000001));
	free(url);
	q = question("sign", "");
	q.sign = SIGN_B;
	url = pull_origin_url(&q);
	*strstr(url, "?mr_hop=n1") = 0;
	assert_null(url_auth_check(url, SIGN_B, keys, 1800, 1700000001));
	free(url);
	q.key = "";
	check(&q, "rtmp://o.example.com:1936/live/a%20b?mr_hop=n1");
}

static void test_a_node_never_asks_for_what_it_passed_on_P7(void **state)
{
	check_auth("none", "mr_hop=n2", "rtmp://o.example.com:1936/live/a%20b?mr_hop=n2,n1");
	check_auth("none", "x=1&mr_hop=n2,n1", NULL);
	check_auth("none", "mr_hop=n2,n3,n4,n5", NULL);
	check_auth("none", "mr_hop=n11", "rtmp://o.example.com:1936/live/a%20b?mr_hop=n11,n1");
	check_auth("none", "mr_hop=n1", NULL);
}

static void test_an_application_has_its_own_row_before_that_of_all(void **state)
{
	json_t *doc = json_pack("{s[{ss ss} {ss ss}]}", "lazy", "app", PULL_ANY_APP, "hosts", "all",
				"app", "live", "hosts", "own");

	assert_ptr_equal(pull_lazy_row(doc, "live"),
			 json_array_get(json_object_get(doc, "lazy"), 1));
	assert_ptr_equal(pull_lazy_row(doc, "other"),
			 json_array_get(json_object_get(doc, "lazy"), 0));
	json_decref(doc);
	doc = json_object();
	assert_null(pull_lazy_row(doc, "live"));
	json_decref(doc);
}

static void test_each_protocol_has_its_form(void **state)
{
	static const struct {
		const char *protocol, *url, *read_as;
		bool native;
	} cases[] = {
		{"rtmp", "rtmp://h/live/a%20b?mr_hop=n1", "rtmp", true},
		{"httpflv", "http://h/live/a%20b.flv?mr_hop=n1", "http-flv", true},
		{"hls", "http://h/live/a%20b.m3u8?mr_hop=n1", "hls", false},
		{"httpts", "http://h/live/a%20b.ts?mr_hop=n1", "http-ts", false},
		{"rtsp", "rtsp://h/live/a%20b?mr_hop=n1", "rtsp", false},
		{"srt", "srt://h?streamid=%23!::r=live/a%20b,m=request", "srt", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pull_question q = question("none", "");

		q.protocol = cases[i].protocol;
		q.host = "h";
		check(&q, cases[i].url);
		assert_string_equal(pull_protocol(cases[i].url), cases[i].read_as);
		assert_int_equal(pull_is_native(cases[i].url), cases[i].native);
	}
}

static void test_a_source_is_told_by_its_scheme_and_ending(void **state)
{
	assert_string_equal(pull_protocol("HTTPS://h/a/b.M3U8?x=.flv"), "hls");
	assert_string_equal(pull_protocol("rtmps://h/a/b.flv"), "rtmp");
	assert_string_equal(pull_protocol("http://h/a.ts"), "http-ts");
	assert_null(pull_protocol("http://h/a.mp4"));
	assert_null(pull_protocol("https://h/?x=a.m3u8"));
	assert_null(pull_protocol("rtsps://h/a"));
	assert_null(pull_protocol("ftp://h/a.flv"));
	assert_null(pull_protocol(""));
	assert_false(pull_is_native("http://h/a.mp4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_protocol_has_its_form),
		cmocka_unit_test(test_a_source_is_told_by_its_scheme_and_ending),
		cmocka_unit_test(test_the_origin_is_asked_in_its_own_terms),
		cmocka_unit_test(test_a_viewers_parameters_are_passed_on_but_those_of_nodes),
		cmocka_unit_test(test_a_url_is_signed_anew_by_the_domains_own_key),
		cmocka_unit_test(test_a_node_never_asks_for_what_it_passed_on_P7),
		cmocka_unit_test(test_an_application_has_its_own_row_before_that_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
