/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/cli/table.h"

static char *printed(const struct table *t)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	table_print(t, to);
	fclose(to);
	return text;
}

static void test_columns_line_up(void **state)
{
	static const char *const heads[] = {"NAME", ">COUNT", "END"};
	static const char *const cells[] = {"caf\xc3\xa9", "1", "x", "b", "12345678", NULL};
	struct table t;
	char *text;

	table_init(&t, heads, 3);
	for (unsigned i = 0; i < 6; i++)
		table_add(&t, cells[i]);
	text = printed(&t);
	assert_string_equal(text, "NAME     COUNT  END\n"
				  "caf\xc3\xa9         1  x\n"
				  "b     12345678  -\n");
	free(text);
	table_fini(&t);
}

static void test_a_cell_cannot_break_the_table(void **state)
{
	static const char *const heads[] = {"A"};
	struct table t;
	char *text;

	table_init(&t, heads, 1);
	table_add(&t, "x\ny\033[0m");
	text = printed(&t);
	assert_string_equal(text, "A\nx?y?[0m\n");
	free(text);
	table_fini(&t);
}

static const char *tint(unsigned col, const char *text)
{
	return strcmp(text, "bad") ? NULL : "\033[31m";
}

static void test_colours_take_no_room(void **state)
{
	static const char *const heads[] = {"A", "B"};
	struct table t;
	char *text;

	table_init(&t, heads, 2);
	t.tint = tint;
	for (unsigned i = 0; i < 200; i++)
		table_add(&t, i % 3 ? "bad" : "good");
	text = printed(&t);
	assert_non_null(strstr(text, "\ngood  \033[31mbad\033[0m\n"));
	assert_non_null(strstr(text, "\n\033[31mbad\033[0m   good\n"));
	free(text);
	table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_line_up),
		cmocka_unit_test(test_a_cell_cannot_break_the_table),
		cmocka_unit_test(test_colours_take_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
