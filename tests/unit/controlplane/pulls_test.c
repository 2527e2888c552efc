/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "controlplane/pulls.h"

static void check(json_t *row, const char *params, const char *want)
{
	char *url = pulls_origin_url(row, "o.example.com:1936", "live", "a b", params, "n1");

	if (want)
		assert_string_equal(url, want);
	else
		assert_null(url);
	free(url);
	json_decref(row);
}

static json_t *row(const char *protocol, const char *pull_app, const char *auth)
{
	return json_pack("{ss ss ss}", "protocol", protocol, "pull_app", pull_app, "auth", auth);
}

static void test_the_origin_is_asked_in_its_own_terms(void **state)
{
	check(row("rtmp", "", "none"), "auth_key=1",
	      "rtmp://o.example.com:1936/live/a%20b?mr_hop=n1");
	check(row("httpflv", "src", "none"), "",
	      "http://o.example.com:1936/src/a%20b.flv?mr_hop=n1");
	check(row("rtmp", "", "pass"), "t=1&u=2",
	      "rtmp://o.example.com:1936/live/a%20b?t=1&u=2&mr_hop=n1");
	check(row("rtmp", "", "pass"), "", "rtmp://o.example.com:1936/live/a%20b?mr_hop=n1");
}

static void test_a_node_never_asks_for_what_it_passed_on_P7(void **state)
{
	check(row("rtmp", "", "none"), "mr_hop=n2",
	      "rtmp://o.example.com:1936/live/a%20b?mr_hop=n2,n1");
	check(row("rtmp", "", "none"), "x=1&mr_hop=n2,n1", NULL);
	check(row("rtmp", "", "none"), "mr_hop=n2,n3,n4,n5", NULL);
	check(row("rtmp", "", "none"), "mr_hop=n11",
	      "rtmp://o.example.com:1936/live/a%20b?mr_hop=n11,n1");
}

static void test_an_application_has_its_own_row_before_that_of_all(void **state)
{
	json_t *doc = json_pack("{s[{ss ss} {ss ss}]}", "lazy", "app", PULL_ANY_APP, "hosts", "all",
				"app", "live", "hosts", "own");

	assert_string_equal(dp_text(pulls_lazy_row(doc, "live"), "hosts"), "own");
	assert_string_equal(dp_text(pulls_lazy_row(doc, "other"), "hosts"), "all");
	json_decref(doc);
	doc = json_object();
	assert_null(pulls_lazy_row(doc, "live"));
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_origin_is_asked_in_its_own_terms),
		cmocka_unit_test(test_a_node_never_asks_for_what_it_passed_on_P7),
		cmocka_unit_test(test_an_application_has_its_own_row_before_that_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
