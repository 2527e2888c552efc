/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wheel.h"

struct probe {
	struct timer timer;
	unsigned fired;
	uint64_t at_us;
	struct wheel *wheel;
	struct timer *other; /* what the callback arms or cancels */
	uint64_t other_us;
};

static struct wheel w;

static void note(struct timer *t, uint64_t now_us)
{
	struct probe *p = container_of(t, struct probe, timer);

	p->fired++;
	p->at_us = now_us;
}

static void note_and_cancel_other(struct timer *t, uint64_t now_us)
{
	note(t, now_us);
	wheel_cancel(&w, container_of(t, struct probe, timer)->other);
}

static void note_and_arm_other(struct timer *t, uint64_t now_us)
{
	struct probe *p = container_of(t, struct probe, timer);

	note(t, now_us);
	wheel_arm(&w, p->other, p->other_us);
}

static void test_never_early_and_at_most_one_slot_late(void **state)
{
	static struct probe p[300];
	uint64_t start = 123456789, now;
	unsigned seed = 7;

	wheel_init(&w, start);
	memset(p, 0, sizeof(p));
	for (unsigned i = 0; i < array_len(p); i++) {
		p[i].timer.fire = note;
		/* Up to five turns of the wheel. */
		wheel_arm(&w, &p[i].timer, start + (unsigned)rand_r(&seed) % 80000000u);
	}
	for (now = start; w.armed; now += 1000)
		wheel_poll(&w, now);
	for (unsigned i = 0; i < array_len(p); i++) {
		assert_int_equal(p[i].fired, 1);
		assert_true(p[i].at_us >= p[i].timer.deadline_us);
		assert_true(p[i].at_us < p[i].timer.deadline_us + WHEEL_SLOT_US + 1000);
	}
}

static void test_wheel_next_leads_from_deadline_to_deadline(void **state)
{
	static struct probe p[100];
	uint64_t now = 5000000, next;
	unsigned fired = 0, polls = 0;

	wheel_init(&w, now);
	memset(p, 0, sizeof(p));
	assert_true(wheel_next(&w, now) == UINT64_MAX);
	for (unsigned i = 0; i < array_len(p); i++) {
		p[i].timer.fire = note;
		wheel_arm(&w, &p[i].timer, now + i * i * 9000u);
	}
	while ((next = wheel_next(&w, now)) != UINT64_MAX) {
		assert_true(next >= now);
		now = next;
		fired += wheel_poll(&w, now);
		assert_true(++polls < 1000);
	}
	assert_int_equal(fired, array_len(p));
	for (unsigned i = 0; i < array_len(p); i++)
		assert_true(p[i].at_us - p[i].timer.deadline_us <= WHEEL_SLOT_US);
}

static void test_past_deadline_fires_at_the_next_poll(void **state)
{
	struct probe p = {.timer.fire = note};

	wheel_init(&w, 10 * WHEEL_SLOT_US);
	wheel_arm(&w, &p.timer, 5);
	assert_int_equal(wheel_next(&w, 10 * WHEEL_SLOT_US), 10 * WHEEL_SLOT_US);
	assert_int_equal(wheel_poll(&w, 10 * WHEEL_SLOT_US), 1);
	assert_int_equal(p.fired, 1);
	assert_false(timer_armed(&p.timer));
}

static void test_rearming_moves_both_ways(void **state)
{
	struct probe p = {.timer.fire = note};

	wheel_init(&w, 0);
	wheel_arm(&w, &p.timer, 1000000);
	wheel_arm(&w, &p.timer, 3000000);
	assert_int_equal(w.armed, 1);
	assert_int_equal(wheel_poll(&w, 2000000), 0);
	assert_true(timer_armed(&p.timer));
	wheel_arm(&w, &p.timer, 2100000);
	assert_int_equal(wheel_poll(&w, 2100000 + WHEEL_SLOT_US), 1);
	wheel_poll(&w, 4000000);
	assert_int_equal(p.fired, 1);
}

static void test_a_callback_may_cancel_a_neighbour_of_the_same_slot(void **state)
{
	struct probe a = {.timer.fire = note_and_cancel_other};
	struct probe b = {.timer.fire = note_and_cancel_other};

	a.other = &b.timer;
	b.other = &a.timer;
	wheel_init(&w, 0);
	wheel_arm(&w, &a.timer, 50000);
	wheel_arm(&w, &b.timer, 50000);
	wheel_poll(&w, 60000);
	assert_int_equal(a.fired + b.fired, 1);
	assert_int_equal(w.armed, 0);
	assert_true(wheel_next(&w, 60000) == UINT64_MAX);
}

static void test_a_callback_that_arms_itself_in_the_past_fires_once_per_poll(void **state)
{
	struct probe p = {.timer.fire = note_and_arm_other};

	p.other = &p.timer;
	wheel_init(&w, 0);
	wheel_arm(&w, &p.timer, 0);
	for (unsigned i = 1; i <= 5; i++) {
		wheel_poll(&w, 100);
		assert_int_equal(p.fired, i);
	}
	wheel_cancel(&w, &p.timer);
	assert_int_equal(wheel_poll(&w, 1000000), 0);
}

static void test_one_poll_after_a_long_pause_fires_everything_due(void **state)
{
	static struct probe p[50];
	uint64_t turn = (uint64_t)WHEEL_SLOTS * WHEEL_SLOT_US;
	struct probe later = {.timer.fire = note};

	wheel_init(&w, 0);
	memset(p, 0, sizeof(p));
	for (unsigned i = 0; i < array_len(p); i++) {
		p[i].timer.fire = note;
		wheel_arm(&w, &p[i].timer, i * turn / 7);
	}
	wheel_arm(&w, &later.timer, 20 * turn);
	assert_int_equal(wheel_poll(&w, 10 * turn), array_len(p));
	assert_int_equal(later.fired, 0);
	assert_int_equal(wheel_poll(&w, 20 * turn), 1);
}

static void test_cancel_of_an_idle_timer_is_nothing(void **state)
{
	struct probe p = {.timer.fire = note};

	wheel_init(&w, 0);
	wheel_cancel(&w, &p.timer);
	wheel_arm(&w, &p.timer, UINT64_MAX);
	assert_int_equal(wheel_poll(&w, 1ull << 40), 0);
	wheel_cancel(&w, &p.timer);
	wheel_cancel(&w, &p.timer);
	assert_int_equal(w.armed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_early_and_at_most_one_slot_late),
		cmocka_unit_test(test_wheel_next_leads_from_deadline_to_deadline),
		cmocka_unit_test(test_past_deadline_fires_at_the_next_poll),
		cmocka_unit_test(test_rearming_moves_both_ways),
		cmocka_unit_test(test_a_callback_may_cancel_a_neighbour_of_the_same_slot),
		cmocka_unit_test(test_a_callback_that_arms_itself_in_the_past_fires_once_per_poll),
		cmocka_unit_test(test_one_poll_after_a_long_pause_fires_everything_due),
		cmocka_unit_test(test_cancel_of_an_idle_timer_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
