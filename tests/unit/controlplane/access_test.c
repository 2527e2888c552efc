/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "controlplane/access.h"

static const struct api_action *action(const char *name)
{
	const struct api_action *all;
	size_t n;

	all = api_actions(&n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(all[i].name, name))
			return &all[i];
	fail_msg("%s is no action", name);
	return NULL;
}

/* domains: JSON list; the first two parameters of the action get the values. */
static bool allows(const char *role, const char *domains, const char *name, const char *param,
		   const char *value)
{
	json_t *user = json_pack("{ss so}", "role", role, "domains", json_loads(domains, 0, NULL));
	const struct api_action *a = action(name);
	struct api_arg args[API_PARAMS_MAX] = {0};
	struct refusal r = {0};
	bool yes;

	for (size_t i = 0; param && a->params[i].name; i++)
		if (!strcmp(a->params[i].name, param))
			args[i].text = value;
	yes = access_allows(user, a, args, &r);
	assert_int_equal(yes ? 0 : 403, r.status);
	json_decref(user);
	return yes;
}

static void test_roles(void **state)
{
	static const struct {
		const char *action;
		bool viewer, operator;
	} cases[] = {
		{"DescribeLivePullToPush", true, true},
		{"DescribeLiveStreamsOnlineList", true, true},
		{"DescribeLiveDomainConfigs", false, true},
		{"GenerateLiveUrls", false, true},
		{"ForbidLiveStream", false, true},
		{"CreateLivePullToPush", false, true},
		{"BatchSetLiveDomainConfigs", false, true},
		{"DescribeAuditRecords", false, false},
		{"CreateApiUser", false, false},
		{"CreateApiKey", false, false},
		{"DescribeApiUsers", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(allows("viewer", "[]", cases[i].action, NULL, NULL),
				 cases[i].viewer);
		assert_int_equal(allows("operator", "[]", cases[i].action, NULL, NULL),
				 cases[i].operator);
		assert_true(allows("admin", "[]", cases[i].action, NULL, NULL));
		assert_false(allows("", "[]", cases[i].action, NULL, NULL));
	}
}

static void test_a_user_for_some_domains_must_name_them_and_no_other(void **state)
{
	static const char some[] = "[\"a.example.com\",\"b.example.com\"]";
	static const struct {
		const char *action, *param, *value;
		bool yes;
	} cases[] = {
		{"ForbidLiveStream", "DomainName", "a.example.com", true},
		{"ForbidLiveStream", "DomainName", "c.example.com", false},
		{"ForbidLiveStream", "DomainName", "a.example.co", false},
		{"BatchSetLiveDomainConfigs", "DomainNames", "a.example.com,b.example.com", true},
		{"BatchSetLiveDomainConfigs", "DomainNames", "a.example.com,c.example.com", false},
		{"BatchSetLiveDomainConfigs", "DomainNames", "a.example.com,", false},
		{"DescribeLiveUserDomains", "DomainName", "a.example.com", false},
		{"CreateLivePullToPush", NULL, NULL, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			allows("operator", some, cases[i].action, cases[i].param, cases[i].value),
			cases[i].yes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_a_user_for_some_domains_must_name_them_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
