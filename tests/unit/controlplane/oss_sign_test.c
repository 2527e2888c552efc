/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "controlplane/oss_sign.h"

#define SECRET "testsecretkey0123456789"
#define AT     1472037088 /* Wed, 24 Aug 2016 11:11:28 GMT */

static struct params query(const char *text)
{
	struct params p = {0};
	const char *rule;

	assert_int_equal(params_parse(&p, text, strlen(text), &rule), 0);
	return p;
}

/* ---- RTMP: the worked examples of the documentation ---- */

static const char with_name[] = "OSSAccessKeyId=id&Expires=1472201595&playlistName=playlist.m3u8"
				"&Signature=Wo8x2X0s1z6G%2FpjhcydDA9HadJk%3D";

static enum oss_rtmp rtmp(const char *text, int64_t now_s)
{
	struct params p = query(text);
	enum oss_rtmp e = oss_rtmp_check(&p, "examplebucket", "test-channel", SECRET, now_s);

	params_fini(&p);
	return e;
}

static void test_rtmp_url_of_the_documentation(void **state)
{
	assert_int_equal(rtmp(with_name, 1472201595), OSS_RTMP_FINE);
	assert_int_equal(rtmp("Signature=lW07YNPue7/NB14MvUcjMb4WF98%3D&Expires=1472201595"
			      "&OSSAccessKeyId=id",
			      0),
			 OSS_RTMP_FINE);
}

static void test_rtmp_url_that_is_not_fine_says_why(void **state)
{
	static const struct {
		const char *text;
		int64_t now_s;
		enum oss_rtmp e;
		const char *code;
	} cases[] = {
		{with_name, 1472201596, OSS_RTMP_EXPIRED, "0002-00000805"},
		{"", 0, OSS_RTMP_UNSIGNED, ""},
		{"OSSAccessKeyId=id&Signature=x", 0, OSS_RTMP_NO_EXPIRES, "0002-00000803"},
		{"OSSAccessKeyId=id&Expires=1e9&Signature=x", 0, OSS_RTMP_BAD_EXPIRES,
		 "0002-00000804"},
		{"OSSAccessKeyId=id&Expires=1472201595", 0, OSS_RTMP_NO_SIGNATURE, "0002-00000806"},
		{"OSSAccessKeyId=id&Expires=1472201595&Signature=x", 0, OSS_RTMP_MISMATCH,
		 "0002-00000807"},
		{"OSSAccessKeyId=id&Expires=1472201595&playlistName=other.m3u8"
		 "&Signature=Wo8x2X0s1z6G%2FpjhcydDA9HadJk%3D",
		 0, OSS_RTMP_MISMATCH, "0002-00000807"},
		{"x-oss-signature-version=OSS4-HMAC-SHA256", 0, OSS_RTMP_VERSION, "0002-00000808"},
	};

	for (unsigned i = 0; i < array_len(cases); i++) {
		assert_int_equal(rtmp(cases[i].text, cases[i].now_s), cases[i].e);
		assert_string_equal(oss_rtmp_code(cases[i].e), cases[i].code);
		assert_true(*oss_rtmp_text(cases[i].e));
	}
}

static void test_rtmp_security_token_signed_or_not(void **state)
{
	char signature[29], text[256];
	struct params p = query("security-token=abc&playlistName=a.m3u8");

	for (int with = 0; with < 2; with++) {
		oss_rtmp_sign(signature, &p, "examplebucket", "test-channel", "1472201595", SECRET,
			      with);
		for (char *c = signature; *c; c++)
			*c = *c == '+' ? ' ' : *c;
		snprintf(text, sizeof(text),
			 "OSSAccessKeyId=id&Expires=1472201595&security-token=abc"
			 "&playlistName=a.m3u8&Signature=%s",
			 signature);
		for (char *c = text; *c; c++)
			*c = *c == ' ' ? '+' : *c;
		/* A plus sign in a query is a blank, so it is looked for in its escaped form. */
		if (!strchr(signature, ' '))
			assert_int_equal(rtmp(text, 0), OSS_RTMP_FINE);
	}
	params_fini(&p);
}

/* ---- version 1 ---- */

static bool check(const struct oss_request *r, const char *secret, int64_t now_s, const char *code)
{
	struct refusal why = {0};
	bool fine = oss_sign_check(r, secret, now_s, &why);

	if (code)
		assert_string_equal(why.code, code);
	return fine;
}

static void test_v1_request_of_the_documentation(void **state)
{
	struct oss_header h[] = {
		{"Date", "Wed, 24 Aug 2016 11:11:28 GMT"},
		{"Authorization", "OSS id:/r8UVe6/MC+SHWSoOGuHvKMJOOE="},
	};
	struct params p = query("live");
	struct oss_request r = {"PUT", "test-bucket", "test-channel", &p, h, array_len(h)};
	char id[129];

	assert_int_equal(oss_sign_scheme(&r), OSS_V1);
	assert_true(oss_sign_id(&r, id, sizeof(id)));
	assert_string_equal(id, "id");
	assert_true(check(&r, SECRET, AT, NULL));
	assert_true(check(&r, SECRET, AT + OSS_SKEW_S, NULL));
	assert_false(check(&r, SECRET, AT + OSS_SKEW_S + 1, "RequestTimeTooSkewed"));
	assert_false(check(&r, SECRET, AT - OSS_SKEW_S - 1, "RequestTimeTooSkewed"));
	assert_false(check(&r, "another", AT, "SignatureDoesNotMatch"));
	r.method = "DELETE";
	assert_false(check(&r, SECRET, AT, "SignatureDoesNotMatch"));
	r.method = "PUT";
	h[0].value = "yesterday";
	assert_false(check(&r, SECRET, AT, "AccessDenied"));
	params_fini(&p);
}

static void test_v1_signs_headers_and_sub_resources_but_nothing_else(void **state)
{
	struct oss_header h[] = {
		{"Date", "Wed, 24 Aug 2016 11:11:28 GMT"},
		{"X-OSS-Magic", " abra "},
		{"Content-Type", "text/html"},
		{"Authorization", "OSS id:x"},
	};
	struct params p = query("prefix=a&status=enabled&live");
	struct oss_request r = {"PUT", "b", "o", &p, h, array_len(h)};
	struct refusal why = {0};

	assert_false(oss_sign_check(&r, SECRET, AT, &why));
	assert_non_null(strstr(why.message, "PUT\n\ntext/html\nWed, 24 Aug 2016 11:11:28 GMT\n"
					    "x-oss-magic:abra\n/b/o?live&status=enabled"));
	params_fini(&p);
}

static void test_unsigned_and_expired_urls(void **state)
{
	struct params p = query("OSSAccessKeyId=id&Expires=1000&Signature=x"), none = {0};
	struct oss_request r = {"GET", "b", "o", &p, NULL, 0};

	assert_int_equal(oss_sign_scheme(&r), OSS_V1_QUERY);
	assert_false(check(&r, SECRET, 1001, "AccessDenied"));
	assert_false(check(&r, SECRET, 999, "SignatureDoesNotMatch"));
	r.params = &none;
	assert_int_equal(oss_sign_scheme(&r), OSS_UNSIGNED);
	assert_false(check(&r, SECRET, 999, "AccessDenied"));
	params_fini(&p);
}

/* ---- version 4 ---- */

static void test_v4_header(void **state)
{
	struct oss_header h[] = {
		{"x-oss-head1", "value"},
		{"abc", "value"},
		{"ZAbc", "value"},
		{"XYZ", "value"},
		{"content-type", "text/plain"},
		{"x-oss-content-sha256", "UNSIGNED-PAYLOAD"},
		{"x-oss-date", "20231216T162057Z"},
		{"Authorization",
		 "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,"
		 "Signature=e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe"},
	};
	struct params p = query("param1=value1&%2Bparam1=value3&%7Cparam1=value4&%2Bparam2&"
				"%7Cparam2&param2");
	struct oss_request r = {"PUT", "bucket", "1234+-/123/1.txt", &p, h, array_len(h)};
	char id[129];

	assert_int_equal(oss_sign_scheme(&r), OSS_V4);
	assert_true(oss_sign_id(&r, id, sizeof(id)));
	assert_string_equal(id, "ak");
	assert_true(check(&r, "sk", 1702743657, NULL));
	assert_false(check(&r, "sl", 1702743657, "SignatureDoesNotMatch"));
	assert_false(check(&r, "sk", 1702743657 + 2000, "RequestTimeTooSkewed"));
	r.object = "1234+-/123/2.txt";
	assert_false(check(&r, "sk", 1702743657, "SignatureDoesNotMatch"));
	h[7].value = "OSS4-HMAC-SHA256 Credential=ak/2023/x, Signature=00";
	assert_false(check(&r, "sk", 1702743657, "AccessDenied"));
	params_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rtmp_url_of_the_documentation),
		cmocka_unit_test(test_rtmp_url_that_is_not_fine_says_why),
		cmocka_unit_test(test_rtmp_security_token_signed_or_not),
		cmocka_unit_test(test_v1_request_of_the_documentation),
		cmocka_unit_test(test_v1_signs_headers_and_sub_resources_but_nothing_else),
		cmocka_unit_test(test_unsigned_and_expired_urls),
		cmocka_unit_test(test_v4_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
