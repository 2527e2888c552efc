/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes both ways, and every way in which a connection ends. */
#include "tests/unit/net/world.h"

static uint8_t chunk[65536];

/* Writes and reads on until `total` bytes have come back. */
static void echo_all(struct world *w, int fd, uint64_t total)
{
	uint64_t wrote = 0, read_n = 0, until = clock_us() + PATIENCE_US;
	static uint8_t in[65536];

	while (read_n < total) {
		size_t n = min_of(sizeof(chunk), (size_t)(total - wrote));
		ssize_t rc;

		assert_true(clock_us() < until);
		pattern_fill(chunk, n, wrote);
		rc = n ? send(fd, chunk, n, MSG_NOSIGNAL) : 0;
		wrote += rc > 0 ? (uint64_t)rc : 0;
		world_step(w);
		while ((rc = recv(fd, in, sizeof(in), 0)) > 0) {
			assert_true(pattern_is(in, (size_t)rc, read_n));
			read_n += (uint64_t)rc;
		}
	}
}

static void test_echo_of_megabytes_is_byte_exact(void **state)
{
	struct world w;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	w.echo = true;
	fd = peer_join(&w);
	echo_all(&w, fd, 8 << 20);
	assert_int_equal(w.end[0].got, 8 << 20);
	assert_int_equal(w.end[0].sent, 8 << 20);
	assert_int_equal(w.end[0].conn->bytes_in, 8 << 20);
	assert_int_equal(counted(&w, CTR_BYTES_IN), 8 << 20);
	assert_int_equal(counted(&w, CTR_BYTES_OUT), 8 << 20);
	assert_int_equal(counted(&w, CTR_ACCEPTS), 1);
	assert_int_equal(counted(&w, CTR_CONNS), 1);
	close(fd);
	world_close(&w);
}

static void test_ipv6_peers_are_served_and_named(void **state)
{
	union net_addr peer;
	char seen[NET_ADDR_TEXT], real[NET_ADDR_TEXT];
	struct world w;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET6);
	w.echo = true;
	fd = peer_join(&w);
	echo_all(&w, fd, 100000);
	peer = name_of(fd);
	assert_string_equal(net_addr_text(seen, &w.end[0].conn->peer), net_addr_text(real, &peer));
	close(fd);
	world_close(&w);
}

static void test_slices_arrive_in_order(void **state)
{
	static uint8_t data[1000];
	struct slice s[4] = {{data, 1}, {data + 1, 499}, {data + 500, 300}, {data + 800, 200}};
	uint8_t in[1000];
	size_t have = 0;
	struct world w;
	int fd;

	pattern_fill(data, sizeof(data), 0);
	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	w.end[0].in_flight = w.end[0].keep_n = sizeof(data);
	net_send(w.end[0].conn, s, 4);
	assert_true(net_sending(w.net));
	while (have < sizeof(in))
		have += (size_t)peer_read(&w, fd, in + have, sizeof(in) - have);
	assert_false(net_sending(w.net));
	assert_true(pattern_is(in, sizeof(in), 0));
	close(fd);
	world_close(&w);
}

static void test_full_window_blocks_once_and_writable_follows(void **state)
{
	const size_t total = 32 << 20;
	uint8_t *data = malloc(total);
	uint64_t read_n = 0;
	struct world w;
	struct end *e;
	int fd;

	pattern_fill(data, total, 0);
	world_open(&w, (struct net_options){.notsent_lowat = 65536}, 1, AF_INET);
	fd = peer_join(&w);
	e = &w.end[0];
	end_queue(e, data, total);
	end_pump(e);
	run_until(&w, e->blocked == 1);
	/* Nothing changes while the peer does not read. */
	for (int i = 0; i < 20; i++)
		world_step(&w);
	assert_int_equal(e->writables, 0);
	assert_int_equal(e->blocked, 1);
	while (read_n < total) {
		ssize_t n = peer_read(&w, fd, chunk, sizeof(chunk));

		assert_true(n > 0);
		assert_true(pattern_is(chunk, (size_t)n, read_n));
		read_n += (uint64_t)n;
	}
	assert_true(e->writables >= 2);
	assert_in_range(e->writables, e->blocked - 1, e->blocked);
	assert_int_equal(counted(&w, CTR_SENDS_BLOCKED), e->blocked);
	assert_int_equal(counted(&w, CTR_SENDS), e->sents);
	free(data);
	close(fd);
	world_close(&w);
}

static void test_half_closed_peer_still_gets_its_bytes(void **state)
{
	struct world w;
	struct end *e;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	e = &w.end[0];
	assert_int_equal(send(fd, "question", 8, 0), 8);
	shutdown(fd, SHUT_WR);
	run_until(&w, e->closes);
	assert_int_equal(e->closed_why, REASON_PEER_CLOSED);
	assert_int_equal(e->got, 8);
	end_queue(e, "answer", 6);
	end_pump(e);
	assert_int_equal(peer_read(&w, fd, chunk, sizeof(chunk)), 6);
	end_close(e, true);
	assert_int_equal(peer_read(&w, fd, chunk, sizeof(chunk)), 0);
	run_until(&w, e->released);
	assert_int_equal(e->closes, 1);
	close(fd);
	world_close(&w);
}

static void test_reset_by_peer_is_told_once(void **state)
{
	struct world w;
	struct end *e;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	e = &w.end[0];
	peer_reset(fd);
	run_until(&w, e->closes);
	assert_int_equal(e->closed_why, REASON_PEER_RESET);
	/* The owner did not notice yet: its next send fails, silently. */
	end_queue(e, "late", 4);
	end_pump(e);
	for (int i = 0; i < 5; i++)
		world_step(&w);
	assert_int_equal(e->closes, 1);
	assert_int_equal(e->sents, 0);
	world_close(&w);
}

static void test_reset_after_half_close_is_told_at_the_next_send(void **state)
{
	struct world w;
	struct end *e;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	e = &w.end[0];
	shutdown(fd, SHUT_WR);
	run_until(&w, e->closes == 1);
	peer_reset(fd);
	while (e->closes == 1) {
		end_queue(e, "x", 1);
		end_pump(e);
		world_step(&w);
	}
	assert_int_equal(e->first_closed_why, REASON_PEER_CLOSED);
	assert_int_equal(e->closed_why, REASON_PEER_RESET);
	world_close(&w);
}

static void test_peer_that_takes_nothing_is_dead_in_time(void **state)
{
	struct world w;
	struct end *e;
	int fd;

	world_open(&w, (struct net_options){.dead_peer_ms = 300}, 1, AF_INET);
	fd = peer_join(&w);
	e = &w.end[0];
	memset(chunk, 0, sizeof(chunk));
	for (int i = 0; i < 512; i++)
		end_queue(e, chunk, sizeof(chunk));
	end_pump(e);
	run_until(&w, e->closes);
	assert_int_equal(e->closed_why, REASON_PEER_DEAD);
	close(fd);
	world_close(&w);
}

static void test_graceful_close_delivers_what_was_accepted(void **state)
{
	struct world w;
	uint64_t read_n = 0;
	struct end *e;
	ssize_t n;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	e = &w.end[0];
	/* Unread input would turn a plain close into a reset. */
	assert_int_equal(send(fd, chunk, sizeof(chunk), 0), sizeof(chunk));
	pattern_fill(chunk, sizeof(chunk), 0);
	end_queue(e, chunk, sizeof(chunk));
	end_pump(e);
	end_close(e, true); /* the send is not even submitted */
	while ((n = peer_read(&w, fd, chunk, sizeof(chunk))) > 0) {
		assert_true(pattern_is(chunk, (size_t)n, read_n));
		read_n += (uint64_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(read_n, sizeof(chunk));
	assert_false(e->released); /* waits for the peer's FIN */
	close(fd);
	run_until(&w, e->released);
	world_close(&w);
}

static void test_graceful_close_does_not_wait_for_ever(void **state)
{
	struct world w;
	uint64_t begun;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	begun = clock_us();
	end_close(&w.end[0], true);
	run_until(&w, w.end[0].released);
	assert_in_range(clock_us() - begun, 1900000, 6000000);
	close(fd);
	world_close(&w);
}

static void test_hard_close_resets(void **state)
{
	struct world w;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	fd = peer_join(&w);
	end_close(&w.end[0], false);
	assert_int_equal(peer_read(&w, fd, chunk, sizeof(chunk)), -ECONNRESET);
	run_until(&w, w.end[0].released);
	close(fd);
	world_close(&w);
}

/* The peer does what brings about every moment; the handler closes in one of them. */
static void close_in(enum moment m, bool graceful)
{
	static uint8_t big[8 << 20];
	struct world w;
	struct end *e;
	int fd;

	world_open(&w, (struct net_options){0}, 1, AF_INET);
	w.close_when = m;
	w.graceful = graceful;
	fd = peer_join(&w);
	e = &w.end[0];
	if (m == IN_SENT || m == IN_WRITABLE) {
		end_queue(e, big, sizeof(big));
		end_pump(e);
	}
	if (m == IN_WRITABLE) {
		run_until(&w, e->blocked);
		while (!e->closing)
			if (peer_read(&w, fd, chunk, sizeof(chunk)) <= 0)
				break;
	}
	if (m == IN_RECEIVED)
		assert_int_equal(send(fd, "x", 1, 0), 1);
	if (m == IN_CLOSED)
		shutdown(fd, SHUT_WR);
	run_until(&w, e->closing);
	close(fd);
	run_until(&w, e->released);
	world_close(&w);
}

static void test_close_from_inside_every_handler(void **state)
{
	for (enum moment m = IN_ACCEPTED; m <= IN_CLOSED; m++) {
		if (m == IN_CONNECTED)
			continue; /* connect_test.c */
		close_in(m, true);
		close_in(m, false);
	}
}

static void test_close_while_blocked_and_with_a_send_prepared(void **state)
{
	static uint8_t big[8 << 20];

	for (int graceful = 0; graceful < 2; graceful++) {
		struct world w;
		int a, b;

		world_open(&w, (struct net_options){0}, 2, AF_INET);
		a = peer_join(&w);
		b = peer_join(&w);
		end_queue(&w.end[0], big, sizeof(big));
		end_pump(&w.end[0]);
		run_until(&w, w.end[0].blocked);
		end_close(&w.end[0], graceful);
		end_close(&w.end[0], !graceful); /* the second one changes nothing */
		end_queue(&w.end[1], big, sizeof(big));
		end_pump(&w.end[1]);
		end_close(&w.end[1], graceful);
		assert_int_equal(w.released, 0); /* never from inside net_close() */
		close(a);
		close(b);
		run_until(&w, w.released == 2);
		world_close(&w);
	}
}

static void test_freeing_ends_what_is_open_and_draining(void **state)
{
	struct world w;
	int a, b;

	world_open(&w, (struct net_options){0}, 2, AF_INET);
	a = peer_join(&w);
	b = peer_join(&w);
	w.end[0].closing = true; /* net_free() does it */
	end_close(&w.end[1], true);
	close(a);
	close(b);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_of_megabytes_is_byte_exact),
		cmocka_unit_test(test_ipv6_peers_are_served_and_named),
		cmocka_unit_test(test_slices_arrive_in_order),
		cmocka_unit_test(test_full_window_blocks_once_and_writable_follows),
		cmocka_unit_test(test_half_closed_peer_still_gets_its_bytes),
		cmocka_unit_test(test_reset_by_peer_is_told_once),
		cmocka_unit_test(test_reset_after_half_close_is_told_at_the_next_send),
		cmocka_unit_test(test_peer_that_takes_nothing_is_dead_in_time),
		cmocka_unit_test(test_graceful_close_delivers_what_was_accepted),
		cmocka_unit_test(test_graceful_close_does_not_wait_for_ever),
		cmocka_unit_test(test_hard_close_resets),
		cmocka_unit_test(test_close_from_inside_every_handler),
		cmocka_unit_test(test_close_while_blocked_and_with_a_send_prepared),
		cmocka_unit_test(test_freeing_ends_what_is_open_and_draining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
