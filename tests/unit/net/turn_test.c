/* SPDX-License-Identifier: Apache-2.0 */
/* The ring: waiting and waking, many connections, small buffer rings, no allocation, two cores. */
#include "tests/unit/net/world.h"

#include <pthread.h>
#include <sys/resource.h>

/* Every allocation of this program, where no sanitizer has taken malloc() already. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static uint64_t heap_calls;
#else
static uint64_t heap_calls;
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

void *malloc(size_t n)
{
	__atomic_add_fetch(&heap_calls, 1, __ATOMIC_RELAXED);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	__atomic_add_fetch(&heap_calls, 1, __ATOMIC_RELAXED);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	__atomic_add_fetch(&heap_calls, 1, __ATOMIC_RELAXED);
	return __libc_realloc(p, n);
}
#endif

static uint8_t bytes[65536];

static void test_wait_ends_at_its_time(void **state)
{
	struct world w;
	uint64_t begun;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	begun = clock_us();
	while (clock_us() < begun + 30000)
		net_wait(w.net, begun + 30000);
	assert_in_range(clock_us() - begun, 30000, 5000000);
	net_wait(w.net, begun); /* in the past: at once */
	world_close(&w);
}

static void *wake_later(void *net)
{
	struct timespec soon = {.tv_nsec = 20000000};

	nanosleep(&soon, NULL);
	net_wake(net);
	return NULL;
}

static void test_wake_from_another_thread_ends_a_wait(void **state)
{
	struct world w;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	net_turn(w.net);
	for (int i = 0; i < 3; i++) {
		pthread_t t;

		assert_int_equal(pthread_create(&t, NULL, wake_later, w.net), 0);
		/* Would hang for ever without the wake; each wake ends one wait. */
		do
			net_wait(w.net, UINT64_MAX);
		while (!net_turn(w.net));
		pthread_join(t, NULL);
	}
	/* Wakes before the wait are not lost. */
	net_wake(w.net);
	net_wake(w.net);
	net_wait(w.net, UINT64_MAX);
	world_close(&w);
}

static void raise_descriptors(unsigned want)
{
	struct rlimit r;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	if (r.rlim_cur >= want)
		return;
	r.rlim_cur = min_of((rlim_t)want, r.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

static void test_two_thousand_connections(void **state)
{
	const unsigned many = 2000;
	const char hello[] = "to everybody";
	static int fd[2000];
	struct world w;

	raise_descriptors(2 * many + 100);
	/* The smallest ring: requests do not fit one submission. */
	world_open(&w, (struct net_options){.entries = 256}, many, AF_INET);
	for (unsigned i = 0; i < many; i++) {
		fd[i] = peer_connect(&w.at);
		net_turn(w.net);
	}
	run_until(&w, w.ends == many);
	assert_int_equal(counted(&w, CTR_CONNS), many);
	for (unsigned i = 0; i < many; i++) {
		struct slice s = {(const uint8_t *)hello, sizeof(hello)};

		w.end[i].in_flight = w.end[i].keep_n = sizeof(hello);
		net_send(w.end[i].conn, &s, 1);
	}
	for (unsigned i = 0; i < many; i++)
		assert_int_equal(peer_read(&w, fd[i], bytes, sizeof(bytes)), sizeof(hello));
	run_until(&w, counted(&w, CTR_SENDS) == many);
	assert_int_equal(counted(&w, CTR_BYTES_OUT), many * sizeof(hello));
	for (unsigned i = 0; i < many; i++) {
		end_close(&w.end[i], i & 1);
		close(fd[i]);
	}
	run_until(&w, w.released == many);
	world_close(&w);
}

static void test_buffers_run_out_and_nothing_is_lost(void **state)
{
	const uint64_t total = 400000;
	uint64_t wrote[8] = {0};
	struct world w;
	int fd[8];

	world_open(&w, (struct net_options){.recv_buffers = 2, .recv_buffer_bytes = 512}, 8,
		   AF_INET);
	for (unsigned i = 0; i < 8; i++)
		fd[i] = peer_join(&w);
	for (unsigned left = 8; left;) {
		left = 0;
		for (unsigned i = 0; i < 8; i++) {
			size_t n = min_of(sizeof(bytes), (size_t)(total - wrote[i]));
			ssize_t rc = send(fd[i], bytes, n, MSG_NOSIGNAL);

			wrote[i] += rc > 0 ? (uint64_t)rc : 0;
			left += wrote[i] < total;
		}
		world_step(&w);
	}
	for (unsigned i = 0; i < 8; i++)
		run_until(&w, w.end[i].got == total);
	assert_true(counted(&w, CTR_RECV_NOBUFS) > 0);
	for (unsigned i = 0; i < 8; i++)
		close(fd[i]);
	world_close(&w);
}

static void test_no_allocation_per_send_and_receive(void **state)
{
	struct slice two[2] = {{bytes, 1000}, {bytes + 1000, 1000}};
	uint64_t heap, pools;
	struct world w;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	heap = heap_calls;
	pools = w.allocs;
	for (unsigned i = 0; i < 2000; i++) {
		struct end *e = &w.end[0];

		e->in_flight = e->keep_n = 2000;
		net_send(e->conn, two, 1 + (i & 1));
		e->in_flight = e->keep_n = i & 1 ? 2000 : 1000;
		assert_int_equal(send(fd, bytes, 100, MSG_NOSIGNAL), 100);
		run_until(&w, e->sents == i + 1 && e->got == 100 * (i + 1));
		while (recv(fd, bytes, sizeof(bytes), 0) > 0)
			;
	}
	assert_int_equal(heap_calls, heap);
	assert_int_equal(w.allocs, pools);
	close(fd);
	world_close(&w);
}

/* ---- two cores on one port ---- */

struct core_thread {
	pthread_t thread;
	union net_addr at;
	struct shm_core ctr;
	struct net *net;
	pthread_barrier_t *ready;
	_Atomic bool stop;
	unsigned served;
};

static bool serve_accepted(void *owner, struct net_conn *c, int tag)
{
	struct slice s = {bytes, 1000};
	struct core_thread *t = owner;

	t->served++;
	net_send(c, &s, 1);
	return true;
}

static void serve_sent(struct net_conn *c, size_t n, bool blocked)
{
	net_close(c, true);
}

static void serve_received(struct net_conn *c, const uint8_t *p, size_t n)
{
}

static void serve_closed(struct net_conn *c, enum reason why)
{
	net_close(c, false);
}

static void serve_released(struct net_conn *c)
{
}

static void *core_main(void *arg)
{
	const struct net_handlers h = {
		.accepted = serve_accepted,
		.sent = serve_sent,
		.received = serve_received,
		.closed = serve_closed,
		.released = serve_released,
	};
	struct core_thread *t = arg;
	struct net_options o = {.conns_max = 100, .ctr = &t->ctr};

	t->net = net_new(&o, &h, t);
	must(t->net && net_listen(t->net, net_listener_open(&t->at, 100), 1) == 0);
	pthread_barrier_wait(t->ready);
	while (!t->stop)
		if (!net_turn(t->net))
			net_wait(t->net, UINT64_MAX);
	pthread_barrier_wait(t->ready); /* nobody wakes it any more */
	net_free(t->net);
	return NULL;
}

static void test_two_cores_share_a_port(void **state)
{
	static struct core_thread t[2];
	pthread_barrier_t ready;
	union net_addr at = loopback(AF_INET);
	int holder = net_listener_open(&at, 1), fds = fds_open();

	at = name_of(holder);
	pthread_barrier_init(&ready, NULL, 3);
	for (unsigned i = 0; i < 2; i++) {
		t[i].at = at;
		t[i].ready = &ready;
		assert_int_equal(pthread_create(&t[i].thread, NULL, core_main, &t[i]), 0);
	}
	pthread_barrier_wait(&ready);
	close(holder);
	for (unsigned i = 0; i < 64; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		static uint8_t in[2000];
		ssize_t n, got = 0;

		assert_int_equal(connect(fd, &at.sa, sizeof(at.in)), 0);
		while ((n = recv(fd, in, sizeof(in), 0)) > 0)
			got += n;
		assert_int_equal(n, 0);
		assert_int_equal(got, 1000);
		close(fd);
	}
	for (unsigned i = 0; i < 2; i++) {
		t[i].stop = true;
		net_wake(t[i].net);
	}
	pthread_barrier_wait(&ready);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(t[i].thread, NULL);
		assert_true(t[i].served > 0);
		assert_int_equal(shm_get(&t[i].ctr.ctr[CTR_ACCEPTS]), t[i].served);
	}
	assert_int_equal(t[0].served + t[1].served, 64);
	pthread_barrier_destroy(&ready);
	assert_int_equal(fds_open(), fds - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait_ends_at_its_time),
		cmocka_unit_test(test_wake_from_another_thread_ends_a_wait),
		cmocka_unit_test(test_two_thousand_connections),
		cmocka_unit_test(test_buffers_run_out_and_nothing_is_lost),
		cmocka_unit_test(test_no_allocation_per_send_and_receive),
		cmocka_unit_test(test_two_cores_share_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
