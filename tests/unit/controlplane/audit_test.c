/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "controlplane/audit.h"

static void check_text(const char *name, const char *text, const char *want)
{
	json_t *masked = audit_masked_text(name, text);

	assert_string_equal(json_string_value(masked), want);
	json_decref(masked);
}

static void test_secrets_of_parameters_are_masked(void **state)
{
	check_text("NotifyAuthKey", "abcdefgh12345678", "***");
	check_text("DomainName", "push.example.com", "push.example.com");
	check_text("SourceUrl", "rtmp://a/b/c?token=1;http://d/e.flv?k=2;rtmp://f/g/h",
		   "rtmp://a/b/c?***;http://d/e.flv?***;rtmp://f/g/h");
	check_text("SourceUrls", "[\"rtmp://a/b/c?token=1\",\"rtmp://d/e/f\"]",
		   "[\"rtmp://a/b/c?***\",\"rtmp://d/e/f\"]");
	check_text(
		"Functions",
		"[{\"functionName\":\"aliauth\",\"functionArgs\":[{\"argName\":\"auth_key1\","
		"\"argValue\":\"secret\"},{\"argName\":\"auth_type\",\"argValue\":\"type_a\"}]}]",
		"[{\"functionName\":\"aliauth\",\"functionArgs\":[{\"argName\":\"auth_key1\","
		"\"argValue\":\"***\"},{\"argName\":\"auth_type\",\"argValue\":\"type_a\"}]}]");
	check_text("Functions", "[broken", "[broken");
}

static void test_secrets_of_documents_are_masked(void **state)
{
	json_t *doc =
		json_loads("{\"functions\":[{\"args\":{\"auth_key1\":\"a\",\"auth_key2\":\"b\","
			   "\"auth_type\":\"type_a\"}}],\"notify\":{\"key\":\"c\",\"url\":"
			   "\"http://h/?x=1\"},\"n\":null}",
			   0, NULL);
	json_t *masked = audit_masked(doc);
	char *text = json_dumps(masked, JSON_COMPACT);

	assert_string_equal(text, "{\"functions\":[{\"args\":{\"auth_key1\":\"***\",\"auth_key2\":"
				  "\"***\",\"auth_type\":\"type_a\"}}],\"notify\":{\"key\":\"***\","
				  "\"url\":\"http://h/?***\"},\"n\":null}");
	free(text);
	json_decref(masked);
	json_decref(doc);
}

static void test_questions_are_no_changes(void **state)
{
	assert_false(audit_is_change("DescribeLivePullToPush"));
	assert_false(audit_is_change("GenerateLiveUrls"));
	assert_true(audit_is_change("AddLiveDomain"));
	assert_true(audit_is_change("ForbidLiveStream"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets_of_parameters_are_masked),
		cmocka_unit_test(test_secrets_of_documents_are_masked),
		cmocka_unit_test(test_questions_are_no_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
