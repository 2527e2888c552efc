/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include "bpf/lookup.h"
#include "bpf/steer.h"
#include "tests/unit/bpf/needs.h"

#define PORT 5000 /* nobody listens there: it is found by the program or not at all */

/* All in a network of its own, where every address of 127/8 is ours. */
static struct bpf_lookup *opened(void)
{
	struct bpf_lookup *l;
	char err[256];

	need_own_network();
	if (bpf_lookup_open(&l, err, sizeof(err)))
		unable(err);
	return l;
}

/* Listens at a port of the kernel's choice, or of *port where it is not 0. */
static int listener(int family, in_port_t *port)
{
	struct sockaddr_in6 a6 = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = *port};
	struct sockaddr_in a4 = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = *port};
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
	socklen_t n = family == AF_INET ? sizeof(a4) : sizeof(a6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, a, n), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_int_equal(getsockname(fd, a, &n), 0);
	*port = family == AF_INET ? a4.sin_port : a6.sin6_port;
	return fd;
}

static void add(struct bpf_lookup *l, const char *addr, unsigned bits, uint16_t port, uint32_t slot)
{
	int family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	uint8_t bytes[16];

	assert_int_equal(inet_pton(family, addr, bytes), 1);
	assert_int_equal(bpf_lookup_add(l, family, bytes, bits, port, slot), 0);
}

static int connected(const char *addr, uint16_t port)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int v4 = inet_pton(AF_INET, addr, &a4.sin_addr) == 1;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET6, addr, &a6.sin6_addr);
	if (connect(fd, v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
		    v4 ? sizeof(a4) : sizeof(a6))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The client may know before the server does. */
static int accepted(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	poll(&p, 1, 10000);
	return accept(fd, NULL, NULL);
}

/* Whether a connection to that place comes to the listener. */
static bool reaches(const char *addr, uint16_t port, int fd)
{
	int client = connected(addr, port), server;

	if (client < 0)
		return false;
	server = accepted(fd);
	close(client);
	close(server);
	return server >= 0;
}

static void test_listed_places_come_to_the_listener(void **state)
{
	struct bpf_lookup *l = opened();
	in_port_t port = 0;
	int fd = listener(AF_INET, &port);

	assert_int_equal(bpf_lookup_listener(l, 0, fd), 0);
	add(l, "127.9.0.0", 16, PORT, 0);
	assert_true(reaches("127.9.0.1", PORT, fd));
	assert_true(reaches("127.9.255.7", PORT, fd));
	assert_false(reaches("127.9.0.1", PORT + 1, fd));
	assert_false(reaches("127.8.0.1", PORT, fd));
	assert_true(reaches("127.0.0.1", ntohs(port), fd));
	bpf_lookup_close(l);
	assert_false(reaches("127.9.0.1", PORT, fd));
	close(fd);
}

static void test_the_longest_prefix_decides_between_listeners(void **state)
{
	struct bpf_lookup *l = opened();
	in_port_t port = 0, other = 0;
	int all = listener(AF_INET, &port), one = listener(AF_INET, &other);

	assert_int_equal(bpf_lookup_listener(l, 0, all), 0);
	assert_int_equal(bpf_lookup_listener(l, 1, one), 0);
	add(l, "127.0.0.0", 8, PORT, 0);
	add(l, "127.9.0.1", 32, PORT, 1);
	assert_true(reaches("127.9.0.1", PORT, one));
	assert_true(reaches("127.9.0.2", PORT, all));
	bpf_lookup_close(l);
	close(all);
	close(one);
}

static void test_ipv6(void **state)
{
	struct bpf_lookup *l = opened();
	in_port_t port = 0;
	int fd = listener(AF_INET6, &port);

	assert_int_equal(bpf_lookup_listener(l, 3, fd), 0);
	add(l, "::1", 128, PORT, 3);
	assert_true(reaches("::1", PORT, fd));
	assert_false(reaches("::1", PORT + 1, fd));
	bpf_lookup_close(l);
	close(fd);
}

static void test_a_place_that_goes_leaves_its_connections(void **state)
{
	static const uint8_t addr[4] = {127, 9, 0, 1};
	struct bpf_lookup *l = opened();
	in_port_t port = 0;
	int fd = listener(AF_INET, &port), client, server;
	char byte = 'x';

	assert_int_equal(bpf_lookup_listener(l, 0, fd), 0);
	add(l, "127.9.0.1", 32, PORT, 0);
	client = connected("127.9.0.1", PORT);
	server = accepted(fd);
	assert_int_equal(bpf_lookup_del(l, AF_INET, addr, 32, PORT), 0);
	assert_false(reaches("127.9.0.1", PORT, fd));
	assert_int_equal(send(server, &byte, 1, 0), 1);
	assert_int_equal(recv(client, &byte, 1, 0), 1);
	close(client);
	close(server);
	bpf_lookup_close(l);
	close(fd);
}

static void test_a_listener_is_replaced_without_a_gap(void **state)
{
	struct bpf_lookup *l = opened();
	in_port_t port = 0, other = 0;
	int old = listener(AF_INET, &port), new = listener(AF_INET, &other);

	assert_int_equal(bpf_lookup_listener(l, 0, old), 0);
	add(l, "127.9.0.0", 16, PORT, 0);
	assert_true(reaches("127.9.0.1", PORT, old));
	assert_int_equal(bpf_lookup_listener(l, 0, new), 0);
	close(old);
	assert_true(reaches("127.9.0.1", PORT, new));
	bpf_lookup_close(l);
	close(new);
}

static void test_what_comes_to_a_group_is_steered(void **state)
{
	struct bpf_lookup *l = opened();
	struct bpf_steer *s;
	in_port_t port = 0;
	int fd[2] = {listener(AF_INET, &port), listener(AF_INET, &port)};
	int door = listener(AF_INET, &port);
	char err[256];

	if (bpf_steer_open(&s, 2, err, sizeof(err)))
		unable(err);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(bpf_steer_listener(s, i, fd[i]), 0);
	assert_int_equal(bpf_lookup_listener(l, 0, fd[0]), -EBUSY);
	assert_int_equal(bpf_lookup_listener(l, 0, door), 0);
	add(l, "127.9.0.0", 16, PORT, 0);
	for (unsigned core = 0; core < 2; core++) {
		for (unsigned cpu = 0; cpu < STEER_CPUS; cpu++)
			assert_int_equal(bpf_steer_cpu(s, cpu, core), 0);
		for (unsigned i = 0; i < 20; i++)
			assert_true(reaches("127.9.0.1", PORT, fd[core]));
	}
	bpf_steer_close(s);
	bpf_lookup_close(l);
	close(fd[0]);
	close(fd[1]);
	close(door);
}

static void test_bad_places_are_refused(void **state)
{
	struct bpf_lookup *l = opened();
	uint8_t addr[16] = {0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bpf_lookup_add(l, AF_INET, addr, 33, PORT, 0), -EINVAL);
	assert_int_equal(bpf_lookup_add(l, AF_INET6, addr, 129, PORT, 0), -EINVAL);
	assert_int_equal(bpf_lookup_add(l, AF_INET, addr, 8, PORT, LOOKUP_LISTENERS), -EINVAL);
	assert_true(bpf_lookup_listener(l, 0, fd) < 0);
	close(fd);
	bpf_lookup_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listed_places_come_to_the_listener),
		cmocka_unit_test(test_the_longest_prefix_decides_between_listeners),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_a_place_that_goes_leaves_its_connections),
		cmocka_unit_test(test_a_listener_is_replaced_without_a_gap),
		cmocka_unit_test(test_what_comes_to_a_group_is_steered),
		cmocka_unit_test(test_bad_places_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
