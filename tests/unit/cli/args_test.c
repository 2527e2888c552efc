/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/args.h"

static const struct opt opts[] = {
	{"source", "URL", "where from"},
	{"watch", NULL, "again and again"},
	{"set", "KEY=VALUE", "a key"},
	{NULL, NULL, NULL},
};
enum { SOURCE, WATCH, SET };

static int parse(struct args *a, char *err, size_t n, const char *line)
{
	static char copy[256];
	char *words[32];
	int count = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
		words[count++] = w;
	return args_parse(a, opts, count, words, err, n);
}

static void test_options_stand_anywhere_and_in_both_forms(void **state)
{
	struct args a;
	char err[128];

	assert_int_equal(
		parse(&a, err, sizeof(err), "one --source u --watch two --set=a=b --set c=d"), 0);
	assert_string_equal(a.value[SOURCE], "u");
	assert_string_equal(a.value[WATCH], "");
	assert_string_equal(a.value[SET], "c=d");
	assert_int_equal(a.n_rest, 2);
	assert_string_equal(a.rest[1], "two");
	assert_int_equal(a.n_given, 4);
	assert_string_equal(a.given[2].value, "a=b");
}

static void test_two_dashes_end_the_options(void **state)
{
	struct args a;
	char err[128];

	assert_int_equal(parse(&a, err, sizeof(err), "-- --watch -x"), 0);
	assert_null(a.value[WATCH]);
	assert_int_equal(a.n_rest, 2);
	assert_int_equal(parse(&a, err, sizeof(err), "-"), 0);
	assert_int_equal(a.n_rest, 1);
}

static void test_mistakes_are_named(void **state)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{"--sorce u", "unknown option --sorce; did you mean --source?"},
		{"--sorce=secret", "unknown option --sorce; did you mean --source?"},
		{"--zzzzzz", "unknown option --zzzzzz"},
		{"--source", "--source needs a value: URL"},
		{"--watch=1", "--watch takes no value"},
		{"-w", "unknown option -w; options begin with two dashes"},
	};
	struct args a;
	char err[128];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(parse(&a, err, sizeof(err), cases[i].line), -EINVAL);
		assert_string_equal(err, cases[i].message);
	}
}

static void test_too_many_words_are_refused(void **state)
{
	static char *words[ARGS_REST + 1];
	struct args a;
	char err[128];

	for (size_t i = 0; i < array_len(words); i++)
		words[i] = (char *)"x";
	assert_int_equal(args_parse(&a, opts, ARGS_REST, words, err, sizeof(err)), 0);
	assert_int_equal(args_parse(&a, opts, ARGS_REST + 1, words, err, sizeof(err)), -EINVAL);
	for (size_t i = 0; i < array_len(words); i++)
		words[i] = (char *)"--watch";
	assert_int_equal(args_parse(&a, opts, ARGS_REST + 1, words, err, sizeof(err)), -EINVAL);
}

static void test_nearest_word(void **state)
{
	static const char *const words[] = {"status", "stream", "up"};

	assert_string_equal(args_nearest("statsu", words, 3), "status");
	assert_string_equal(args_nearest("steam", words, 3), "stream");
	assert_null(args_nearest("viewer", words, 3));
	assert_null(args_nearest("x", words, 3));
}

static void test_help_lists_every_option(void **state)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	args_help(opts, to);
	fclose(to);
	assert_non_null(strstr(text, "  --source URL "));
	assert_non_null(strstr(text, "again and again\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_stand_anywhere_and_in_both_forms),
		cmocka_unit_test(test_two_dashes_end_the_options),
		cmocka_unit_test(test_mistakes_are_named),
		cmocka_unit_test(test_too_many_words_are_refused),
		cmocka_unit_test(test_nearest_word),
		cmocka_unit_test(test_help_lists_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
