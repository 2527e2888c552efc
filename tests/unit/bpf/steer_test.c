/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>

#include "bpf/steer.h"
#include "tests/unit/bpf/needs.h"

#define CORES 4

/* Listeners of four cores on one address, and the program between. */
struct street {
	struct bpf_steer *s;
	int listener[CORES];
	struct sockaddr_in addr;
};

static int listen_at(struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	socklen_t n = sizeof(*a);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof(*a)), 0);
	assert_int_equal(listen(fd, 1000), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)a, &n), 0);
	return fd;
}

static void street_open(struct street *t)
{
	char err[256];

	t->addr = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bpf_steer_open(&t->s, CORES, err, sizeof(err)))
		unable(err);
	for (unsigned i = 0; i < CORES; i++) {
		t->listener[i] = listen_at(&t->addr);
		assert_int_equal(bpf_steer_listener(t->s, i, t->listener[i]), 0);
	}
}

static void street_close(struct street *t)
{
	bpf_steer_close(t->s);
	for (unsigned i = 0; i < CORES; i++)
		close(t->listener[i]);
}

/* n connections; got[i] is how many of them listener i has. */
static void connect_all(struct street *t, unsigned n, unsigned got[CORES])
{
	struct pollfd ready[CORES];

	memset(got, 0, CORES * sizeof(*got));
	for (unsigned c = 0; c < CORES; c++)
		ready[c] = (struct pollfd){t->listener[c], POLLIN, 0};
	for (unsigned i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_int_equal(connect(fd, (struct sockaddr *)&t->addr, sizeof(t->addr)), 0);
		/* The client may know before the server does. */
		assert_int_equal(poll(ready, CORES, 10000), 1);
		for (unsigned c = 0; c < CORES; c++) {
			int end = accept(t->listener[c], NULL, NULL);

			if (end < 0)
				continue;
			got[c]++;
			close(end);
		}
		close(fd);
	}
}

static uint64_t counted(struct street *t, enum steer_count c)
{
	uint64_t counts[STEER_COUNTS];

	assert_int_equal(bpf_steer_read(t->s, counts), 0);
	return counts[c];
}

/* Every CPU to one core. */
static void all_cpus(struct street *t, unsigned core)
{
	for (unsigned cpu = 0; cpu < STEER_CPUS; cpu++)
		assert_int_equal(bpf_steer_cpu(t->s, cpu, core), 0);
}

static void test_by_cpu_the_core_of_the_cpu_gets_all(void **state)
{
	struct street t;
	unsigned got[CORES];

	street_open(&t);
	for (unsigned core = 0; core < CORES; core++) {
		all_cpus(&t, core);
		connect_all(&t, 50, got);
		assert_int_equal(got[core], 50);
	}
	/* A SYN that was sent again is chosen for again. */
	assert_true(counted(&t, STEER_CHOSEN) >= 50 * CORES);
	assert_int_equal(counted(&t, STEER_FALLBACK), 0);
	street_close(&t);
}

static void test_by_cpu_each_cpu_has_its_own(void **state)
{
	struct street t;
	unsigned got[CORES];
	cpu_set_t all, one;

	street_open(&t);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (unsigned cpu = 0, core = 0; cpu < CPU_SETSIZE && core < CORES; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		assert_int_equal(bpf_steer_cpu(t.s, cpu, core), 0);
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		connect_all(&t, 20, got);
		assert_int_equal(got[core], 20);
		core++;
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	street_close(&t);
}

static void test_by_load_a_crowded_core_gets_fewer(void **state)
{
	struct street t;
	unsigned got[CORES], sum = 0;

	street_open(&t);
	assert_int_equal(bpf_steer_set(t.s, STEER_BY_LOAD), 0);
	assert_int_equal(bpf_steer_load(t.s, 2, 1000), 0);
	connect_all(&t, 400, got);
	for (unsigned i = 0; i < CORES; i++)
		sum += got[i];
	assert_int_equal(sum, 400);
	/* Only when both choices name it, about one in sixteen. */
	assert_in_range(got[2], 0, 60);
	assert_true(got[0] > 60 && got[1] > 60 && got[3] > 60);
	street_close(&t);
}

static void test_without_a_listener_the_kernel_chooses_and_nobody_is_refused(void **state)
{
	struct street t;
	unsigned got[CORES];

	street_open(&t);
	connect_all(&t, 100, got);
	assert_int_equal(got[0] + got[1] + got[2] + got[3], 100);
	assert_true(counted(&t, STEER_FALLBACK) >= 100);
	all_cpus(&t, 3);
	close(t.listener[3]);
	t.listener[3] = -1;
	connect_all(&t, 100, got);
	assert_int_equal(got[0] + got[1] + got[2] + got[3], 100);
	assert_int_equal(counted(&t, STEER_CHOSEN), 0);
	street_close(&t);
}

static void test_a_listener_is_replaced(void **state)
{
	struct street t;
	unsigned got[CORES];
	int old;

	street_open(&t);
	all_cpus(&t, 1);
	old = t.listener[1];
	t.listener[1] = listen_at(&t.addr);
	assert_int_equal(bpf_steer_listener(t.s, 1, t.listener[1]), 0);
	connect_all(&t, 50, got);
	assert_int_equal(got[1], 50);
	assert_int_equal(accept(old, NULL, NULL), -1);
	close(old);
	connect_all(&t, 50, got);
	assert_int_equal(got[1], 50);
	street_close(&t);
}

static void test_closed_the_kernel_steers_again(void **state)
{
	struct street t;
	unsigned got[CORES];

	street_open(&t);
	all_cpus(&t, 1);
	bpf_steer_close(t.s);
	connect_all(&t, 200, got);
	assert_true(got[0] && got[1] && got[2] && got[3]);
	t.s = NULL;
	street_close(&t);
}

static void test_bad_cores_are_refused(void **state)
{
	struct bpf_steer *s;
	struct street t;
	char err[256];

	street_open(&t);
	assert_int_equal(bpf_steer_listener(t.s, CORES, t.listener[0]), -EINVAL);
	assert_int_equal(bpf_steer_open(&s, 0, err, sizeof(err)), -EINVAL);
	assert_null(s);
	street_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_cpu_the_core_of_the_cpu_gets_all),
		cmocka_unit_test(test_by_cpu_each_cpu_has_its_own),
		cmocka_unit_test(test_by_load_a_crowded_core_gets_fewer),
		cmocka_unit_test(test_without_a_listener_the_kernel_chooses_and_nobody_is_refused),
		cmocka_unit_test(test_a_listener_is_replaced),
		cmocka_unit_test(test_closed_the_kernel_steers_again),
		cmocka_unit_test(test_bad_cores_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
