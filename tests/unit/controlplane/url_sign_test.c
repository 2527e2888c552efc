/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "controlplane/url_encode.h"
#include "controlplane/url_sign.h"

#define HOST "rtmp://demo.aliyundoc.com"
#define T0   1622194197

static const char *const keys[2] = {"aliyunliveexp1234", ""};

/* apsara-live.md 3.1: every worked example. */
static void test_the_published_examples(void **state)
{
	static const struct {
		const char *path, *key, *auth;
		int64_t when;
	} cases[] = {
		{"/video/standard", "aliyunliveexp1234",
		 "1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b", 1622194197},
		{"/video/standard.flv", "aliyunliveexp1234",
		 "1622194197-0-0-9fad133cb7fd0072f7b7b508e64c1883", 1622194197},
		{"/video/standard.m3u8", "aliyunliveexp1234",
		 "1622194197-0-0-c427d71de1a49a41b3699a11162020aa", 1622194197},
		{"/video/standard_lsd.m3u8", "aliyunliveexp1234",
		 "1622194197-0-0-999903e5a86f1523b082f64578f5cd9c", 1622194197},
		{"/video/standard/1K.html", "aliyuncdnexp1234",
		 "1444435200-0-0-80cd3862d699b7118eed99103f2a3a4f", 1444435200},
		{"/live/room1", "pushKeyPushKey01",
		 "1700000000-0-0-285416dcfdd32d41b3182991b81073d5", 1700000000},
	};
	struct url_signature by;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		url_sign(&by, &(struct url_signer){SIGN_A, cases[i].key, "0", cases[i].when},
			 cases[i].path);
		assert_string_equal(by.before, "");
		assert_memory_equal(by.query, "auth_key=", 9);
		assert_string_equal(by.query + 9, cases[i].auth);
	}
}

static const char *check(const char *query, const char *const k[2], int64_t now)
{
	char url[512];

	snprintf(url, sizeof(url), HOST "/video/standard%s", query);
	return url_auth_check(url, SIGN_A, k, 1800, now);
}

static void test_a_url_is_good_until_timestamp_plus_window(void **state)
{
	const char *q = "?auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b";

	assert_null(check(q, keys, T0));
	assert_null(check(q, keys, T0 + 1800));
	assert_string_equal(check(q, keys, T0 + 1801), "INVALID TIMESTAMP");
	assert_null(check(q, keys, T0 - 100000));
}

static void test_either_key_is_good(void **state)
{
	static const char *const second[2] = {"anotherkey", "aliyunliveexp1234"};
	static const char *const none[2] = {"", ""};
	const char *q = "?a=1&auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b&b=2";

	assert_null(check(q, keys, T0));
	assert_null(check(q, second, T0));
	assert_string_equal(check(q, none, T0), "INVALID MD5HASH");
}

static void test_what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *query, *wrong;
	} cases[] = {
		{"", "INVALID AUTH_KEY"},
		{"?auth_key=", "INVALID AUTH_KEY"},
		{"?xauth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b", "INVALID AUTH_KEY"},
		{"?auth_key=1622194197-0-5552ff52b5e4e20387c6dc18afce206b", "INVALID AUTH_KEY"},
		{"?auth_key=1622194197-0-0-5552ff", "INVALID AUTH_KEY"},
		{"?auth_key=-0-0-5552ff52b5e4e20387c6dc18afce206b", "INVALID TIMESTAMP"},
		{"?auth_key=99999999999999-0-0-5552ff52b5e4e20387c6dc18afce206b",
		 "INVALID TIMESTAMP"},
		{"?auth_key=16x-0-0-5552ff52b5e4e20387c6dc18afce206b", "INVALID TIMESTAMP"},
		{"?auth_key=1622194197-1-0-5552ff52b5e4e20387c6dc18afce206b", "INVALID MD5HASH"},
		{"?auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206B", "INVALID MD5HASH"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(check(cases[i].query, keys, T0), cases[i].wrong);
}

#define B_URL \
	"http://cdn.example.com/201508150800/9044548ef1527deadafa49a890a377f0/4/44/44c0909bcfc20a01afaf256ca99a8b8b.mp3"
#define C_BEFORE "http://cdn.example.com/a37fa50a5fb8f71214b1e7c95ec7a1bd/55CE8100/test.flv"
#define C_QUERY \
	"http://cdn.example.com/test.flv?KEY1=a37fa50a5fb8f71214b1e7c95ec7a1bd&KEY2=55CE8100"
#define B_TIME 1439596800
#define C_TIME 0x55CE8100

/* Those of the sibling product, which has described types B and C. */
static void test_the_published_examples_of_types_b_and_c(void **state)
{
	static const char *const cdn[2] = {"aliyuncdnexp1234", ""};
	struct url_signature by;

	url_sign(&by, &(struct url_signer){SIGN_B, cdn[0], "0", B_TIME + 7},
		 "/4/44/44c0909bcfc20a01afaf256ca99a8b8b.mp3");
	assert_string_equal(by.before, "/201508150800/9044548ef1527deadafa49a890a377f0");
	assert_string_equal(by.query, "");
	url_sign(&by, &(struct url_signer){SIGN_C, cdn[0], "0", C_TIME}, "/test.flv");
	assert_string_equal(by.before, "");
	assert_string_equal(by.query, "KEY1=a37fa50a5fb8f71214b1e7c95ec7a1bd&KEY2=55CE8100");
	assert_null(url_auth_check(B_URL, SIGN_B, cdn, 1800, B_TIME + 1800));
	assert_string_equal(url_auth_check(B_URL, SIGN_B, cdn, 1800, B_TIME + 1801),
			    "INVALID TIMESTAMP");
	assert_string_equal(url_auth_check(B_URL, SIGN_B, keys, 1800, B_TIME), "INVALID MD5HASH");
	assert_string_equal(url_auth_check(B_URL, SIGN_A, cdn, 1800, B_TIME), "INVALID AUTH_KEY");
	assert_null(url_auth_check(C_BEFORE, SIGN_C, cdn, 1800, C_TIME));
	assert_null(url_auth_check(C_QUERY, SIGN_C, cdn, 1800, C_TIME + 1800));
	assert_string_equal(url_auth_check(C_QUERY, SIGN_C, cdn, 1800, C_TIME + 1801),
			    "INVALID TIMESTAMP");
	assert_string_equal(url_auth_check(C_QUERY, SIGN_B, cdn, 1800, C_TIME), "INVALID AUTH_KEY");
	assert_string_equal(url_auth_check("http://x", SIGN_B, cdn, 1800, 0), "INVALID AUTH_KEY");
	assert_string_equal(url_auth_check("x", SIGN_C, cdn, 1800, 0), "INVALID AUTH_KEY");
}

static void test_no_type_signs_nothing(void **state)
{
	struct url_signature by;

	url_sign(&by, &(struct url_signer){SIGN_NONE, "", "0", 1}, "/live/a");
	assert_string_equal(by.before, "");
	assert_string_equal(by.query, "");
}

static void test_a_path_is_encoded_before_it_is_signed(void **state)
{
	char out[64];

	assert_string_equal(url_encode_path(out, sizeof(out), "/live/a b~\xc3\xa9"),
			    "/live/a%20b~%C3%A9");
	assert_null(url_encode_path(out, 8, "/live/room"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_published_examples),
		cmocka_unit_test(test_a_url_is_good_until_timestamp_plus_window),
		cmocka_unit_test(test_either_key_is_good),
		cmocka_unit_test(test_what_is_wrong_is_named),
		cmocka_unit_test(test_the_published_examples_of_types_b_and_c),
		cmocka_unit_test(test_no_type_signs_nothing),
		cmocka_unit_test(test_a_path_is_encoded_before_it_is_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
