/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"

#define LETTERS 20000
#define SENDERS 3

static const struct bench_options one_core = {1, 4, 1 << 20, 4096};

/* ---- mail ---- */

struct letter {
	struct mail mail;
	unsigned sender, number;
};

static unsigned last_number[SENDERS];
static unsigned received, out_of_order;

static void on_letter(struct mail *m, struct core *c)
{
	struct letter *l = container_of(m, struct letter, mail);

	received++;
	if (l->number != ++last_number[l->sender])
		out_of_order++;
}

static void forget_letters(void)
{
	memset(last_number, 0, sizeof(last_number));
	received = out_of_order = 0;
}

static void test_mail_arrives_once_and_in_order(void **state)
{
	struct letter letters[100];
	struct bench b;

	forget_letters();
	bench_up(&b, one_core);
	for (unsigned i = 0; i < array_len(letters); i++) {
		letters[i] = (struct letter){.mail.run = on_letter, .number = i + 1};
		mail_post(&b.core[0], &letters[i].mail);
		if (i % 7 == 0)
			bench_turn(&b, 1);
	}
	bench_turn(&b, 1);
	assert_int_equal(received, array_len(letters));
	assert_int_equal(out_of_order, 0);
	assert_int_equal(bench_counter(&b, CTR_MAIL), array_len(letters));
	bench_down(&b);
}

static void post_again(struct mail *m, struct core *c)
{
	received++;
	if (received < 10)
		mail_post(c, m);
}

static void test_a_letter_may_be_posted_again_from_its_own_run(void **state)
{
	struct mail m = {.run = post_again};
	struct bench b;

	forget_letters();
	bench_up(&b, one_core);
	mail_post(&b.core[0], &m);
	for (int i = 0; i < 20; i++)
		bench_turn(&b, 1);
	assert_int_equal(received, 10);
	bench_down(&b);
}

/* ---- the loop on a thread of its own, with a semaphore as network ---- */

struct fake_net {
	sem_t bell;
	_Atomic unsigned waits, wakes;
};

static void net_wait_for(void *net, uint64_t until_us)
{
	struct fake_net *n = net;
	struct timespec until = {(time_t)(until_us / 1000000), (long)(until_us % 1000000) * 1000};

	atomic_fetch_add(&n->waits, 1);
	if (until_us == UINT64_MAX)
		sem_wait(&n->bell);
	else
		sem_clockwait(&n->bell, CLOCK_MONOTONIC, &until);
}

static void net_ring(void *net)
{
	struct fake_net *n = net;

	atomic_fetch_add(&n->wakes, 1);
	sem_post(&n->bell);
}

static void *run(void *core)
{
	core_run(core);
	return NULL;
}

static void loop_up(struct bench *b, struct fake_net *n, pthread_t *thread)
{
	memset(n, 0, sizeof(*n));
	sem_init(&n->bell, 0, 0);
	bench_up(b, one_core);
	b->core[0].io = (struct core_io){.net = n, .wait = net_wait_for, .wake = net_ring};
	assert_int_equal(pthread_create(thread, NULL, run, &b->core[0]), 0);
}

static void loop_stop(struct bench *b, struct fake_net *n, pthread_t thread)
{
	atomic_store(&b->core[0].stop, true);
	net_ring(n);
	pthread_join(thread, NULL);
	sem_destroy(&n->bell);
}

struct sender {
	pthread_t thread;
	struct core *to;
	unsigned number;
	struct letter letters[LETTERS];
};

static void *send_letters(void *arg)
{
	struct sender *s = arg;

	for (unsigned i = 0; i < LETTERS; i++) {
		s->letters[i] = (struct letter){
			.mail.run = on_letter, .sender = s->number, .number = i + 1};
		mail_post(s->to, &s->letters[i].mail);
		if (i % 64 == 0)
			sched_yield(); /* so that the core sleeps often */
	}
	return NULL;
}

struct last_letter {
	struct mail mail;
	sem_t done;
};

static void on_last(struct mail *m, struct core *c)
{
	sem_post(&container_of(m, struct last_letter, mail)->done);
}

static void test_no_wake_up_is_lost_between_threads(void **state)
{
	static struct sender senders[SENDERS];
	struct last_letter last = {.mail.run = on_last};
	struct fake_net net;
	pthread_t thread;
	struct bench b;

	forget_letters();
	sem_init(&last.done, 0, 0);
	loop_up(&b, &net, &thread);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i].to = &b.core[0];
		senders[i].number = i;
		assert_int_equal(
			pthread_create(&senders[i].thread, NULL, send_letters, &senders[i]), 0);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	/* Nothing but its mail wakes the core: a lost one hangs here. */
	mail_post(&b.core[0], &last.mail);
	sem_wait(&last.done);
	loop_stop(&b, &net, thread);
	assert_int_equal(received, SENDERS * LETTERS);
	assert_int_equal(out_of_order, 0);
	/* At most one for each time the core went to sleep, however many letters came. */
	assert_true(atomic_load(&net.wakes) <= bench_counter(&b, CTR_LOOPS) + 2);
	sem_destroy(&last.done);
	bench_down(&b);
}

static struct timer tick;
static sem_t ticked;

static void on_tick(struct timer *t, uint64_t now_us)
{
	sem_post(&ticked);
}

static void arm_tick(struct mail *m, struct core *c)
{
	tick.fire = on_tick;
	wheel_arm(&c->wheel, &tick, c->now_us + 20000);
}

static void test_the_loop_sleeps_until_a_timer_and_is_quiet_meanwhile(void **state)
{
	struct mail m = {.run = arm_tick};
	struct fake_net net;
	pthread_t thread;
	struct bench b;
	uint64_t stamp;

	sem_init(&ticked, 0, 0);
	loop_up(&b, &net, &thread);
	stamp = quiet_stamp(&b.quiet);
	mail_post(&b.core[0], &m);
	sem_wait(&ticked);
	assert_true(quiet_passed(&b.quiet, stamp));
	loop_stop(&b, &net, thread);
	assert_true(atomic_load(&net.waits) < 50);
	assert_true(bench_counter(&b, CTR_LOOPS) < 50);
	sem_destroy(&ticked);
	bench_down(&b);
}

static uint64_t held_mark;

static uint64_t held_up_to(void *net)
{
	return held_mark;
}

static void test_no_quiet_point_beyond_the_oldest_send(void **state)
{
	struct bench b;
	uint64_t older, newer;

	bench_up(&b, one_core);
	b.core[0].io.held = held_up_to;
	older = quiet_stamp(&b.quiet);
	held_mark = quiet_now(&b.quiet);
	newer = quiet_stamp(&b.quiet);
	bench_turn(&b, 1);
	assert_true(quiet_passed(&b.quiet, older));
	assert_false(quiet_passed(&b.quiet, newer));
	held_mark = UINT64_MAX;
	bench_turn(&b, 1);
	assert_true(quiet_passed(&b.quiet, newer));
	bench_down(&b);
}

static uint64_t marked;

static void take_mark(void *net, uint64_t mark)
{
	marked = mark;
}

static void test_sends_of_a_turn_are_marked_before_they_are_chosen(void **state)
{
	struct bench b;

	bench_up(&b, one_core);
	b.core[0].io.mark = take_mark;
	quiet_stamp(&b.quiet);
	bench_turn(&b, 1);
	assert_int_equal(marked, quiet_now(&b.quiet));
	bench_down(&b);
}

static void test_an_idle_core_has_nothing_to_wake_for(void **state)
{
	struct bench b;

	bench_up(&b, one_core);
	bench_turn(&b, 1);
	assert_true(core_next_us(&b.core[0]) == UINT64_MAX);
	bench_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_arrives_once_and_in_order),
		cmocka_unit_test(test_a_letter_may_be_posted_again_from_its_own_run),
		cmocka_unit_test(test_no_wake_up_is_lost_between_threads),
		cmocka_unit_test(test_the_loop_sleeps_until_a_timer_and_is_quiet_meanwhile),
		cmocka_unit_test(test_no_quiet_point_beyond_the_oldest_send),
		cmocka_unit_test(test_sends_of_a_turn_are_marked_before_they_are_chosen),
		cmocka_unit_test(test_an_idle_core_has_nothing_to_wake_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
