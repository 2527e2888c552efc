/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners: refusing, stopping, going on, running out of places and of descriptors. */
#include "tests/unit/net/world.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

static char byte;

static void test_refused_by_the_owner_gets_a_reset(void **state)
{
	struct world w;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	w.refuse = true;
	fd = peer_connect(&w.at);
	assert_int_equal(peer_read(&w, fd, &byte, 1), -ECONNRESET);
	assert_int_equal(w.ends, 0);
	assert_int_equal(counted(&w, CTR_CONNS), 0);
	assert_int_equal(counted(&w, CTR_ACCEPTS), 0);
	close(fd);
	world_close(&w);
}

static void test_beyond_conns_max_is_reset_and_counted(void **state)
{
	struct world w;
	int fd[3];

	world_open(&w, (struct net_options){.conns_max = 2}, 3, AF_INET);
	fd[0] = peer_join(&w);
	fd[1] = peer_join(&w);
	fd[2] = peer_connect(&w.at);
	assert_int_equal(peer_read(&w, fd[2], &byte, 1), -ECONNRESET);
	assert_int_equal(counted(&w, CTR_REFUSED), 1);
	close(fd[2]);
	/* A place that is free again is used again. */
	end_close(&w.end[0], false);
	run_until(&w, w.released == 1);
	fd[2] = peer_join(&w);
	for (unsigned i = 0; i < array_len(fd); i++)
		close(fd[i]);
	world_close(&w);
}

static void test_accepted_sockets_have_the_options(void **state)
{
	struct world w;
	unsigned seen = 0, options[3][2] = {{TCP_NODELAY, 1},
					    {TCP_USER_TIMEOUT, 7000},
					    {TCP_NOTSENT_LOWAT, 50000}};
	socklen_t len = sizeof(seen);
	int fd, ours = -1;

	world_open(&w, (struct net_options){.dead_peer_ms = 7000, .notsent_lowat = 50000}, 1,
		   AF_INET);
	fd = peer_join(&w);
	/* The accepted socket is the one whose peer is ours. */
	for (int i = 0; i < 1024; i++) {
		union net_addr peer = {0}, me = name_of(fd);
		socklen_t n = sizeof(peer);

		if (!getpeername(i, &peer.sa, &n) && peer.in.sin_port == me.in.sin_port)
			ours = i;
	}
	assert_true(ours >= 0);
	for (unsigned i = 0; i < array_len(options); i++) {
		assert_int_equal(getsockopt(ours, IPPROTO_TCP, (int)options[i][0], &seen, &len), 0);
		assert_int_equal(seen, options[i][1]);
	}
	close(fd);
	world_close(&w);
}

static void test_stopped_listener_refuses_and_goes_on_after_resume(void **state)
{
	struct world w;
	int a, b;

	world_open(&w, (struct net_options){0}, 4, AF_INET);
	/* A configured port outlives the stop; the world's was chosen by the kernel and does not. */
	net_free(w.net);
	w.net = net_new(&w.opt, &world_handlers, &w);
	assert_non_null(w.net);
	w.listen_fd = net_listener_open(&w.at, 100);
	assert_true(w.listen_fd >= 0);
	assert_int_equal(net_listen(w.net, w.listen_fd, 7), 0);
	a = peer_join(&w);
	for (int round = 0; round < 3; round++) {
		net_listen_stop(w.net);
		world_step(&w);
		b = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(b, &w.at.sa, sizeof(w.at.in)), -1);
		assert_int_equal(errno, ECONNREFUSED);
		close(b);
		/* Who is there already stays. */
		assert_int_equal(w.end[0].closes, 0);
		net_listen_resume(w.net);
		b = peer_join(&w);
		close(b);
	}
	assert_int_equal(w.ends, 4);
	close(a);
	world_close(&w);
}

static void test_a_listener_that_is_left_goes_on_with_who_else_has_the_socket(void **state)
{
	struct world w;
	int a, b, other, theirs;

	world_open(&w, (struct net_options){0}, 2, AF_INET);
	net_free(w.net);
	w.net = net_new(&w.opt, &world_handlers, &w);
	assert_non_null(w.net);
	w.listen_fd = net_listener_open(&w.at, 100);
	other = fcntl(w.listen_fd, F_DUPFD_CLOEXEC, 0);
	assert_true(other >= 0);
	assert_int_equal(net_listen(w.net, w.listen_fd, 7), 0);
	a = peer_join(&w);
	/* Looking anew changes nothing for who comes. */
	net_listen_look(w.net);
	world_step(&w);
	b = peer_join(&w);
	close(b);
	net_listen_leave(w.net, 7);
	world_step(&w);
	world_step(&w);
	assert_int_equal(fcntl(w.listen_fd, F_GETFD), -1);
	/* Stopping at the end must not stop the other one. */
	net_listen_stop(w.net);
	net_listen_resume(w.net);
	world_step(&w);
	b = peer_connect(&w.at);
	theirs = accept4(other, NULL, NULL, SOCK_CLOEXEC);
	assert_true(theirs >= 0);
	assert_int_equal(w.ends, 2);
	assert_int_equal(w.end[0].closes, 0);
	close(theirs);
	close(other);
	close(b);
	close(a);
	world_close(&w);
}

static void test_out_of_descriptors_is_waited_out(void **state)
{
	struct rlimit before, tight;
	struct world w;
	int fd, lowest_free;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_connect(&w.at); /* waits in the listener's queue */
	lowest_free = dup(fd);
	close(lowest_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = (struct rlimit){(rlim_t)lowest_free, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	for (int i = 0; i < 10; i++)
		world_step(&w);
	assert_int_equal(w.ends, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	run_until(&w, w.ends == 1);
	close(fd);
	world_close(&w);
}

static void test_probe_sees_who_listens_already(void **state)
{
	union net_addr at = loopback(AF_INET);
	int fd, again;

	assert_int_equal(net_listener_probe(&at), 0);
	fd = net_listener_open(&at, 10);
	assert_true(fd >= 0);
	at = name_of(fd);
	assert_int_equal(net_listener_probe(&at), -EADDRINUSE);
	/* Another core of the same process may. */
	again = net_listener_open(&at, 10);
	assert_true(again >= 0);
	close(again);
	close(fd);
}

static void test_every_address_takes_ipv4_and_ipv6(void **state)
{
	union net_addr at, v4, v6;
	struct world w;
	int fd, a, b;

	world_open(&w, (struct net_options){0}, 2, AF_INET);
	assert_int_equal(net_addr_parse(&at, ":0"), 0);
	fd = net_listener_open(&at, 10);
	assert_true(fd >= 0);
	assert_int_equal(net_listen(w.net, fd, 7), 0);
	at = name_of(fd);
	v4 = loopback(AF_INET);
	v6 = loopback(AF_INET6);
	v4.in.sin_port = v6.in6.sin6_port = at.in6.sin6_port;
	a = peer_connect(&v4);
	b = peer_connect(&v6);
	run_until(&w, w.ends == 2);
	close(a);
	close(b);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_by_the_owner_gets_a_reset),
		cmocka_unit_test(test_beyond_conns_max_is_reset_and_counted),
		cmocka_unit_test(test_accepted_sockets_have_the_options),
		cmocka_unit_test(test_stopped_listener_refuses_and_goes_on_after_resume),
		cmocka_unit_test(test_a_listener_that_is_left_goes_on_with_who_else_has_the_socket),
		cmocka_unit_test(test_out_of_descriptors_is_waited_out),
		cmocka_unit_test(test_probe_sees_who_listens_already),
		cmocka_unit_test(test_every_address_takes_ipv4_and_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
