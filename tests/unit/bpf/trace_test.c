/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "bpf/cgroup.h"
#include "bpf/trace.h"

/* This process in a cgroup of its own, watched; and a listener of the loopback. */
struct site {
	char group[1100];
	struct bpf_trace *t;
	int listener;
	struct sockaddr_in addr;
};

static struct site site;

static int open_site(void **state)
{
	socklen_t n = sizeof(site.addr);
	char err[256];

	site = (struct site){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	site.addr = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(site.listener, (struct sockaddr *)&site.addr, n), 0);
	assert_int_equal(listen(site.listener, 100), 0);
	assert_int_equal(getsockname(site.listener, (struct sockaddr *)&site.addr, &n), 0);
	*state = &site;
	if (bpf_cgroup_enter(site.group, sizeof(site.group), "", err, sizeof(err)) ||
	    bpf_trace_open(&site.t, site.group, err, sizeof(err)))
		fail_msg("%s", err);
	return 0;
}

static int close_site(void **state)
{
	bpf_trace_close(site.t);
	bpf_cgroup_leave(site.group);
	close(site.listener);
	return 0;
}

static uint64_t total(const struct trace_hist *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < TRACE_BUCKETS; i++)
		n += h->n[i];
	return n;
}

static struct trace_sums read_sums(void)
{
	struct trace_sums s;

	assert_int_equal(bpf_trace_read(site.t, &s), 0);
	return s;
}

static void connect_pair(int *server, int *client)
{
	*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*client, (struct sockaddr *)&site.addr, sizeof(site.addr)), 0);
	*server = accept(site.listener, NULL, NULL);
	assert_true(*server >= 0);
}

static size_t fill(int fd)
{
	static const char data[16384];
	size_t sent = 0;
	ssize_t n;

	while ((n = send(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		sent += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return sent;
}

static void take(int fd, size_t bytes)
{
	static char data[65536];

	while (bytes) {
		ssize_t n = recv(fd, data, min_of(bytes, sizeof(data)), 0);

		assert_true(n > 0);
		bytes -= (size_t)n;
	}
}

static void connections_from_here_are_timed(void **state)
{
	struct trace_sums before, after;
	int server, client;

	before = read_sums();
	connect_pair(&server, &client);
	after = read_sums();
	assert_int_equal(total(&after.connect) - total(&before.connect), 1);
	assert_int_equal(total(&after.stall), total(&before.stall));
	close(server);
	close(client);
}

static void a_send_without_room_is_timed_until_there_is_some(void **state)
{
	struct trace_sums before, after;
	struct pollfd room = {.events = POLLOUT};
	int server, client;
	size_t sent;

	connect_pair(&server, &client);
	before = read_sums();
	sent = fill(server);
	/* The stall lasts as long as nobody reads: for this time at least. */
	room.fd = server;
	assert_int_equal(poll(&room, 1, 30), 0);
	after = read_sums();
	assert_int_equal(total(&after.stall), total(&before.stall));
	take(client, sent);
	assert_int_equal(poll(&room, 1, 10000), 1);
	after = read_sums();
	assert_int_equal(total(&after.stall) - total(&before.stall), 1);
	assert_true(after.stall.sum_us - before.stall.sum_us >= 30000);
	close(server);
	close(client);
}

static void a_stall_that_ends_with_its_connection_counts(void **state)
{
	struct trace_sums before, after;
	int server, client;

	connect_pair(&server, &client);
	before = read_sums();
	fill(server);
	close(server);
	after = read_sums();
	assert_int_equal(total(&after.stall) - total(&before.stall), 1);
	close(client);
}

static void other_cgroups_are_none_of_its_business(void **state)
{
	struct trace_sums before, after;
	int server, client;

	bpf_cgroup_leave(site.group);
	before = read_sums();
	connect_pair(&server, &client);
	after = read_sums();
	assert_int_equal(total(&after.connect), total(&before.connect));
	site.group[0] = '\0';
	close(server);
	close(client);
}

static void without_its_group_it_does_not_open(void **state)
{
	struct bpf_trace *t;
	char err[256] = "";

	assert_true(bpf_trace_open(&t, "/nowhere", err, sizeof(err)) < 0);
	assert_null(t);
	assert_non_null(strstr(err, "/nowhere"));
}

/* Other failures are for the tests to tell. */
static bool kernel_traces(void)
{
	char group[1100], err[256] = "";
	struct bpf_trace *t = NULL;
	bool can;

	if (bpf_cgroup_enter(group, sizeof(group), "", err, sizeof(err)))
		return false;
	can = !bpf_trace_open(&t, group, err, sizeof(err));
	bpf_trace_close(t);
	bpf_cgroup_leave(group);
	return can || (!strstr(err, "permitted") && !strstr(err, "not supported"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_from_here_are_timed),
		cmocka_unit_test(a_send_without_room_is_timed_until_there_is_some),
		cmocka_unit_test(a_stall_that_ends_with_its_connection_counts),
		cmocka_unit_test(without_its_group_it_does_not_open),
		cmocka_unit_test(other_cgroups_are_none_of_its_business),
	};

	/* Few kernels can: the guest's does, and no other machine need. */
	if (!kernel_traces()) {
		printf("1..0 # SKIP the kernel does not trace functions, or not for us\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, open_site, close_site);
}
