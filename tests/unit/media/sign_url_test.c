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
	uint64_t until_s;

	return sign_check(r, &path, 1, params, now_s, &until_s);
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
	uint64_t until_s;

	assert_int_equal(sign_check(&rule, &path, 1, params, 0, &until_s), SIGN_OK);
	assert_int_equal(until_s, T + 1800);
	assert_int_equal(check(&rule, path, params, T + 1800), SIGN_OK);
	assert_int_equal(check(&rule, path, params, T + 1801), SIGN_EXPIRED);
}

static void test_either_of_two_keys_is_good_so_that_they_rotate(void **state)
{
	struct sign_rule r = {SIGN_A, 1800, {"first-key", "second-key"}};
	char first[SIGN_TEXT_MAX + 16] = "auth_key=", second[SIGN_TEXT_MAX + 16] = "auth_key=";

	sign_make(first + 9, "first-key", "/live/a", T, "0", "0");
	sign_make(second + 9, "second-key", "/live/a", T, "477b3bbc253f467b8def6711128c7bec", "7");
	assert_int_equal(check(&r, "/live/a", first, T), SIGN_OK);
	assert_int_equal(check(&r, "/live/a", second, T), SIGN_OK);
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
	uint64_t until_s;

	assert_int_equal(check(&rule, "/video/standard", flv, T), SIGN_MISMATCH);
	assert_int_equal(check(&rule, "/video/standard.m3u8", flv, T), SIGN_MISMATCH);
	assert_int_equal(check(&rule, "/video/standard.flv", flv, T), SIGN_OK);
	assert_int_equal(sign_check(&rule, paths, 3, flv, T, &until_s), SIGN_OK);
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
	assert_string_equal(sign_diagnosis(SIGN_MISSING), "INVALID AUTH_KEY");
	assert_string_equal(sign_diagnosis(SIGN_MALFORMED), "INVALID AUTH_KEY");
	assert_string_equal(sign_diagnosis(SIGN_EXPIRED), "INVALID TIMESTAMP");
	assert_string_equal(sign_diagnosis(SIGN_MISMATCH), "INVALID MD5HASH");
	assert_string_equal(sign_diagnosis(SIGN_OK), "");
}

static void test_a_domain_that_does_not_sign_takes_every_url(void **state)
{
	const struct sign_rule none = {SIGN_NONE, 0, {"", ""}};
	const char *path = "/live/a";
	uint64_t until_s = 0;

	assert_int_equal(sign_check(&none, &path, 1, "auth_key=x", T, &until_s), SIGN_OK);
	assert_true(until_s == UINT64_MAX);
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
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
