/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/session/rtmp_peer.h"

#include "session/waiting.h"

struct guest {
	struct waiting waiting;
	struct core *core;
	unsigned called;
	struct guest *also_leaves;
	bool waits_again;
};

static void called(struct waiting *w)
{
	struct guest *g = container_of(w, struct guest, waiting);

	g->called++;
	if (g->also_leaves)
		waiting_end(&g->also_leaves->waiting, g->core);
	if (g->waits_again)
		assert_true(
			waiting_begin(&g->waiting, g->core, WAITING_FOR_STREAM, "d/a/x", called));
}

static void come(struct guest *g, struct node *n, const char *key)
{
	*g = (struct guest){.core = &n->core};
	assert_true(waiting_begin(&g->waiting, &n->core, WAITING_FOR_STREAM, key, called));
}

static void go(struct guest *g)
{
	waiting_end(&g->waiting, g->core);
	waiting_end(&g->waiting, g->core);
}

static void test_H5_those_of_the_name_are_called_once_and_the_others_wait_on(void **state)
{
	struct node *n = *state;
	struct guest a, b, other;

	come(&a, n, "d/a/x");
	come(&b, n, "d/a/x");
	come(&other, n, "d/a/y");
	waiting_notify(&n->engine, WAITING_FOR_STREAM, "d/a/x");
	waiting_notify(&n->engine, WAITING_FOR_STREAM, "d/a/x");
	assert_int_equal(a.called, 0); /* by mail */
	node_turn(n);
	assert_int_equal(a.called, 1);
	assert_int_equal(b.called, 1);
	assert_int_equal(other.called, 0);
	assert_null(a.waiting.key);
	go(&other);
	waiting_notify(&n->engine, WAITING_FOR_STREAM, "d/a/y");
	node_turn(n);
	assert_int_equal(other.called, 0);
}

static void test_one_that_is_called_may_take_another_with_it_and_wait_again(void **state)
{
	struct node *n = *state;
	struct guest a, b;

	come(&a, n, "d/a/x");
	come(&b, n, "d/a/x");
	a.also_leaves = &b;
	b.also_leaves = &a;
	a.waits_again = b.waits_again = true;
	waiting_notify(&n->engine, WAITING_FOR_STREAM, "d/a/x");
	node_turn(n);
	assert_int_equal(a.called + b.called, 1);
	go(&a);
	go(&b);
}

static void test_P6_the_number_of_those_that_wait_is_bounded(void **state)
{
	struct node *n = *state;
	struct guest a, b, c = {.core = &n->core};

	node_set(n, "limits.waiting", "2");
	come(&a, n, "d/a/x");
	come(&b, n, "d/a/y");
	assert_false(waiting_begin(&c.waiting, &n->core, WAITING_FOR_STREAM, "d/a/z", called));
	assert_int_equal(node_count(n, CTR_PLAYERS_WAITING), 2);
	assert_true(waiting_begin(&c.waiting, &n->core, WAITING_FOR_SEGMENT, "d/a/x", called));
	waiting_notify(&n->engine, WAITING_FOR_STREAM, "d/a/none");
	node_turn(n);
	assert_int_equal(a.called + c.called, 0);
	waiting_notify(&n->engine, WAITING_FOR_SEGMENT, "d/a/x");
	node_turn(n);
	assert_int_equal(a.called, 0); /* the kinds know nothing of each other */
	assert_int_equal(c.called, 1);
	go(&a);
	come(&c, n, "d/a/z");
	go(&b);
	go(&c);
}

#define with_node(test) cmocka_unit_test_setup_teardown(test, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_node(test_H5_those_of_the_name_are_called_once_and_the_others_wait_on),
		with_node(test_one_that_is_called_may_take_another_with_it_and_wait_again),
		with_node(test_P6_the_number_of_those_that_wait_is_bounded),
	};

	return cmocka_run_group_tests_name("session/waiting", tests, NULL, NULL);
}
