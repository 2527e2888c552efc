/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "session/domain_config.h"

static struct domain *parse(const char *name, const char *config, struct ctl_error *e)
{
	json_t *o = json_loads(config, JSON_REJECT_DUPLICATES, NULL);
	struct domain *d;

	assert_non_null(o);
	d = domain_new(name, o, e);
	json_decref(o);
	return d;
}

static void test_everything_is_optional_but_the_type(void **state)
{
	struct ctl_error e;
	struct domain *d = parse("push.example.com", "{\"type\":\"ingest\"}", &e);

	assert_non_null(d);
	assert_string_equal(d->center, "push.example.com");
	assert_true(d->enabled && !d->viewer_events && !d->triggered);
	assert_int_equal(d->sign.type, SIGN_NONE);
	assert_int_equal(d->publish.policy, DOMAIN_UNSET);
	assert_int_equal(d->publish.hold_ms, DOMAIN_UNSET);
	assert_int_equal(d->play.delay_s, DOMAIN_UNSET);
	domain_free(d);
}

static void test_every_key_arrives(void **state)
{
	static const char config[] =
		"{\"version\":7,\"type\":\"play\",\"center\":\"push.example.com\",\"enabled\":false,"
		"\"viewer_events\":true,"
		"\"auth\":{\"type\":\"a\",\"key1\":\"first-key\",\"key2\":\"second-key\","
		"\"publish\":false,\"play\":true,\"window_s\":60,\"cut\":true},"
		"\"referer\":{\"mode\":\"allow\",\"list\":[\"*.example.com\",\"*\"],\"empty\":false},"
		"\"ip\":{\"allow\":[\"10.0.0.0/8\",\"::1\"],\"deny\":[\"::/0\"]},"
		"\"ip_publish\":{},"
		"\"remote\":{\"publish\":true,\"play\":true,\"fail_open\":true,\"timeout_ms\":100,"
		"\"ttl_ms\":5,\"by_address\":false},"
		"\"publish\":{\"policy\":\"replace_same\",\"hold_ms\":0},"
		"\"play\":{\"tick\":\"bulk\",\"delay_s\":16,\"hls\":\"always\"},"
		"\"apps\":{\"live\":{\"publish\":{\"policy\":\"replace\"},\"play\":{\"delay_s\":0}},"
		"\"x\":{}},"
		"\"pull\":{\"mode\":\"triggered\",\"idle_ms\":1000,\"wait_ms\":0,\"negative_ms\":1}}";
	struct ctl_error e;
	struct domain *d = parse("play.example.com", config, &e);

	assert_non_null(d);
	assert_true(d->version == 7 && d->type == DOMAIN_PLAY && !d->enabled && d->viewer_events);
	assert_string_equal(d->center, "push.example.com");
	assert_string_equal(d->sign.key[0], "first-key");
	assert_string_equal(d->sign.key[1], "second-key");
	assert_true(!d->sign_publish && d->sign_play && d->sign_cut && d->sign.window_s == 60);
	assert_true(d->referer == DOMAIN_REFERER_ALLOW && d->referers_n == 2 && !d->referer_empty);
	assert_true(d->ip.given && d->ip.allow.n == 2 && d->ip.deny.n == 1);
	assert_true(d->ip_publish.given && !d->ip_publish.allow.n);
	assert_true(d->remote.publish && d->remote.play && d->remote.fail_open);
	assert_true(d->remote.timeout_ms == 100 && d->remote.ttl_ms == 5 && !d->remote.by_address);
	assert_int_equal(d->publish.policy, DOMAIN_REPLACE_SAME);
	assert_int_equal(d->publish.hold_ms, 0);
	assert_true(d->play.tick == 2 && d->play.delay_s == 16 && d->play.hls == DOMAIN_HLS_ALWAYS);
	assert_int_equal(d->apps_n, 2);
	assert_true(d->triggered && d->pull_idle_ms == 1000 && !d->pull_wait_ms);
	domain_free(d);
}

static void test_what_is_wrong_is_named_by_its_path_and_no_secret_is_told(void **state)
{
	static const struct {
		const char *config, *field;
	} cases[] = {
		{"{}", "config.type"},
		{"{\"type\":\"edge\"}", "config.type"},
		{"{\"type\":7}", "config.type"},
		{"{\"type\":\"ingest\",\"auht\":{}}", "config.auht"},
		{"{\"type\":\"ingest\",\"center\":\"a.b\"}", "config.center"},
		{"{\"type\":\"play\",\"center\":\"A.b\"}", "config.center"},
		{"{\"type\":\"play\",\"center\":7}", "config.center"},
		{"{\"type\":\"ingest\",\"enabled\":1}", "config.enabled"},
		{"{\"type\":\"ingest\",\"version\":-1}", "config.version"},
		{"{\"type\":\"ingest\",\"auth\":[]}", "config.auth"},
		{"{\"type\":\"ingest\",\"auth\":{\"type\":\"a\"}}", "config.auth.key1"},
		{"{\"type\":\"ingest\",\"auth\":{\"type\":\"a\",\"key1\":\"hush\"}}",
		 "config.auth.key1"},
		{"{\"type\":\"ingest\",\"auth\":{\"type\":\"b\"}}", "config.auth.key1"},
		{"{\"type\":\"ingest\",\"auth\":{\"type\":\"d\"}}", "config.auth.type"},
		{"{\"type\":\"ingest\",\"auth\":{\"window_s\":-1}}", "config.auth.window_s"},
		{"{\"type\":\"ingest\",\"auth\":{\"keys\":[]}}", "config.auth.keys"},
		{"{\"type\":\"play\",\"referer\":{\"mode\":\"on\"}}", "config.referer.mode"},
		{"{\"type\":\"play\",\"referer\":{\"list\":[\"a.b\",\"http://a\"]}}",
		 "config.referer.list[1]"},
		{"{\"type\":\"play\",\"referer\":{\"list\":[\"a.b\",1]}}",
		 "config.referer.list[1]"},
		{"{\"type\":\"play\",\"referer\":{\"mode\":\"allow\",\"empty\":false}}",
		 "config.referer.list"},
		{"{\"type\":\"play\",\"ip\":{\"deny\":[\"10.0.0.0/8\",\"10.0.0.0/33\"]}}",
		 "config.ip.deny[1]"},
		{"{\"type\":\"play\",\"ip\":{\"allow\":\"10.0.0.0/8\"}}", "config.ip.allow"},
		{"{\"type\":\"play\",\"country\":{\"allow\":[\"CN\",\"cn\"]}}",
		 "config.country.allow[1]"},
		{"{\"type\":\"play\",\"country\":{\"deny\":[\"CHN\"]}}", "config.country.deny[0]"},
		{"{\"type\":\"play\",\"remote\":{\"timeout_ms\":0}}", "config.remote.timeout_ms"},
		{"{\"type\":\"ingest\",\"publish\":{\"policy\":\"first\"}}",
		 "config.publish.policy"},
		{"{\"type\":\"play\",\"play\":{\"hls_idle_ms\":10}}", "config.play.hls_idle_ms"},
		{"{\"type\":\"play\",\"play\":{\"delay_s\":15}}", "config.play.delay_s"},
		{"{\"type\":\"play\",\"play\":{\"delay_s\":3601}}", "config.play.delay_s"},
		{"{\"type\":\"play\",\"play\":{\"flv_s\":61}}", "config.play.flv_s"},
		{"{\"type\":\"play\",\"streams\":[]}", "config.streams"},
		{"{\"type\":\"play\",\"streams\":{\"a/b\":{\"play\":{\"delay_s\":1}}}}",
		 "config.streams.a/b.play.delay_s"},
		{"{\"type\":\"play\",\"apps\":{\"live\":{\"play\":{\"tick\":\"no\"}}}}",
		 "config.apps.live.play.tick"},
		{"{\"type\":\"play\",\"apps\":{\"\":{}}}", "config.apps."},
		{"{\"type\":\"ingest\",\"pull\":{\"mode\":\"triggered\"}}", "config.pull.mode"},
		{"{\"type\":\"play\",\"pull\":{\"wait_ms\":120001}}", "config.pull.wait_ms"},
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct ctl_error e;

		assert_null(parse("a.example.com", cases[i].config, &e));
		assert_string_equal(e.code, "bad_field");
		assert_string_equal(e.field, cases[i].field);
		assert_true(e.message[0] && !strstr(e.message, "hush"));
	}
}

static void test_domains_have_host_names(void **state)
{
	static const char *const bad[] = {"",	    ".a",  "a.",  "a..b",     "A.b",
					  "_relay", "a b", "a/b", "10.0.0.1", "a:1"};
	static const char *const good[] = {"a", "push.example.com", "a-b_c.d", "default",
					   "1.example"};

	for (size_t i = 0; i < array_len(bad); i++)
		assert_false(domain_name_ok(bad[i]));
	for (size_t i = 0; i < array_len(good); i++)
		assert_true(domain_name_ok(good[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_optional_but_the_type),
		cmocka_unit_test(test_every_key_arrives),
		cmocka_unit_test(test_what_is_wrong_is_named_by_its_path_and_no_secret_is_told),
		cmocka_unit_test(test_domains_have_host_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
