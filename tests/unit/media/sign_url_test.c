/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "media/sign_url.h"

#define T 1622194197u

static const struct sign_rule rule = {SIGN_A, 1800, {"aliyunliveexp1234", ""}};

static enum sign_result check(const struct sign_rule *r, const char *path, const char *params,
			      uint64_t now_s)
{
	const struct sign_request q = {&path, 1, "", params};
	struct sign_good good;

	return sign_check(r, &q, now_s, &good);
}

/* The same with a signature before the path. */
static enum sign_result check_prefix(const struct sign_rule *r, const char *path,
				     const char *prefix, uint64_t now_s)
{
	const struct sign_request q = {&path, 1, prefix, "KEY1=x"};
	struct sign_good good;

	return sign_check(r, &q, now_s, &good);
}

static void test_published_worked_examples_of_type_a(void **state)
{
	static const struct {
		const char *key, *path;
		uint64_t time_s;
		const char *hash;
	} examples[] = {
		{"aliyunliveexp1234", "/video/standard", T, "5552ff52b5e4e20387c6dc18afce206b"},
		{"aliyunliveexp1234", "/video/standard.flv", T, "9fad133cb7fd0072f7b7b508e64c1883"},
		{"aliyunliveexp1234", "/video/standard.m3u8", T,
		 "c427d71de1a49a41b3699a11162020aa"},
		{"aliyunliveexp1234", "/video/standard_lsd.m3u8", T,
		 "999903e5a86f1523b082f64578f5cd9c"},
		{"aliyuncdnexp1234", "/video/standard/1K.html", 1444435200,
		 "80cd3862d699b7118eed99103f2a3a4f"},
		{"pushKeyPushKey01", "/live/room1", 1700000000, "285416dcfdd32d41b3182991b81073d5"},
	};

	for (size_t i = 0; i < array_len(examples); i++) {
		struct sign_rule r = {SIGN_A, 1800, {"", ""}};
		char want[SIGN_TEXT_MAX], made[SIGN_TEXT_MAX], params[256];

		snprintf(want, sizeof(want), "%llu-0-0-%s", (unsigned long long)examples[i].time_s,
			 examples[i].hash);
		assert_string_equal(sign_make(made, examples[i].key, examples[i].path,
					      examples[i].time_s, "0", "0"),
				    want);
		snprintf(params, sizeof(params), "a=b&auth_key=%s&c=d", want);
		snprintf(r.key[1], sizeof(r.key[1]), "%s", examples[i].key);
		assert_int_equal(check(&r, examples[i].path, params, examples[i].time_s), SIGN_OK);
	}
}

static void test_a_url_is_good_until_its_time_plus_the_window(void **state)
{
	const char *params = "auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b";
	const char *path = "/video/standard";
	const struct sign_request q = {&path, 1, "", params};
	struct sign_good good;

	assert_int_equal(sign_check(&rule, &q, 0, &good), SIGN_OK);
	assert_int_equal(good.until_s, T + 1800);
	assert_int_equal(check(&rule, path, params, T + 1800), SIGN_OK);
	assert_int_equal(check(&rule, path, params, T + 1801), SIGN_EXPIRED);
}

static void test_either_of_two_keys_is_good_so_that_they_rotate(void **state)
{
	struct sign_rule r = {SIGN_A, 1800, {"first-key", "second-key"}};
	const char *path = "/live/a";
	struct sign_good good;
	char first[SIGN_TEXT_MAX + 16] = "auth_key=", second[SIGN_TEXT_MAX + 16] = "auth_key=";

	sign_make(first + 9, "first-key", "/live/a", T, "0", "0");
	sign_make(second + 9, "second-key", "/live/a", T, "477b3bbc253f467b8def6711128c7bec", "7");
	assert_int_equal(check(&r, "/live/a", first, T), SIGN_OK);
	assert_int_equal(sign_check(&r, &(struct sign_request){&path, 1, "", second}, T, &good),
			 SIGN_OK);
	assert_int_equal(good.key, 1);
	strcpy(r.key[0], "third-key");
	assert_int_equal(check(&r, "/live/a", first, T), SIGN_MISMATCH);
	assert_int_equal(check(&r, "/live/a", second, T), SIGN_OK);
	strcpy(r.key[1], "");
	assert_int_equal(check(&r, "/live/a", second, T), SIGN_MISMATCH);
}

static void test_the_suffix_of_http_is_part_of_what_is_signed(void **state)
{
	const char *flv = "auth_key=1622194197-0-0-9fad133cb7fd0072f7b7b508e64c1883";
	const char *paths[] = {"/video/standard/17.ts", NULL, "/video/standard.flv"};
	const struct sign_request q = {paths, 3, "", flv};
	struct sign_good good;

	assert_int_equal(check(&rule, "/video/standard", flv, T), SIGN_MISMATCH);
	assert_int_equal(check(&rule, "/video/standard.m3u8", flv, T), SIGN_MISMATCH);
	assert_int_equal(check(&rule, "/video/standard.flv", flv, T), SIGN_OK);
	assert_int_equal(sign_check(&rule, &q, T, &good), SIGN_OK);
}

static void test_what_is_no_signature_is_told_from_a_wrong_one(void **state)
{
	static const struct {
		const char *params;
		enum sign_result want;
	} cases[] = {
		{"", SIGN_MISSING},
		{"auth_key=", SIGN_MISSING},
		{"auth_keys=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b", SIGN_MISSING},
		{"auth_key=%zz", SIGN_MISSING},
		{"auth_key=1", SIGN_MALFORMED},
		{"auth_key=-0-0-5552ff52b5e4e20387c6dc18afce206b", SIGN_MALFORMED},
		{"auth_key=16221941971622194197-0-0-5552ff52b5e4e20387c6dc18afce206b",
		 SIGN_MALFORMED},
		{"auth_key=1622194197-0-5552ff52b5e4e20387c6dc18afce206b", SIGN_MALFORMED},
		{"auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206", SIGN_MALFORMED},
		{"auth_key=1622194197-0-0-5552FF52B5E4E20387C6DC18AFCE206B", SIGN_MALFORMED},
		{"auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b0", SIGN_MALFORMED},
		{"auth_key=1622194197--0-5552ff52b5e4e20387c6dc18afce206b", SIGN_MALFORMED},
		{"auth_key=1622194197-0-1-5552ff52b5e4e20387c6dc18afce206b", SIGN_MISMATCH},
		{"auth_key=1622194198-0-0-5552ff52b5e4e20387c6dc18afce206b", SIGN_MISMATCH},
		{"auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206c", SIGN_MISMATCH},
	};

	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(check(&rule, "/video/standard", cases[i].params, T),
				 cases[i].want);
}

static void test_a_domain_that_does_not_sign_takes_every_url(void **state)
{
	const struct sign_rule none = {SIGN_NONE, 0, {"", ""}};
	const char *path = "/live/a";
	const struct sign_request q = {&path, 1, "", "auth_key=x"};
	struct sign_good good;

	assert_int_equal(sign_check(&none, &q, T, &good), SIGN_OK);
	assert_true(good.until_s == UINT64_MAX);
}

#define B_TIME 1439596800u /* 2015-08-15 08:00 by the clocks of UTC+8 */
#define C_TIME 0x55CE8100u

static const struct sign_rule rule_b = {SIGN_B, 1800, {"", "aliyuncdnexp1234"}};
static const struct sign_rule rule_c = {SIGN_C, 1800, {"aliyuncdnexp1234", ""}};

static void test_published_worked_example_of_type_b(void **state)
{
	const char *path = "/4/44/44c0909bcfc20a01afaf256ca99a8b8b.mp3";
	const char *prefix = "201508150800/9044548ef1527deadafa49a890a377f0";

	assert_int_equal(check_prefix(&rule_b, path, prefix, B_TIME), SIGN_OK);
	assert_int_equal(check_prefix(&rule_b, path, prefix, B_TIME + 1800), SIGN_OK);
	assert_int_equal(check_prefix(&rule_b, path, prefix, B_TIME + 1801), SIGN_EXPIRED);
	assert_int_equal(check_prefix(&rule_b, "/4/44/other.mp3", prefix, B_TIME), SIGN_MISMATCH);
	assert_int_equal(check(&rule_b, path, "auth_key=1622194197-0-0-5552", B_TIME),
			 SIGN_MISSING);
}

static void test_published_worked_example_of_type_c_in_both_places(void **state)
{
	static const char prefix[] = "a37fa50a5fb8f71214b1e7c95ec7a1bd/55CE8100";
	static const char params[] = "a=b&KEY1=a37fa50a5fb8f71214b1e7c95ec7a1bd&KEY2=55CE8100";

	assert_int_equal(check_prefix(&rule_c, "/test.flv", prefix, C_TIME), SIGN_OK);
	assert_int_equal(check(&rule_c, "/test.flv", params, C_TIME + 1800), SIGN_OK);
	assert_int_equal(check(&rule_c, "/test.flv", params, C_TIME + 1801), SIGN_EXPIRED);
	assert_int_equal(check(&rule_c, "/test", params, C_TIME), SIGN_MISMATCH);
	assert_int_equal(check(&rule_c, "/test.flv", "KEY2=55CE8100", C_TIME), SIGN_MISSING);
	assert_int_equal(check(&rule_c, "/test.flv", "KEY1=a37f&KEY2=55CE8100", C_TIME),
			 SIGN_MALFORMED);
	assert_int_equal(check(&rule_c, "/test.flv",
			       "KEY1=a37fa50a5fb8f71214b1e7c95ec7a1bd&KEY2=55CE81zz", C_TIME),
			 SIGN_MALFORMED);
}

static void test_a_signature_before_the_path_leaves_the_application(void **state)
{
	static const struct {
		enum sign_type type;
		const char *app, *prefix, *rest;
	} cases[] = {
		{SIGN_B, "201508150800/9044548ef1527deadafa49a890a377f0/live",
		 "201508150800/9044548ef1527deadafa49a890a377f0", "live"},
		{SIGN_B, "201508150800/9044548ef1527deadafa49a890a377f0/live/x",
		 "201508150800/9044548ef1527deadafa49a890a377f0", "live/x"},
		{SIGN_C, "a37fa50a5fb8f71214b1e7c95ec7a1bd/55CE8100/live",
		 "a37fa50a5fb8f71214b1e7c95ec7a1bd/55CE8100", "live"},
		{SIGN_A, "201508150800/9044548ef1527deadafa49a890a377f0/live", "", NULL},
		{SIGN_C, "201508150800/9044548ef1527deadafa49a890a377f0/live", "", NULL},
		{SIGN_B, "201508150800/9044548ef1527deadafa49a890a377f0", "", NULL},
		{SIGN_B, "201513150800/9044548ef1527deadafa49a890a377f0/live", "", NULL},
		{SIGN_B, "201508150860/9044548ef1527deadafa49a890a377f0/live", "", NULL},
		{SIGN_B, "201508150800/9044548EF1527deadafa49a890a377f0/live", "", NULL},
		{SIGN_B, "201508150800/9044548ef1527deadafa49a890a377f01/live", "", NULL},
		{SIGN_C, "a37fa50a5fb8f71214b1e7c95ec7a1bd/55CE81000000/live", "", NULL},
		{SIGN_C, "a37fa50a5fb8f71214b1e7c95ec7a1bd//live", "", NULL},
		{SIGN_B, "live", "", NULL},
		{SIGN_B, "", "", NULL},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		char app[128], prefix[SIGN_PREFIX_MAX] = "x";

		strcpy(app, cases[i].app);
		sign_take_prefix(cases[i].type, app, prefix);
		assert_string_equal(prefix, cases[i].prefix);
		assert_string_equal(app, cases[i].rest ? cases[i].rest : cases[i].app);
	}
}

static void test_times_are_written_as_they_are_read(void **state)
{
	char text[SIGN_TIME_TEXT];
	uint64_t back;

	assert_string_equal(sign_time_text(text, SIGN_A, T), "1622194197");
	assert_string_equal(sign_time_text(text, SIGN_B, B_TIME + 59), "201508150800");
	assert_string_equal(sign_time_text(text, SIGN_C, C_TIME), "55CE8100");
	assert_true(sign_time(&back, SIGN_C, (struct slice){(const uint8_t *)"55ce8100", 8}));
	assert_int_equal(back, C_TIME);
	assert_false(sign_time(&back, SIGN_B, (struct slice){(const uint8_t *)"20150815080", 11}));
	assert_false(sign_time(&back, SIGN_B, (struct slice){(const uint8_t *)"201502290800", 12}));
	assert_false(sign_time(&back, SIGN_B, (struct slice){(const uint8_t *)"196912312359", 12}));
	assert_false(sign_time(&back, SIGN_A, (struct slice){(const uint8_t *)"", 0}));
	assert_int_equal(sign_type_of("type_b"), SIGN_B);
	assert_int_equal(sign_type_of("type_"), SIGN_NONE);
	assert_int_equal(sign_type_of("no_auth"), SIGN_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_worked_examples_of_type_a),
		cmocka_unit_test(test_a_url_is_good_until_its_time_plus_the_window),
		cmocka_unit_test(test_either_of_two_keys_is_good_so_that_they_rotate),
		cmocka_unit_test(test_the_suffix_of_http_is_part_of_what_is_signed),
		cmocka_unit_test(test_what_is_no_signature_is_told_from_a_wrong_one),
		cmocka_unit_test(test_a_domain_that_does_not_sign_takes_every_url),
		cmocka_unit_test(test_published_worked_example_of_type_b),
		cmocka_unit_test(test_published_worked_example_of_type_c_in_both_places),
		cmocka_unit_test(test_a_signature_before_the_path_leaves_the_application),
		cmocka_unit_test(test_times_are_written_as_they_are_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
