/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/reasons.h"
#include "controlplane/metrics.h"

static void expect_label(const char *text, const char *want)
{
	char out[64];

	assert_string_equal(metrics_label(out, sizeof(out), text), want);
}

static void test_labels_are_escaped(void **state)
{
	expect_label("default/live/a", "default/live/a");
	expect_label("a\"b\\c\nd", "a\\\"b\\\\c\\nd");
	expect_label("\xe4\xbd\xa0", "\xe4\xbd\xa0");
	expect_label("x\xff", "x%FF");
}

static void test_a_long_label_is_cut_between_characters(void **state)
{
	char out[16];

	metrics_label(out, sizeof(out), "aaaaaaaaaa\xe4\xbd\xa0\xe4\xbd\xa0");
	assert_string_equal(out, "aaaaaaaaaa");
}

static void test_the_reference_names_everything_once(void **state)
{
	char *text = NULL, name[128];
	size_t n;
	FILE *f = open_memstream(&text, &n);

	metrics_doc(f);
	fclose(f);
	for (unsigned c = 0; c < CTR_MAX; c++) {
		const char *at;

		snprintf(name, sizeof(name), "`millrace_%s", counter_name(c));
		at = strstr(text, name);
		assert_non_null(at);
	}
	for (unsigned r = 1; r < REASON_MAX; r++) {
		snprintf(name, sizeof(name), "| `%s` |", reason_name(r));
		assert_non_null(strstr(text, name));
	}
	/* No two rows share a name. */
	for (char *row = strstr(text, "| `"); row; row = strstr(row + 3, "| `")) {
		size_t len = strcspn(row + 3, "`") + 4;

		assert_true(len < sizeof(name));
		memcpy(name, row, len);
		name[len] = 0;
		assert_null(strstr(row + 3, name));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_are_escaped),
		cmocka_unit_test(test_a_long_label_is_cut_between_characters),
		cmocka_unit_test(test_the_reference_names_everything_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
