/* SPDX-License-Identifier: Apache-2.0 */
/* Which node takes a task, on an integer clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/peers.h"

#define SECOND 1000000u

static struct peers ps;

static int setup(void **state)
{
	ps = (struct peers){.silence_us = 3 * SECOND};
	return 0;
}

static void hear(const char *name, const char *beat, const char *running, const char *room,
		 const char *regions, const char *drained, uint64_t now_us)
{
	struct task_field f[] = {{"Version", "1"},    {"Time", beat},	    {"Running", running},
				 {"Room", room},      {"Regions", regions}, {"Drained", drained},
				 {"Unknown", "thing"}};

	peers_hear(&ps, name, f, array_len(f), now_us);
}

static unsigned before(const char *self, const char *task)
{
	return peers_before(&ps, self, task, "local", false, SECOND);
}

static void test_emptiest_share_first(void **state)
{
	hear("a", "1", "3", "10", "", "0", SECOND);
	hear("b", "1", "5", "100", "", "0", SECOND);
	hear("c", "1", "1", "2", "", "0", SECOND);
	assert_int_equal(before("b", "t"), 0);
	assert_int_equal(before("a", "t"), 1);
	assert_int_equal(before("c", "t"), 2);
}

/* Both sides of every pair agree, and equals do not all go to one node. */
static void test_equals_draw_lots_and_agree(void **state)
{
	unsigned firsts[3] = {0};
	static const char *const names[] = {"a", "b", "c"};
	char task[24];

	for (int i = 0; i < 300; i++) {
		unsigned seen = 0;

		snprintf(task, sizeof(task), "task-%d", i);
		for (int n = 0; n < 3; n++) {
			unsigned rank;

			setup(NULL);
			for (int k = 0; k < 3; k++)
				hear(names[k], "1", "0", "100", "", "0", SECOND);
			rank = before(names[n], task);
			seen |= 1u << rank;
			firsts[n] += rank == 0;
		}
		assert_int_equal(seen, 7);
	}
	for (int n = 0; n < 3; n++)
		assert_in_range(firsts[n], 50, 150);
}

static void test_burst_is_spread(void **state)
{
	unsigned mine = 0;
	char task[24];

	hear("a", "1", "0", "100", "", "0", SECOND);
	hear("b", "1", "0", "100", "", "0", SECOND);
	peers_round(&ps);
	for (int i = 0; i < 50; i++) {
		snprintf(task, sizeof(task), "task-%d", i);
		mine += before("a", task) == 0;
		peers_give(&ps);
	}
	assert_int_equal(mine, 25);
	/* What was given counts in its round only. */
	peers_round(&ps);
	assert_int_equal(ps.v[0].given + ps.v[1].given, 0);
}

static void test_who_is_left_out(void **state)
{
	hear("full", "1", "10", "10", "", "0", SECOND);
	hear("drained", "1", "0", "10", "", "1", SECOND);
	hear("away", "1", "0", "10", "north west", "0", SECOND);
	hear("silent", "1", "0", "10", "", "0", 0);
	peers_set(&ps, "me", "", 9, 10, false, SECOND);
	assert_int_equal(peers_before(&ps, "me", "t", "south", false, 3 * SECOND + 1), 0);
	assert_int_equal(peers_before(&ps, "me", "t", "west", false, 3 * SECOND + 1), 1);
	/* Something to finish needs no room. */
	peers_round(&ps);
	peers_set(&ps, "me", "", 20, 10, false, SECOND);
	assert_int_equal(peers_before(&ps, "me", "t", "south", false, 3 * SECOND + 1), 0);
	assert_int_equal(peers_before(&ps, "me", "t", "south", true, 3 * SECOND + 1), 1);
}

static void test_same_beat_is_no_sign_of_life(void **state)
{
	hear("b", "77", "0", "10", "", "0", SECOND);
	hear("b", "77", "0", "10", "", "0", 9 * SECOND);
	peers_set(&ps, "me", "", 5, 10, false, 9 * SECOND);
	assert_int_equal(peers_before(&ps, "me", "t", "any", false, 9 * SECOND), 0);
	assert_int_equal(peers_room(&ps, 9 * SECOND), 10);
	hear("b", "78", "0", "10", "", "0", 9 * SECOND);
	assert_int_equal(peers_before(&ps, "me", "t", "any", false, 9 * SECOND), 1);
	assert_int_equal(peers_room(&ps, 9 * SECOND), 20);
}

static void test_what_is_no_heartbeat_is_left_out(void **state)
{
	struct task_field no_room[] = {{"Time", "5"}};
	char name[200];

	peers_hear(&ps, "x", no_room, 1, SECOND);
	peers_hear(&ps, "x", NULL, 0, SECOND);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	hear(name, "1", "0", "10", "", "0", SECOND);
	assert_int_equal(ps.n, 0);
	for (int i = 0; i < PEERS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		hear(name, "1", "0", "10", "", "0", SECOND);
	}
	assert_int_equal(ps.n, PEERS_MAX);
	/* Even a node that does not fit into the table may take. */
	assert_int_equal(before("me", "t"), 0);
	peers_give(&ps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_emptiest_share_first, setup),
		cmocka_unit_test_setup(test_equals_draw_lots_and_agree, setup),
		cmocka_unit_test_setup(test_burst_is_spread, setup),
		cmocka_unit_test_setup(test_who_is_left_out, setup),
		cmocka_unit_test_setup(test_same_beat_is_no_sign_of_life, setup),
		cmocka_unit_test_setup(test_what_is_no_heartbeat_is_left_out, setup),
	};

	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
