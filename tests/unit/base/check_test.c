/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

/* Runs must(value) in a child with standard error in text; the child's wait status. */
static int in_child(int value, char *text, size_t size)
{
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		must(value == 1);
		_exit(0);
	}
	close(ends[1]);
	n = read(ends[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_must_says_where_and_aborts(void **state)
{
	char text[1024];
	int status = in_child(0, text, sizeof(text));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "check_test.c:"));
	assert_non_null(strstr(text, ": in_child: must: value == 1\n"));
}

static void test_must_is_silent_when_it_holds(void **state)
{
	char text[1024];

	assert_int_equal(in_child(1, text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_must_says_where_and_aborts),
		cmocka_unit_test(test_must_is_silent_when_it_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
