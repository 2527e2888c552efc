/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "session/event_queue.h"

#define PRODUCERS 4
#define EACH	  20000

static bool readable(void)
{
	struct pollfd p = {.fd = event_queue_fd(), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void push(unsigned n)
{
	struct event e = {.kind = EVENT_PUBLISH};

	snprintf(e.name, sizeof(e.name), "%u", n);
	event_push(&e);
}

static int up(void **state)
{
	return event_queue_open();
}

static int down(void **state)
{
	event_queue_heard();
	event_queue_close();
	event_queue_lost();
	return 0;
}

static void test_events_come_out_in_order_and_ring_once_per_batch(void **state)
{
	struct event e;
	char name[16];

	assert_false(readable());
	for (unsigned i = 0; i < 3; i++)
		push(i);
	assert_true(readable());
	event_queue_heard();
	assert_false(readable());
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%u", i);
		assert_true(event_take(&e));
		assert_string_equal(e.name, name);
	}
	assert_false(event_take(&e));
	push(9);
	assert_true(readable());
}

static void test_a_full_queue_drops_the_newest_and_counts_them(void **state)
{
	struct event e;
	unsigned taken = 0;

	for (unsigned i = 0; i < 10000; i++)
		push(i);
	while (event_take(&e))
		taken++;
	assert_true(taken >= 1000);
	assert_int_equal(event_queue_lost(), 10000 - taken);
	assert_int_equal(event_queue_lost(), 0);
	push(1);
	assert_true(event_take(&e));
	assert_string_equal(e.name, "1");
}

static void test_a_closed_queue_takes_nothing(void **state)
{
	struct event e;

	push(1);
	event_queue_close();
	push(2);
	assert_false(event_take(&e));
	assert_int_equal(event_queue_open(), 0);
	assert_false(event_take(&e));
	push(3);
	assert_true(event_take(&e));
	assert_string_equal(e.name, "3");
}

static void *produce(void *arg)
{
	struct event e = {.kind = (uint8_t)(uintptr_t)arg};

	for (unsigned i = 0; i < EACH; i++) {
		snprintf(e.name, sizeof(e.name), "%u", i);
		event_push(&e);
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static void test_C5_each_producers_events_stay_in_order_and_none_is_torn(void **state)
{
	pthread_t thread[PRODUCERS];
	long last[PRODUCERS];
	uint64_t taken = 0, lost = 0;

	for (uintptr_t i = 0; i < PRODUCERS; i++) {
		last[i] = -1;
		assert_int_equal(pthread_create(&thread[i], NULL, produce, (void *)i), 0);
	}
	while (taken + lost < PRODUCERS * EACH) {
		struct event e;
		unsigned long n;
		int end = 0;

		lost += event_queue_lost();
		if (!event_take(&e)) {
			sched_yield();
			continue;
		}
		taken++;
		assert_true(e.kind < PRODUCERS);
		assert_int_equal(sscanf(e.name, "%lu%n", &n, &end), 1);
		assert_int_equal((size_t)end, strlen(e.name));
		assert_true((long)n > last[e.kind]);
		last[e.kind] = (long)n;
	}
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(thread[i], NULL);
	assert_true(taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
		T(test_events_come_out_in_order_and_ring_once_per_batch),
		T(test_a_full_queue_drops_the_newest_and_counts_them),
		T(test_a_closed_queue_takes_nothing),
		T(test_C5_each_producers_events_stay_in_order_and_none_is_torn),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
