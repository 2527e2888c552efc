/* SPDX-License-Identifier: Apache-2.0 */
/* Outgoing connections: open, refused, without an answer, without a route, closed early. */
#include "tests/unit/net/world.h"

static struct end *dial(struct world *w, const union net_addr *to, uint32_t timeout_ms)
{
	struct end *e = end_new(w);
	const struct net_dial d = {.to = to, .timeout_ms = timeout_ms, .user = e};
	enum reason why = REASON_INTERNAL;

	e->conn = net_connect(w->net, &d, &why);
	assert_non_null(e->conn);
	assert_int_equal(why, REASON_NONE);
	return e;
}

static void expect_failure(struct world *w, const union net_addr *to, uint32_t timeout_ms,
			   enum reason why)
{
	struct end *e = dial(w, to, timeout_ms);

	run_until(w, e->connected);
	assert_int_equal(e->connect_why, why);
	run_until(w, counted(w, CTR_CONNS) == 0);
	assert_false(e->released);
}

static void test_connected_both_ways(void **state)
{
	for (int family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET) {
		struct world w;
		struct end *e;

		world_open(&w, (struct net_options){0}, 2, family);
		e = dial(&w, &w.at, 5000);
		run_until(&w, e->connected && w.ends == 2);
		assert_int_equal(e->connect_why, REASON_NONE);
		w.end[1].echo = true;
		end_queue(e, "hello", 5);
		end_pump(e);
		run_until(&w, e->got == 5);
		assert_int_equal(w.end[1].got, 5);
		assert_int_equal(counted(&w, CTR_CONNS), 2);
		assert_int_equal(counted(&w, CTR_ACCEPTS), 1);
		world_close(&w);
	}
}

static void test_refused(void **state)
{
	union net_addr nobody;
	struct world w;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	/* Bound and not listening: nobody else gets the port. */
	nobody = loopback(AF_INET);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &nobody.sa, sizeof(nobody.in)), 0);
	nobody = name_of(fd);
	expect_failure(&w, &nobody, 5000, REASON_CONNECT_REFUSED);
	close(fd);
	world_close(&w);
}

static void test_no_answer_is_a_timeout(void **state)
{
	union net_addr full = loopback(AF_INET);
	struct world w;
	int fd, waiting[8];

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, &full.sa, sizeof(full.in)), 0);
	assert_int_equal(listen(fd, 0), 0);
	full = name_of(fd);
	/* A full queue makes the kernel drop further attempts. */
	for (unsigned i = 0; i < array_len(waiting); i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(waiting[i], &full.sa, sizeof(full.in));
	}
	expect_failure(&w, &full, 150, REASON_CONNECT_TIMEOUT);
	for (unsigned i = 0; i < array_len(waiting); i++)
		close(waiting[i]);
	close(fd);
	world_close(&w);
}

static void test_no_route(void **state)
{
	union net_addr group;
	struct world w;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	/* TCP has no route to a group address on any machine. */
	assert_int_equal(net_addr_parse(&group, "224.0.0.1:1935"), 0);
	expect_failure(&w, &group, 5000, REASON_UNREACHABLE);
	world_close(&w);
}

static void test_close_while_connecting_calls_released_only(void **state)
{
	for (int graceful = 0; graceful < 2; graceful++) {
		struct world w;
		struct end *e;

		world_open(&w, (struct net_options){0}, 2, AF_INET);
		e = dial(&w, &w.at, 5000);
		end_close(e, graceful);
		run_until(&w, e->released);
		assert_false(e->connected);
		world_close(&w);
	}
}

static void test_close_from_inside_connected(void **state)
{
	for (int graceful = 0; graceful < 2; graceful++) {
		struct world w;
		struct end *e;

		world_open(&w, (struct net_options){0}, 2, AF_INET);
		w.close_when = IN_CONNECTED;
		w.graceful = graceful;
		e = dial(&w, &w.at, 5000);
		run_until(&w, w.ends == 2 && w.end[1].closes);
		assert_int_equal(w.end[1].closed_why,
				 graceful ? REASON_PEER_CLOSED : REASON_PEER_RESET);
		end_close(&w.end[1], true);
		run_until(&w, e->released);
		world_close(&w);
	}
}

static void test_full_pool_is_an_error_at_once(void **state)
{
	struct world w;
	const struct net_dial again = {.to = &w.at, .timeout_ms = 5000};
	enum reason why = REASON_NONE;
	struct end *e;

	world_open(&w, (struct net_options){.conns_max = 1}, 4, AF_INET);
	e = dial(&w, &w.at, 5000);
	assert_null(net_connect(w.net, &again, &why));
	assert_int_equal(why, REASON_NO_MEMORY);
	/* The accepting side of the first finds no place either. */
	run_until(&w, e->connected && counted(&w, CTR_REFUSED) == 1);
	assert_int_equal(w.ends, 1);
	world_close(&w);
}

static void test_U7_denied_addresses_are_refused_in_every_spelling(void **state)
{
	struct cidr_set deny;
	struct world w;
	char bad[64];

	world_open(&w, (struct net_options){0}, 2, AF_INET);
	assert_int_equal(cidr_set_parse(&deny, "127.0.0.0/8 fe80::/10", bad, sizeof(bad)), 0);
	for (int mapped = 0; mapped < 2; mapped++) {
		union net_addr to = w.at;
		const struct net_dial d = {.to = &to, .timeout_ms = 5000, .deny = &deny};
		enum reason why = REASON_NONE;

		if (mapped) {
			assert_int_equal(net_addr_parse(&to, "[::ffff:127.0.0.1]:1"), 0);
			to.in6.sin6_port = w.at.in.sin_port;
		}
		assert_null(net_connect(w.net, &d, &why));
		assert_int_equal(why, REASON_ADDRESS_DENIED);
		assert_true(reason_is_final(why));
	}
	/* Nobody was called: the next connection is the listener's first. */
	assert_int_equal(cidr_set_parse(&deny, "10.0.0.0/8", bad, sizeof(bad)), 0);
	end_new(&w);
	w.end[0].conn = net_connect(
		w.net,
		&(struct net_dial){
			.to = &w.at, .timeout_ms = 5000, .user = &w.end[0], .deny = &deny},
		&(enum reason){REASON_NONE});
	run_until(&w, w.end[0].connected && w.ends == 2);
	assert_int_equal(counted(&w, CTR_ACCEPTS), 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connected_both_ways),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_answer_is_a_timeout),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_close_while_connecting_calls_released_only),
		cmocka_unit_test(test_close_from_inside_connected),
		cmocka_unit_test(test_full_pool_is_an_error_at_once),
		cmocka_unit_test(test_U7_denied_addresses_are_refused_in_every_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
