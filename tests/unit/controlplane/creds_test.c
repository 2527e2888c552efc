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
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/creds.h"

static char folder[64], path[96], err[256];

static int setup(void **state)
{
	strcpy(folder, "/tmp/creds-test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/credentials.json", folder);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(folder);
}

static void write_file(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static void test_made_once_private_and_random(void **state)
{
	struct creds a, b;
	struct stat st;

	assert_int_equal(creds_load(&a, path, err, sizeof(err)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(strlen(a.id) >= 16 && strlen(a.secret) >= 30);
	assert_int_equal(creds_load(&b, path, err, sizeof(err)), 0);
	assert_string_equal(a.id, b.id);
	assert_string_equal(a.secret, b.secret);
	unlink(path);
	assert_int_equal(creds_load(&b, path, err, sizeof(err)), 0);
	assert_string_not_equal(a.secret, b.secret);
}

static void test_a_file_that_others_can_read_is_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0660, 0644, 0620};
	struct creds c;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_file("{\"AccessKeyId\":\"a\",\"AccessKeySecret\":\"b\"}", modes[i]);
		assert_int_equal(creds_load(&c, path, err, sizeof(err)), -EPERM);
		assert_non_null(strstr(err, path));
	}
	chmod(path, 0600);
	assert_int_equal(creds_load(&c, path, err, sizeof(err)), 0);
}

static void test_a_broken_file_is_refused_not_replaced(void **state)
{
	static const char *const bad[] = {"",
					  "{",
					  "[]",
					  "{\"AccessKeyId\":\"a\"}",
					  "{\"AccessKeyId\":\"\",\"AccessKeySecret\":\"b\"}",
					  "{\"AccessKeyId\":1,\"AccessKeySecret\":\"b\"}"};
	struct creds c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(bad[i], 0600);
		assert_int_equal(creds_load(&c, path, err, sizeof(err)), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_once_private_and_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_others_can_read_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_broken_file_is_refused_not_replaced, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
