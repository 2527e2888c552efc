/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/quiet.h"
#include "session/reload.h"

/* The configuration is the process's: one file for all tests. */
static char path[] = "/tmp/reload_test.XXXXXX";
static char set_text[] = "play.tick=bulk";
static char *sets[] = {set_text};
static struct config first;
static struct quiet quiet;
static struct engine engine;
static char applied[256], later[256];

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void note(void *arg, const struct conf_key *k, bool now)
{
	strcat(now ? applied : later, k->path);
	strcat(now ? applied : later, " ");
}

static int again(struct conf_error *err)
{
	applied[0] = later[0] = '\0';
	return reload(&engine, note, NULL, err);
}

static void test_what_changed_is_applied_or_waits_for_a_restart(void **state)
{
	struct conf_error err;

	write_file("limits:\n  connections: 7\ncores: 3\n");
	assert_int_equal(again(&err), 0);
	assert_string_equal(applied, "limits.connections ");
	assert_string_equal(later, "cores ");
	assert_int_equal(engine_conf(&engine)->limit_connections, 7);
	assert_int_equal(engine_conf(&engine)->cores, first.cores);
}

static void test_the_command_line_stays_in_force(void **state)
{
	struct conf_error err;

	write_file("play:\n  tick: low\n");
	assert_int_equal(again(&err), 0);
	assert_string_equal(engine_conf(&engine)->play_tick, "bulk");
	assert_null(strstr(applied, "play.tick"));
}

static void test_a_bad_file_changes_nothing(void **state)
{
	const struct config *before = engine_conf(&engine);
	struct conf_error err;

	write_file("limits:\n  conections: 7\n");
	assert_true(again(&err) < 0);
	assert_non_null(strstr(err.text, "conections"));
	assert_ptr_equal(engine_conf(&engine), before);
	assert_string_equal(applied, "");
}

/* A core that is in the middle of a turn may go on reading what it has. */
static void test_the_old_one_lives_until_the_quiet_point(void **state)
{
	const struct config *old;
	struct conf_error err;

	write_file("limits:\n  connections: 11\n");
	assert_int_equal(again(&err), 0);
	old = engine_conf(&engine);
	quiet_wake(&quiet, 0);
	for (int i = 0; i < 3; i++) {
		write_file(i % 2 ? "limits:\n  connections: 13\n" : "limits:\n  connections: 17\n");
		assert_int_equal(again(&err), 0);
		assert_int_equal(old->limit_connections, 11);
	}
	quiet_pass(&quiet, 0);
	quiet_sleep(&quiet, 0);
	assert_int_equal(again(&err), 0);
	assert_string_equal(applied, "");
}

static void test_settings_without_a_key_are_refused(void **state)
{
	static char bad[] = "novalue", worse[] = "=x", *one[] = {bad}, *two[] = {worse};
	struct conf_error err;
	struct config c;

	assert_true(reload_first(&c, path, one, 1, &err) < 0);
	assert_non_null(strstr(err.text, "key=value"));
	assert_true(reload_first(&c, path, two, 1, &err) < 0);
	assert_int_equal(reload_first(&c, path, sets, 1, &err), 0);
}

static int group_setup(void **state)
{
	struct conf_error err;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file("");
	assert_int_equal(reload_first(&first, path, sets, 1, &err), 0);
	quiet_init(&quiet, 1);
	engine.quiet = &quiet;
	engine.conf = &first;
	return 0;
}

static int group_teardown(void **state)
{
	reload_fini(&engine);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_changed_is_applied_or_waits_for_a_restart),
		cmocka_unit_test(test_the_command_line_stays_in_force),
		cmocka_unit_test(test_a_bad_file_changes_nothing),
		cmocka_unit_test(test_the_old_one_lives_until_the_quiet_point),
		cmocka_unit_test(test_settings_without_a_key_are_refused),
	};

	return cmocka_run_group_tests_name("session/reload", tests, group_setup, group_teardown);
}
