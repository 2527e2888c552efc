/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/domain.h"
#include "controlplane/rules.h"

#define ONE(name, args)	 "{\"functionName\":\"" name "\",\"functionArgs\":[" args "]}"
#define ARG(name, value) "{\"argName\":\"" name "\",\"argValue\":\"" value "\"}"

static void check_json(const json_t *o, const char *want)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, want);
	free(text);
}

static json_t *make(const char *type)
{
	return domain_new(type, "", 1000);
}

/* 0, or the HTTP status of the refusal; it must name `names`. */
static int set(json_t *doc, const char *functions, const char *names)
{
	struct refusal r = {0};
	json_t *list;
	int status = 0;

	if (!domain_parse_functions(functions, &list, &r)) {
		assert_null(list);
		status = r.status;
	} else {
		if (!domain_set_functions(doc, "d.example.com", list, &r))
			status = r.status;
		json_decref(list);
	}
	if (names && !strstr(r.message, names))
		fail_msg("\"%s\" does not name %s", r.message, names);
	return status;
}

static void test_a_new_domain_is_signed_by_a_key_of_its_own(void **state)
{
	json_t *a = make(DOMAIN_INGEST), *b = make(DOMAIN_INGEST);

	assert_string_equal(domain_arg(a, "aliauth", "auth_type"), "type_a");
	assert_int_equal(strlen(domain_arg(a, "aliauth", "auth_key1")), DOMAIN_KEY_CHARS);
	assert_string_not_equal(domain_arg(a, "aliauth", "auth_key1"),
				domain_arg(b, "aliauth", "auth_key1"));
	json_decref(a);
	json_decref(b);
}

static void test_what_cannot_be_a_function_is_refused_by_its_place(void **state)
{
	static const struct {
		const char *text, *names;
		int status;
	} cases[] = {
		{"", "Functions must be JSON", 400},
		{"[{", "line 1", 400},
		{"{}", "list of 1 to", 400},
		{"[]", "list of 1 to", 400},
		{"[1]", "Functions[0].functionName", 400},
		{"[" ONE("nothing", "") "]", "Functions[0].functionName", 400},
		{"[{\"functionName\":\"aliauth\"}]", "Functions[0].functionArgs", 400},
		{"[" ONE("aliauth", "") "]", "auth_type of aliauth is missing", 400},
		{"[" ONE("aliauth", ARG("auth_type", "type_x")) "]",
		 "Functions[0].functionArgs[0].argValue (auth_type)", 400},
		{"[" ONE("aliauth", ARG("auth_type", "type_a")) "]", "auth_key1 is missing", 400},
		{"[" ONE("aliauth", ARG("auth_type", "no_auth") "," ARG("what", "1")) "]",
		 "Functions[0].functionArgs[1].argName", 400},
		{"[" ONE("aliauth",
			 ARG("auth_type", "no_auth") "," ARG("auth_type", "no_auth")) "]",
		 "given twice", 400},
		{"[" ONE("aliauth", ARG("auth_type", "no_auth")) "," ONE(
			 "aliauth", ARG("auth_type", "no_auth")) "]",
		 "Functions[1].functionName: aliauth is set twice", 400},
		{"[" ONE("ip_black_list_set", ARG("ip_list", "10.0.0.0/8,nonsense")) "]",
		 "Functions[0].functionArgs[0].argValue (ip_list)", 400},
		{"[" ONE("ip_black_list_set", ARG("ip_list", "10.0.0.0/33")) "]", "ip_list", 400},
		{"[" ONE("ip_black_list_set", ARG("ip_list", "10.0.0.0/8,,::1")) "]", "ip_list",
		 400},
		{"[" ONE("country_black_list_set", ARG("country_list", "CN,cn")) "]",
		 "Functions[0].functionArgs[0].argValue (country_list)", 400},
		{"[" ONE("country_black_list_set", ARG("country_list", "CN")) "," ONE(
			 "country_allow_list_set", ARG("country_list", "US")) "]",
		 "exclude each other", 400},
		{"[" ONE("aliauth", ARG("auth_type", "type_b")) "]", "auth_key1 is missing", 400},
		{"[" ONE("referer_white_list_set", ARG("refer_domain_allow_list", "a b")) "]",
		 "refer_domain_allow_list", 400},
		{"[" ONE("live_publish", ARG("policy", "replace")) "]", "not for streaming domains",
		 400},
		{"[" ONE("live_play", ARG("delay_s", "5")) "]", "delay_s", 400},
		{"[" ONE("remote_auth", ARG("remote_auth_addr", "ftp://x/")) "]",
		 "remote_auth_addr", 400},
		{"[{\"functionName\":\"aliauth\",\"functionArgs\":[" ARG(
			 "auth_type", "no_auth") "],\"configId\":77}]",
		 "configId 77", 404},
		{"[{\"functionName\":\"aliauth\",\"functionArgs\":[],\"configId\":\"x\"}]",
		 "Functions[0].configId", 400},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *doc = make(DOMAIN_PLAY);

		assert_int_equal(set(doc, cases[i].text, cases[i].names), cases[i].status);
		json_decref(doc);
	}
}

static void test_a_white_and_a_black_list_exclude_each_other(void **state)
{
	json_t *doc = make(DOMAIN_PLAY);

	assert_int_equal(set(doc,
			     "[" ONE("ip_black_list_set", ARG("ip_list", "::/0")) "," ONE(
				     "ip_allow_list_set", ARG("ip_list", "10.0.0.1")) "]",
			     "ip_allow_list_set and ip_black_list_set exclude each other"),
			 400);
	json_decref(doc);
	doc = make(DOMAIN_PLAY);
	assert_int_equal(set(doc, "[" ONE("ip_black_list_set", ARG("ip_list", "::/0")) "]", NULL),
			 0);
	assert_int_equal(
		set(doc, "[" ONE("ip_allow_list_set", ARG("ip_list", "10.0.0.1")) "]", "exclude"),
		400);
	json_decref(doc);
}

static void test_a_function_set_again_keeps_its_id(void **state)
{
	json_t *doc = make(DOMAIN_INGEST), *f;

	assert_int_equal(set(doc, "[" ONE("live_publish", ARG("policy", "replace")) "]", NULL), 0);
	assert_int_equal(set(doc, "[" ONE("live_publish", ARG("hold_ms", "0")) "]", NULL), 0);
	assert_int_equal(json_array_size(json_object_get(doc, "functions")), 2);
	f = json_array_get(json_object_get(doc, "functions"), 1);
	assert_int_equal(json_integer_value(json_object_get(f, "id")), 2);
	assert_string_equal(domain_arg(doc, "live_publish", "policy"), "");
	assert_true(domain_del_function(doc, "live_publish"));
	assert_false(domain_del_function(doc, "live_publish"));
	json_decref(doc);
}

static void test_the_data_plane_is_told_what_the_functions_say(void **state)
{
	json_t *push = make(DOMAIN_INGEST), *play = make(DOMAIN_PLAY), *all, *config, *want;

	json_object_set_new(play, "push", json_string("push.example.com"));
	assert_int_equal(
		set(play,
		    "[" ONE("aliauth",
			    ARG("auth_type", "type_a") "," ARG("auth_key1", "abcdef") "," ARG("auth_key2", "ghijkl") "," ARG(
				    "ali_auth_delta",
				    "60")) "," ONE("referer_black_list_set",
						   ARG("refer_domain_deny_list", "*.bad.com, worse.com") "," ARG(
							   "allow_empty",
							   "off")) "," ONE("ip_allow_list_set",
									   ARG("ip_list",
									       "10.0.0.0/8,fc00::/"
									       "7")) "," ONE("live_play",
											     ARG("tick",
												 "lo"
												 "w")) "]",
		    NULL),
		0);
	all = json_pack("{so so}", "push.example.com", push, "play.example.com", play);
	config = domain_config(all, "play.example.com", true, 60000);
	want = json_loads(
		"{\"version\":1000,\"type\":\"play\",\"enabled\":true,\"center\":\"push.example.com\","
		"\"auth\":{\"type\":\"a\",\"key1\":\"abcdef\",\"key2\":\"ghijkl\",\"publish\":false,"
		"\"play\":true,\"window_s\":60,\"cut\":false},"
		"\"referer\":{\"mode\":\"deny\",\"list\":[\"*.bad.com\",\"worse.com\"],\"empty\":false},"
		"\"ip\":{\"allow\":[\"10.0.0.0/8\",\"fc00::/7\"]},\"play\":{\"tick\":\"low\"},"
		"\"pull\":{\"mode\":\"triggered\",\"idle_ms\":60000}}",
		0, NULL);
	assert_non_null(want);
	if (!json_equal(config, want)) {
		char *text = json_dumps(config, 0);

		print_message("%s\n", text);
		free(text);
	}
	assert_true(json_equal(config, want));
	json_decref(config);
	json_decref(want);
	json_decref(all);
}

static void test_latency_and_delays_reach_the_data_plane_and_the_packager(void **state)
{
	json_t *all = json_pack("{so so}", "push.example.com", make(DOMAIN_INGEST),
				"play.example.com", make(DOMAIN_PLAY));
	json_t *play = json_object_get(all, "play.example.com"), *config;

	json_object_set_new(play, "push", json_string("push.example.com"));
	json_object_set_new(play, "latency",
			    json_pack("{si si si}", "rtmp", 4, "flv", 8, "hls", 7));
	json_object_set_new(play, "delays",
			    json_pack("[{ss ss si} {ss ss si} {ss ss si}]", "app", "*", "stream",
				      "*", "s", 16, "app", "live", "stream", "*", "s", 60, "app",
				      "live", "stream", "a", "s", 3600));
	config = domain_config(all, "play.example.com", false, 0);
	check_json(json_object_get(config, "play"), "{\"delay_s\":16,\"flv_s\":8,\"rtmp_s\":4}");
	check_json(json_object_get(config, "apps"), "{\"live\":{\"play\":{\"delay_s\":60}}}");
	check_json(json_object_get(config, "streams"),
		   "{\"live/a\":{\"play\":{\"delay_s\":3600}}}");
	json_decref(config);
	assert_int_equal(domains_hls_segment(all, "push.example.com/live/a", 4000), 2000);
	assert_int_equal(domains_hls_segment(all, "other.example.com/live/a", 4000), 4000);
	json_decref(all);
}

static void test_the_domain_that_wants_most_says_how_a_stream_is_packaged(void **state)
{
	json_t *all = json_object(), *play;
	const char *const names[] = {"a.example.com", "b.example.com", "c.example.com"};

	json_object_set_new(all, "push.example.com", make(DOMAIN_INGEST));
	for (size_t i = 0; i < 3; i++) {
		play = make(DOMAIN_PLAY);
		json_object_set_new(play, "push", json_string("push.example.com"));
		json_object_set_new(all, names[i], play);
	}
	assert_false(domains_name_hls(all));
	assert_string_equal(domains_hls(all, "push.example.com/live/a", "on_demand"), "on_demand");
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(set(json_object_get(all, names[i]),
				     "[" ONE("live_play", ARG("hls", "off")) "]", NULL),
				 0);
	assert_true(domains_name_hls(all));
	assert_string_equal(domains_hls(all, "push.example.com/live/a", "on_demand"), "off");
	assert_string_equal(domains_hls(all, "other.example.com/live/a", "on_demand"), "on_demand");
	assert_int_equal(set(json_object_get(all, names[1]),
			     "[" ONE("live_play", ARG("hls", "always")) "]", NULL),
			 0);
	assert_string_equal(domains_hls(all, "push.example.com/live/a", "off"), "always");
	assert_int_equal(domains_hls_idle(all, "push.example.com/live/a", 60000), 60000);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(set(json_object_get(all, names[i]),
				     "[" ONE("live_play", ARG("hls_idle", "9")) "]", NULL),
				 0);
	assert_int_equal(domains_hls_idle(all, "push.example.com/live/a", 60000), 9000);
	assert_int_equal(domains_hls_idle(all, "other.example.com/live/a", 60000), 60000);
	json_decref(all);
}

static void test_a_domain_finds_its_ingest_domain(void **state)
{
	json_t *all = json_object();

	json_object_set_new(all, "push.e.com", make(DOMAIN_INGEST));
	json_object_set_new(all, "play.e.com", make(DOMAIN_PLAY));
	json_object_set_new(all, "sub.e.com", make(DOMAIN_PLAY));
	assert_string_equal(domain_center(all, "push.e.com"), "push.e.com");
	assert_string_equal(domain_center(all, "play.e.com"), "play.e.com");
	json_object_set_new(json_object_get(all, "sub.e.com"), "main", json_string("play.e.com"));
	assert_string_equal(domain_center(all, "sub.e.com"), "play.e.com");
	json_object_set_new(json_object_get(all, "play.e.com"), "push", json_string("push.e.com"));
	assert_string_equal(domain_center(all, "sub.e.com"), "push.e.com");
	json_decref(all);
}

static void test_domain_and_stream_names(void **state)
{
	static const char *const good[] = {"a.b", "push.example.com", "x-1.example.com"};
	static const char *const bad[] = {"",	  "localhost", "A.b",  "a..b",	".a",
					  "a.b.", "-a.b",      "a-.b", "a_b.c", "a b.c"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(rule_domain(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(rule_domain(bad[i]));
	assert_true(rule_is_name("live"));
	assert_true(rule_is_name("a/b.c"));
	assert_false(rule_is_name("a//b"));
	assert_false(rule_is_name("../b"));
	assert_false(rule_is_name("a b"));
	assert_false(rule_is_name("a?b"));
	assert_false(rule_is_name(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_domain_is_signed_by_a_key_of_its_own),
		cmocka_unit_test(test_what_cannot_be_a_function_is_refused_by_its_place),
		cmocka_unit_test(test_a_white_and_a_black_list_exclude_each_other),
		cmocka_unit_test(test_a_function_set_again_keeps_its_id),
		cmocka_unit_test(test_the_data_plane_is_told_what_the_functions_say),
		cmocka_unit_test(test_latency_and_delays_reach_the_data_plane_and_the_packager),
		cmocka_unit_test(test_the_domain_that_wants_most_says_how_a_stream_is_packaged),
		cmocka_unit_test(test_a_domain_finds_its_ingest_domain),
		cmocka_unit_test(test_domain_and_stream_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
