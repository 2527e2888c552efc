/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controlplane/cli/child.h"

struct place {
	char dir[64];
	struct child child;
};

static int setup(void **state)
{
	struct place *at = calloc(1, sizeof(*at));

	strcpy(at->dir, "/tmp/child_test.XXXXXX");
	if (!mkdtemp(at->dir) || child_init(&at->child, "x", at->dir))
		return -1;
	*state = at;
	return 0;
}

static int teardown(void **state)
{
	struct place *at = *state;

	child_fini(&at->child);
	unlink(at->child.log_path);
	rmdir(at->dir);
	free(at);
	return 0;
}

/* Runs sh with the script until it has ended. */
static int run(struct child *c, const char *script)
{
	int status;

	child_arg(c, "sh");
	child_arg(c, "-c");
	child_arg(c, script);
	assert_int_equal(child_start(c, 0), 0);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	c->pid = 0;
	return status;
}

static void collect(void *arg, const char *text)
{
	strcat(strcat(arg, text), "|");
}

static void test_only_trouble_is_shown_and_a_line_only_when_it_is_whole(void **state)
{
	struct place *at = *state;
	char seen[512] = "";

	run(&at->child, "echo 'ts=1 level=info proc=dp a'; echo 'ts=1 level=warn proc=dp b' >&2;"
			"printf 'ts=1 level=error proc'");
	child_follow(&at->child, collect, seen);
	assert_string_equal(seen, "ts=1 level=warn proc=dp b|");
	assert_int_equal(write(at->child.log_fd, "=dp c\n", 6), 6);
	child_follow(&at->child, collect, seen);
	assert_string_equal(seen, "ts=1 level=warn proc=dp b|ts=1 level=error proc=dp c|");
	child_follow(&at->child, collect, seen);
	assert_string_equal(seen, "ts=1 level=warn proc=dp b|ts=1 level=error proc=dp c|");
}

static void test_the_tail_is_the_end_of_this_run_only(void **state)
{
	struct place *at = *state;
	char seen[512] = "";

	assert_int_equal(write(at->child.log_fd, "earlier\n", 8), 8);
	run(&at->child, "echo a; echo b; echo c");
	child_tail(&at->child, 2, collect, seen);
	assert_string_equal(seen, "b|c|");
	seen[0] = '\0';
	child_tail(&at->child, 9, collect, seen);
	assert_string_equal(seen, "a|b|c|");
}

static void test_a_program_that_is_not_there_gives_its_error(void **state)
{
	struct place *at = *state;
	int status;

	child_arg(&at->child, "/nonexistent/program");
	assert_int_equal(child_start(&at->child, 0), -ENOENT);
	assert_int_equal(at->child.pid, 0);
	assert_true(waitpid(-1, &status, 0) > 0);
}

static void test_the_pause_grows_to_five_seconds_and_starts_over_after_a_steady_run(void **state)
{
	static const unsigned pauses[] = {200, 400, 800, 1600, 3200, 5000, 5000};
	struct child c = {.log_fd = -1};
	uint64_t now = 1000000;

	for (unsigned i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		c.started_us = now;
		child_ended(&c, now);
		assert_int_equal(c.again_us - now, pauses[i] * 1000);
		assert_false(child_tick(&c, c.again_us - 1));
	}
	c.started_us = now;
	now += 60000000;
	child_ended(&c, now);
	assert_int_equal(c.again_us - now, 200000);
}

static void test_a_child_has_no_input_and_its_own_process_group(void **state)
{
	struct place *at = *state;
	char seen[512] = "", own[64];

	/* cat would wait for an input; the group is the fifth word of stat. */
	run(&at->child, "cat; cut -d' ' -f5 /proc/$$/stat; echo $$");
	child_tail(&at->child, 9, collect, seen);
	assert_true(strlen(seen) > 3 && strlen(seen) % 2 == 0);
	snprintf(own, sizeof(own), "%s", seen + strlen(seen) / 2);
	seen[strlen(seen) / 2] = '\0';
	assert_string_equal(seen, own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_only_trouble_is_shown_and_a_line_only_when_it_is_whole, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_the_tail_is_the_end_of_this_run_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_program_that_is_not_there_gives_its_error,
						setup, teardown),
		cmocka_unit_test(
			test_the_pause_grows_to_five_seconds_and_starts_over_after_a_steady_run),
		cmocka_unit_test_setup_teardown(test_a_child_has_no_input_and_its_own_process_group,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
