/* SPDX-License-Identifier: Apache-2.0 */
/* What connections of relay legs are allowed and whom they trust. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "session/dial.h"

#define PIN_A "aa11111111111111111111111111111111111111111111111111111111111111"
#define PIN_B "bb22222222222222222222222222222222222222222222222222222222222222"

static struct config *conf;

static int setup(void **state)
{
	struct conf_error err;

	conf = calloc(1, sizeof(*conf));
	conf_defaults(conf);
	return dial_trust(conf, &err);
}

static int teardown(void **state)
{
	dial_forget();
	free(conf);
	return 0;
}

static void set(const char *key, const char *value)
{
	struct conf_error err;

	assert_int_equal(conf_set(conf, key, value, &err), 0);
}

static enum reason dial(struct dial *d, const char *text)
{
	static struct url url;
	const char *rule = "";

	assert_int_equal(url_parse(&url, text, &rule), 0);
	return dial_init(d, conf, &url, &rule);
}

static void test_TLS_is_for_rtmps_and_https_and_verifies_unless_told_otherwise(void **state)
{
	struct dial d;

	assert_int_equal(dial(&d, "rtmp://h/a/b"), REASON_NONE);
	assert_null(d.net.tls);
	assert_int_equal(dial(&d, "rtmps://h/a/b"), REASON_NONE);
	assert_non_null(d.net.tls);
	assert_string_equal(d.net.host, "h");
	assert_false(d.net.unverified);
	assert_null(d.net.pin);
	set("tls.verify", "false");
	assert_int_equal(dial(&d, "https://[::1]/x"), REASON_NONE);
	assert_string_equal(d.net.host, "::1");
	assert_true(d.net.unverified);
}

static void test_P10_pins_are_found_by_host_and_by_host_and_port(void **state)
{
	static const struct {
		const char *url;
		int first; /* of the pin; 0: none */
	} cases[] = {
		{"rtmps://a.example/x/y", 0xaa}, {"rtmps://A.example:444/x/y", 0xaa},
		{"https://b.example/x", 0},	 {"https://b.example:8443/x", 0xbb},
		{"https://[::1]:444/x", 0xbb},	 {"https://a.example.org/x", 0},
		{"https://example/x", 0},
	};
	struct dial d;

	set("tls.pins", "A.example=" PIN_A "  b.example:8443=" PIN_B " [::1]:444=" PIN_B);
	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(dial(&d, cases[i].url), REASON_NONE);
		assert_int_equal(d.net.pin ? d.net.pin[0] : 0, cases[i].first);
	}
}

static void test_P10_a_bad_pin_lets_nobody_pass(void **state)
{
	static const char *const bad[] = {"h=", "h=xyz", "h=" PIN_A "00", "h=" PIN_A ":"};
	struct dial d;

	for (size_t i = 0; i < array_len(bad); i++) {
		set("tls.pins", bad[i]);
		assert_int_equal(dial(&d, "rtmps://h/a/b"), REASON_TLS_VERIFY);
	}
	assert_int_equal(dial(&d, "rtmp://h/a/b"), REASON_NONE);
}

static void test_U7_ranges_are_taken_and_bad_ones_deny_everything(void **state)
{
	struct conf_error err;
	struct dial d;

	set("relay.deny", "10.0.0.0/8 ::1");
	assert_int_equal(dial(&d, "rtmp://h/a/b"), REASON_NONE);
	assert_int_equal(d.net.deny->n, 2);
	set("relay.deny", "10.0.0.0/8 nonsense");
	assert_int_equal(dial(&d, "rtmp://h/a/b"), REASON_ADDRESS_DENIED);
	/* The configuration is not taken in the first place. */
	assert_true(conf_check(conf, &err) < 0);
	assert_non_null(strstr(err.text, "relay.deny: nonsense"));
}

static void test_an_authority_that_cannot_be_read_changes_nothing(void **state)
{
	struct conf_error err;
	struct dial d;

	set("tls.ca", "/nonexistent/ca.pem");
	assert_true(dial_trust(conf, &err) < 0);
	assert_non_null(strstr(err.text, "/nonexistent/ca.pem"));
	assert_int_equal(dial(&d, "rtmps://h/a/b"), REASON_NONE);
	assert_non_null(d.net.tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_TLS_is_for_rtmps_and_https_and_verifies_unless_told_otherwise),
		T(test_P10_pins_are_found_by_host_and_by_host_and_port),
		T(test_P10_a_bad_pin_lets_nobody_pass),
		T(test_U7_ranges_are_taken_and_bad_ones_deny_everything),
		T(test_an_authority_that_cannot_be_read_changes_nothing),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
