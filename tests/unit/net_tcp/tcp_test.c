/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/tcp/tcp.h"

static unsigned emitted, ended;
static enum tcp_end why;

static void on_emit(void *owner, const struct tcp_packet *p)
{
	emitted++;
}

static void on_ended(void *owner, struct tcp_conn *c, enum tcp_end e)
{
	ended++;
	why = e;
}

static const struct tcp_ops ops = {.emit = on_emit, .ended = on_ended};

static struct ip address(const char *text)
{
	struct ip ip;

	must(!ip_parse(&ip, text, strlen(text)));
	return ip;
}

static struct tcp_config config(void)
{
	return (struct tcp_config){
		.local = {address("10.0.0.1"), address("2001:db8::1")},
		.locals = 2,
		.conns_max = 2,
		.tw_max = 8,
		.mtu = 1500,
		.recv_window = 65535,
	};
}

static struct tcp *start(const struct tcp_config *cf, void **mem)
{
	*mem = aligned_alloc(64, (tcp_bytes(cf) + 63) & ~(size_t)63);
	must(*mem);
	emitted = ended = 0;
	return tcp_init(*mem, cf, &ops, NULL, 1000000);
}

/* Connections, table, TIME_WAIT, and blocks for one viewer in thirty, everything counted. */
static void test_a_viewer_takes_at_most_512_bytes(void **state)
{
	struct tcp_config cf = config();

	cf.conns_max = 131072;
	cf.blocks_max = cf.conns_max / 30;
	cf.tw_max = 16384;
	assert_in_range(tcp_bytes(&cf) / cf.conns_max, 384, 512);
}

static void test_ports_are_listened_on_once(void **state)
{
	struct tcp_config cf = config();
	void *mem;
	struct tcp *t = start(&cf, &mem);

	for (uint16_t i = 1; i <= TCP_LISTENERS; i++)
		assert_int_equal(tcp_listen(t, i, 0), 0);
	assert_int_equal(tcp_listen(t, 1, 0), -EADDRINUSE);
	assert_int_equal(tcp_listen(t, 99, 0), -ENOSPC);
	tcp_unlisten(t, 1);
	assert_int_equal(tcp_listen(t, 99, 0), 0);
	free(mem);
}

static void test_connect_refuses_what_cannot_be(void **state)
{
	struct tcp_config cf = config();
	struct ip v4 = address("10.0.0.1"), v6 = address("2001:db8::1"), to = address("10.0.0.2");
	void *mem;
	struct tcp *t = start(&cf, &mem);

	assert_null(tcp_connect(t, &to, 1, &to, 1, NULL, 1));
	assert_null(tcp_connect(t, &v6, 1, &to, 1, NULL, 1));
	assert_null(tcp_connect(t, &v4, 0, &to, 1, NULL, 1));
	assert_non_null(tcp_connect(t, &v4, 1, &to, 1, &cf, 1));
	assert_null(tcp_connect(t, &v4, 1, &to, 1, NULL, 1));
	assert_non_null(tcp_connect(t, &v4, 2, &to, 1, NULL, 1));
	assert_null(tcp_connect(t, &v4, 3, &to, 1, NULL, 1));
	assert_int_equal(emitted, 2);
	free(mem);
}

static void test_ended_comes_once_and_the_place_is_free_again(void **state)
{
	struct tcp_config cf = config();
	struct ip v4 = address("10.0.0.1"), to = address("10.0.0.2");
	void *mem;
	struct tcp *t = start(&cf, &mem);

	for (int i = 0; i < 10; i++) {
		struct tcp_conn *c = tcp_connect(t, &v4, 1, &to, 1, NULL, 2);

		assert_non_null(c);
		tcp_abort(c, 2);
		tcp_abort(c, 2);
		tcp_close(c, 2);
		assert_int_equal(tcp_send(c, &(struct tcp_range){.n = 5}, 1, 2), 0);
		assert_int_equal(ended, (unsigned)i);
		tcp_turn(t, 2);
		assert_int_equal(ended, (unsigned)i + 1);
		assert_int_equal(why, TCP_END_ABORTED);
		assert_int_equal(tcp_conns(t), 0);
		assert_true(tcp_next(t, 2) == UINT64_MAX);
	}
	free(mem);
}

static void test_an_attempt_ends_with_the_user_timeout(void **state)
{
	struct tcp_config cf = config();
	struct ip v6 = address("2001:db8::1"), to = address("2001:db8::2");
	void *mem;
	struct tcp *t = start(&cf, &mem);
	uint64_t now = 1000000;

	assert_non_null(tcp_connect(t, &v6, 1, &to, 1, NULL, now));
	while (!ended && now < 1000000000) {
		now = max_of(now, tcp_next(t, now));
		tcp_turn(t, now);
	}
	assert_int_equal(why, TCP_END_TIMEOUT);
	/* 1 + 2 + 4 + 8 + 16 s; six SYNs would be 63 s. */
	assert_in_range(now, 30000000, 33000000);
	assert_int_equal(emitted, 5);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_viewer_takes_at_most_512_bytes),
		cmocka_unit_test(test_ports_are_listened_on_once),
		cmocka_unit_test(test_connect_refuses_what_cannot_be),
		cmocka_unit_test(test_ended_comes_once_and_the_place_is_free_again),
		cmocka_unit_test(test_an_attempt_ends_with_the_user_timeout),
	};

	return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
