/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "controlplane/sign.h"

#define NOW_MS	  1456237584000ull /* 2016-02-23T14:26:24Z */
#define WINDOW_MS 900000ull

static const struct creds creds = {"testid", "testsecret"};

static void parse(struct params *p, const char *text)
{
	const char *rule;

	*p = (struct params){0};
	assert_int_equal(params_parse(p, text, strlen(text), &rule), 0);
}

/* The example of apsara-live.md, section 0. */
static void test_worked_example(void **state)
{
	char mac[SIGN_TEXT];
	struct params p;

	parse(&p, "Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid"
		  "&Action=DescribeRegions&SignatureMethod=HMAC-SHA1"
		  "&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
		  "&Version=2014-05-26&SignatureVersion=1.0");
	sign_v1(mac, "GET", &p, "testsecret");
	assert_string_equal(mac, "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
	params_fini(&p);
}

static void sign_text(char mac[SIGN_TEXT], const char *method, const char *text)
{
	struct params p;

	parse(&p, text);
	sign_v1(mac, method, &p, "testsecret");
	params_fini(&p);
}

static void test_order_signature_and_form_of_escapes_do_not_matter(void **state)
{
	char a[SIGN_TEXT], b[SIGN_TEXT];

	sign_text(a, "GET", "a=1&b=x%20y&c=%2A~");
	sign_text(b, "GET", "c=*%7E&Signature=abc&b=x+y&a=1");
	assert_string_equal(a, b);
}

static void test_method_and_values_matter(void **state)
{
	char a[SIGN_TEXT], b[SIGN_TEXT];

	sign_text(a, "GET", "a=1");
	sign_text(b, "POST", "a=1");
	assert_string_not_equal(a, b);
	sign_text(b, "GET", "a=2");
	assert_string_not_equal(a, b);
}

static void test_nonce_once_again_and_after_its_time(void **state)
{
	struct nonces *n = nonces_new(4);

	assert_int_equal(nonces_take(n, "x", 1000, 500), NONCE_FIRST);
	assert_int_equal(nonces_take(n, "x", 1499, 500), NONCE_AGAIN);
	assert_int_equal(nonces_take(n, "y", 1499, 500), NONCE_FIRST);
	assert_int_equal(nonces_take(n, "x", 1500, 500), NONCE_FIRST);
	nonces_free(n);
}

static void test_nonces_are_bounded_and_room_comes_back(void **state)
{
	struct nonces *n = nonces_new(3);
	char text[32];

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++) {
			snprintf(text, sizeof(text), "%d-%d", round, i);
			assert_int_equal(nonces_take(n, text, (uint64_t)round * 100, 100),
					 NONCE_FIRST);
		}
		assert_int_equal(nonces_take(n, "more", (uint64_t)round * 100 + 99, 100),
				 NONCE_FULL);
	}
	nonces_free(n);
}

/* A request with one parameter replaced (or left out: value NULL), signed with `secret`. */
static bool check(struct nonces *n, const char *name, const char *value, const char *secret,
		  struct refusal *r)
{
	static const char *const fields[][2] = {{"AccessKeyId", "testid"},
						{"SignatureMethod", "HMAC-SHA1"},
						{"SignatureVersion", "1.0"},
						{"SignatureNonce", "n1"},
						{"Timestamp", "2016-02-23T14:26:24Z"}};
	char text[1024] = "Action=X", mac[SIGN_TEXT];
	struct params p;
	bool fine;

	for (size_t i = 0; i < 5; i++) {
		const char *v = strcmp(fields[i][0], name) ? fields[i][1] : value;

		if (v)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "&%s=%s",
				 fields[i][0], v);
	}
	parse(&p, text);
	sign_v1(mac, "GET", &p, secret);
	p.v[p.n++] = (struct param){strdup("Signature"), strdup(mac)};
	fine = sign_check(&p, "GET", &creds, n, NOW_MS, WINDOW_MS, r);
	params_fini(&p);
	return fine;
}

static void test_a_right_signature_passes_once(void **state)
{
	struct nonces *n = nonces_new(8);
	struct refusal r;

	assert_true(check(n, "", NULL, "testsecret", &r));
	assert_false(check(n, "", NULL, "testsecret", &r));
	assert_string_equal(r.code, "SignatureNonceUsed");
	nonces_free(n);
}

static void test_each_wrong_part_has_its_code(void **state)
{
	static const struct {
		const char *name, *value, *secret, *code;
		int status;
	} cases[] = {
		{"", NULL, "wrong", "SignatureDoesNotMatch", 403},
		{"AccessKeyId", "other", "testsecret", "InvalidAccessKeyId.NotFound", 404},
		{"AccessKeyId", NULL, "testsecret", "MissingParameter", 400},
		{"SignatureNonce", NULL, "testsecret", "MissingParameter", 400},
		{"SignatureMethod", "HMAC-MD5", "testsecret", "InvalidParameter", 400},
		{"SignatureVersion", "2.0", "testsecret", "InvalidParameter", 400},
		{"Timestamp", "yesterday", "testsecret", "InvalidTimeStamp.Format", 400},
		{"Timestamp", "2016-02-23T14:11:23Z", "testsecret", "InvalidTimeStamp.Expired",
		 400},
		{"Timestamp", "2016-02-23T14:41:25Z", "testsecret", "InvalidTimeStamp.Expired",
		 400},
	};
	struct nonces *n = nonces_new(8);
	struct refusal r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_false(check(n, cases[i].name, cases[i].value, cases[i].secret, &r));
		assert_string_equal(r.code, cases[i].code);
		assert_int_equal(r.status, cases[i].status);
	}
	/* Nothing of that used up the nonce; the edges of the window are inside. */
	assert_true(check(n, "Timestamp", "2016-02-23T14:11:24Z", "testsecret", &r));
	nonces_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worked_example),
		cmocka_unit_test(test_order_signature_and_form_of_escapes_do_not_matter),
		cmocka_unit_test(test_method_and_values_matter),
		cmocka_unit_test(test_nonce_once_again_and_after_its_time),
		cmocka_unit_test(test_nonces_are_bounded_and_room_comes_back),
		cmocka_unit_test(test_a_right_signature_passes_once),
		cmocka_unit_test(test_each_wrong_part_has_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
