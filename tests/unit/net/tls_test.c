/* SPDX-License-Identifier: Apache-2.0 */
/* TLS listeners: bytes both ways, bad peers, and every way in which it ends. */
#include "tests/unit/net/pki.h"

static struct pki pki;
static struct net_tls *server;
static uint8_t chunk[65536];

static void open_world(struct world *w, struct net_options opt, unsigned ends)
{
	world_open(w, opt, ends, AF_INET);
	world_tls(w, server);
}

static void test_echo_of_megabytes_is_byte_exact(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (unsigned i = 0; i < array_len(versions); i++) {
		struct world w;
		struct peer p;

		open_world(&w, (struct net_options){0}, 1);
		w.echo = true;
		p = peer_tls_join(&w, "a.example", versions[i]);
		peer_tls_echo(&w, &p, 0, 8 << 20);
		assert_int_equal(w.end[0].got, 8 << 20);
		assert_int_equal(w.end[0].sent, 8 << 20);
		/* The network carried more than that. */
		assert_true(w.end[0].conn->bytes_in > 8 << 20);
		assert_true(counted(&w, CTR_BYTES_OUT) > 8 << 20);
		assert_int_equal(counted(&w, CTR_BYTES_OUT), w.end[0].conn->bytes_out);
		assert_int_equal(counted(&w, CTR_TLS_CONNS), 1);
		assert_int_equal(counted(&w, CTR_TLS_FAILED), 0);
		assert_memory_equal(net_tls_text(w.end[0].conn), i ? "TLSv1.3" : "TLSv1.2", 7);
		peer_free(&p);
		world_close(&w);
	}
}

static void test_slices_of_one_send_arrive_in_order_in_batches(void **state)
{
	static uint8_t data[200000];
	struct world w;
	struct slice s[4];
	struct peer p;
	size_t have = 0;
	struct end *e;

	pattern_fill(data, sizeof(data), 0);
	open_world(&w, (struct net_options){0}, 1);
	p = peer_tls_join(&w, NULL, 0);
	e = &w.end[0];
	run_until(&w, counted(&w, CTR_TLS_CONNS) == 1);
	end_queue(e, data, sizeof(data));
	s[0] = (struct slice){e->keep, 1};
	s[1] = (struct slice){e->keep + 1, 20000};
	s[2] = (struct slice){e->keep + 20001, 40000};
	s[3] = (struct slice){e->keep + 60001, sizeof(data) - 60001};
	e->in_flight = sizeof(data);
	net_send(e->conn, s, 4);
	/* The caller's bytes are needed no more. */
	assert_false(net_sending(w.net));
	while (have < sizeof(data)) {
		int n = peer_tls_read(&w, &p, chunk, sizeof(chunk));

		assert_true(n > 0);
		assert_true(pattern_is(chunk, (size_t)n, have));
		have += (size_t)n;
	}
	run_until(&w, e->sent == sizeof(data));
	assert_int_equal(e->sents, 4); /* of 64 KiB at most, and not much less */
	peer_free(&p);
	world_close(&w);
}

static void test_slow_reader_holds_one_batch_and_gets_every_byte(void **state)
{
	const size_t total = 24 << 20;
	uint8_t *data = malloc(total);
	uint64_t read_n = 0, sent;
	struct world w;
	struct end *e;
	struct peer p;

	pattern_fill(data, total, 0);
	open_world(&w, (struct net_options){.notsent_lowat = 65536}, 1);
	p = peer_tls_join(&w, NULL, 0);
	e = &w.end[0];
	run_until(&w, counted(&w, CTR_TLS_CONNS) == 1);
	end_queue(e, data, total);
	end_pump(e);
	do {
		sent = e->sent;
		for (int i = 0; i < 20; i++)
			world_step(&w);
	} while (e->sent != sent);
	assert_true(e->in_flight && sent < total);
	while (read_n < total) {
		int n = peer_tls_read(&w, &p, chunk, sizeof(chunk));

		assert_true(n > 0);
		assert_true(pattern_is(chunk, (size_t)n, read_n));
		read_n += (uint64_t)n;
	}
	run_until(&w, e->sent == total);
	free(data);
	peer_free(&p);
	world_close(&w);
}

static void test_send_before_the_handshake_is_answered_by_writable(void **state)
{
	struct world w;
	struct peer p;
	struct end *e;

	open_world(&w, (struct net_options){0}, 1);
	p = peer_tls(&w, NULL, 0);
	run_until(&w, w.ends == 1);
	e = &w.end[0];
	end_queue(e, "early", 5);
	end_pump(e);
	run_until(&w, e->blocked == 1);
	assert_int_equal(e->writables, 0);
	assert_int_equal(peer_shake(&w, &p), 0);
	assert_int_equal(peer_tls_read(&w, &p, chunk, sizeof(chunk)), 5);
	assert_memory_equal(chunk, "early", 5);
	assert_int_equal(e->writables, 1);
	peer_free(&p);
	world_close(&w);
}

static void test_bytes_one_by_one(void **state)
{
	struct world w;
	struct peer p;
	BIO *out = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
	bool asked = false;
	int rc = 0;

	open_world(&w, (struct net_options){0}, 1);
	w.echo = true;
	p = peer_tls(&w, "a.example", 0);
	SSL_set_bio(p.ssl, in, out);
	for (uint64_t until = clock_us() + PATIENCE_US; rc <= 0;) {
		char byte;

		must(clock_us() < until);
		if (SSL_do_handshake(p.ssl) == 1 && !asked)
			asked = SSL_write(p.ssl, "question", 8) == 8;
		rc = SSL_read(p.ssl, chunk, sizeof(chunk));
		if (BIO_read(out, &byte, 1) == 1)
			must(send(p.fd, &byte, 1, 0) == 1);
		net_turn(w.net);
		if (recv(p.fd, &byte, 1, 0) == 1)
			BIO_write(in, &byte, 1);
	}
	assert_int_equal(rc, 8);
	assert_memory_equal(chunk, "question", 8);
	peer_free(&p);
	world_close(&w);
}

static void test_keys_are_updated_when_the_peer_asks(void **state)
{
	struct world w;
	struct peer p;

	open_world(&w, (struct net_options){0}, 1);
	w.echo = true;
	p = peer_tls_join(&w, NULL, TLS1_3_VERSION);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		peer_tls_echo(&w, &p, i * 100000u, 100000);
	}
	peer_free(&p);
	world_close(&w);
}

static void test_quiet_connections_hold_no_buffer(void **state)
{
	struct world w;
	struct peer p;
	uint64_t allocs;

	open_world(&w, (struct net_options){0}, 1);
	w.echo = true;
	p = peer_tls_join(&w, NULL, 0);
	peer_tls_echo(&w, &p, 0, 1 << 20);
	allocs = w.allocs;
	/* Taken from the core's spare ones and given back, again and again. */
	peer_tls_echo(&w, &p, 0, 4 << 20);
	assert_int_equal(w.allocs, allocs);
	peer_free(&p);
	world_close(&w);
}

/* One batch to each of them before the network turns, as a slot of the tick wheel does. */
static void batch_to_all(struct world *w, struct peer *p, unsigned n, size_t bytes)
{
	static uint8_t batch[40000], got[sizeof(batch)];
	size_t have;
	int r;

	memset(batch, 'x', sizeof(batch));
	for (unsigned i = 0; i < n; i++) {
		end_queue(&w->end[i], batch, bytes);
		end_pump(&w->end[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		for (have = 0; have < bytes; have += (size_t)r) {
			r = peer_tls_read(w, &p[i], got, (int)(bytes - have));
			assert_true(r > 0);
		}
	}
	assert_memory_equal(got, batch, 1);
}

static void test_batches_to_many_take_no_memory_but_the_first_time(void **state)
{
	struct peer p[48];
	struct world w;
	uint64_t allocs = 0;

	open_world(&w, (struct net_options){.no_ktls = true}, array_len(p));
	for (unsigned i = 0; i < array_len(p); i++)
		p[i] = peer_tls_join(&w, NULL, 0);
	/* The peers' OpenSSL has the same heap here, so it takes a few rounds. */
	for (unsigned i = 0; i < 12; i++) {
		if (i == 6)
			allocs = w.allocs;
		batch_to_all(&w, p, array_len(p), i % 2 ? 40000 : 12000);
	}
	assert_int_equal(w.allocs, allocs);
	for (unsigned i = 0; i < array_len(p); i++)
		peer_free(&p[i]);
	world_close(&w);
}

/* ---- bad peers ---- */

static void test_TLS_1_1_is_refused(void **state)
{
	struct world w;
	struct peer p;

	open_world(&w, (struct net_options){0}, 1);
	p = peer_tls(&w, NULL, TLS1_1_VERSION);
	assert_int_equal(peer_shake(&w, &p), SSL_ERROR_SSL);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
	run_until(&w, w.end[0].closes);
	assert_int_equal(w.end[0].closed_why, REASON_TLS_HANDSHAKE);
	assert_string_equal(net_tls_text(w.end[0].conn), "unsupported protocol");
	assert_int_equal(counted(&w, CTR_TLS_FAILED), 1);
	assert_int_equal(counted(&w, CTR_TLS_CONNS), 0);
	end_close(&w.end[0], true);
	peer_free(&p);
	world_close(&w);
}

static void test_garbage_instead_of_a_ClientHello(void **state)
{
	static const char *const garbage[] = {
		"GET /live/x.flv HTTP/1.1\r\nHost: h\r\n\r\n",
		"\x03\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10",
		"\x16\x03\x01\x40\x01zzzz",
		"\x16\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
		"\x15\x03\x03\x01\x02\x02\x28",
	};

	for (unsigned i = 0; i < array_len(garbage); i++) {
		struct world w;
		int fd;

		open_world(&w, (struct net_options){0}, 1);
		fd = peer_join(&w);
		assert_true(send(fd, garbage[i], strlen(garbage[i]), 0) > 0);
		for (unsigned k = 0; k < 600 && !w.end[0].closes; k++) {
			(void)!send(fd, chunk, 100, MSG_NOSIGNAL);
			world_step(&w);
		}
		assert_int_equal(w.end[0].closed_why, REASON_TLS_HANDSHAKE);
		assert_int_equal(w.end[0].closes, 1);
		assert_int_equal(w.end[0].got, 0);
		assert_true(*net_tls_text(w.end[0].conn));
		end_close(&w.end[0], true);
		close(fd);
		run_until(&w, w.end[0].released);
		world_close(&w);
	}
}

static void test_T1_probe_that_sends_nothing_is_a_closed_peer(void **state)
{
	struct world w;
	int fd;

	open_world(&w, (struct net_options){0}, 1);
	fd = peer_join(&w);
	close(fd);
	run_until(&w, w.end[0].closes);
	assert_int_equal(w.end[0].closed_why, REASON_PEER_CLOSED);
	assert_int_equal(w.end[0].conn->bytes_in, 0);
	assert_int_equal(counted(&w, CTR_TLS_FAILED), 0);
	world_close(&w);
}

/* The head and the ClientHello in one segment, apart, and byte by byte. */
static void test_T1_what_a_proxy_says_before_the_handshake_is_the_owners(void **state)
{
	static const char head[] = "PROXY TCP4 203.0.113.9 127.0.0.1 5000 443\r\n";
	const size_t n = strlen(head);

	for (unsigned how = 0; how < 3; how++) {
		struct world w;
		struct peer p;

		open_world(&w, (struct net_options){0}, 1);
		w.echo = true;
		w.clear = n;
		p = peer_tls(&w, "a.example", 0);
		for (size_t i = 0; i < n; i += how == 2 ? 1 : n) {
			assert_true(send(p.fd, head + i, how == 2 ? 1 : n, 0) > 0);
			if (how == 1)
				run_until(&w, w.ends && w.end[0].got_clear == n);
			if (how == 2)
				run_until(&w, w.ends && w.end[0].got_clear == i + 1);
		}
		assert_int_equal(peer_shake(&w, &p), 0);
		peer_tls_echo(&w, &p, 0, 100000);
		assert_int_equal(w.end[0].got_clear, n);
		assert_int_equal(w.end[0].got, 100000);
		assert_int_equal(counted(&w, CTR_TLS_CONNS), 1);
		peer_free(&p);
		world_close(&w);
	}
}

static void test_T1_a_peer_may_leave_before_its_handshake_has_begun(void **state)
{
	struct world w;
	int fd;

	open_world(&w, (struct net_options){0}, 2);
	w.clear = 10;
	fd = peer_join(&w);
	assert_int_equal(send(fd, "12345", 5, 0), 5);
	run_until(&w, w.end[0].got_clear == 5);
	close(fd);
	run_until(&w, w.end[0].closes);
	assert_int_equal(w.end[0].closed_why, REASON_PEER_CLOSED);
	assert_int_equal(counted(&w, CTR_TLS_FAILED), 0);
	/* And the owner may close one that waits. */
	fd = peer_join(&w);
	end_close(&w.end[1], true);
	close(fd);
	run_until(&w, w.end[1].released);
	world_close(&w);
}

static void test_broken_record_after_the_handshake(void **state)
{
	struct world w;
	struct peer p;

	open_world(&w, (struct net_options){0}, 1);
	w.echo = true;
	p = peer_tls_join(&w, NULL, 0);
	peer_tls_echo(&w, &p, 0, 1000);
	memcpy(chunk, "\x17\x03\x03\x00\x40", 5);
	assert_int_equal(send(p.fd, chunk, 5 + 64, 0), 5 + 64);
	run_until(&w, w.end[0].closes);
	assert_int_equal(w.end[0].closed_why, REASON_TLS_RECORD);
	assert_int_equal(w.end[0].got, 1000);
	/* The owner did not notice yet: its next send goes nowhere. */
	end_queue(&w.end[0], "late", 4);
	end_pump(&w.end[0]);
	for (int i = 0; i < 5; i++)
		world_step(&w);
	assert_int_equal(w.end[0].closes, 1);
	end_close(&w.end[0], true);
	/* The peer is told. */
	assert_int_equal(peer_tls_read(&w, &p, chunk, sizeof(chunk)), -SSL_ERROR_SSL);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
	peer_free(&p);
	world_close(&w);
}

/* ---- ends ---- */

static void test_peer_that_says_goodbye_still_gets_its_bytes(void **state)
{
	struct world w;
	struct peer p;
	struct end *e;

	open_world(&w, (struct net_options){0}, 1);
	p = peer_tls_join(&w, NULL, 0);
	e = &w.end[0];
	assert_int_equal(SSL_write(p.ssl, "question", 8), 8);
	SSL_shutdown(p.ssl);
	shutdown(p.fd, SHUT_WR);
	run_until(&w, e->closes);
	for (int i = 0; i < 5; i++)
		world_step(&w);
	assert_int_equal(e->closes, 1);
	assert_int_equal(e->closed_why, REASON_PEER_CLOSED);
	assert_int_equal(e->got, 8);
	end_queue(e, "answer", 6);
	end_pump(e);
	assert_int_equal(peer_tls_read(&w, &p, chunk, sizeof(chunk)), 6);
	end_close(e, true);
	assert_int_equal(peer_tls_read(&w, &p, chunk, sizeof(chunk)), -SSL_ERROR_ZERO_RETURN);
	run_until(&w, e->released);
	peer_free(&p);
	world_close(&w);
}

static void test_graceful_close_delivers_what_was_accepted_and_goodbye(void **state)
{
	uint64_t read_n = 0;
	struct world w;
	struct peer p;
	struct end *e;
	int n;

	open_world(&w, (struct net_options){0}, 1);
	p = peer_tls_join(&w, NULL, 0);
	e = &w.end[0];
	/* Unread input would turn a plain close into a reset. */
	assert_true(SSL_write(p.ssl, chunk, sizeof(chunk)) > 0);
	run_until(&w, counted(&w, CTR_TLS_CONNS) == 1);
	pattern_fill(chunk, sizeof(chunk), 0);
	end_queue(e, chunk, 60000);
	end_pump(e);
	end_close(e, true);
	while ((n = peer_tls_read(&w, &p, chunk, sizeof(chunk))) > 0) {
		assert_true(pattern_is(chunk, (size_t)n, read_n));
		read_n += (uint64_t)n;
	}
	assert_int_equal(n, -SSL_ERROR_ZERO_RETURN);
	assert_int_equal(read_n, 60000);
	close(p.fd);
	run_until(&w, e->released);
	p.fd = dup(0);
	peer_free(&p);
	world_close(&w);
}

/* The peer does what brings about every moment; the handler closes in one of them. */
static void close_in(enum moment m, bool graceful)
{
	static uint8_t big[4 << 20];
	struct world w;
	struct end *e;
	struct peer p;

	open_world(&w, (struct net_options){0}, 1);
	w.close_when = m;
	w.graceful = graceful;
	p = peer_tls(&w, NULL, 0);
	run_until(&w, w.ends == 1);
	e = &w.end[0];
	if (m == IN_SENT || m == IN_WRITABLE) {
		end_queue(e, big, sizeof(big));
		if (m == IN_SENT)
			peer_shake(&w, &p);
		end_pump(e);
	}
	if (m != IN_ACCEPTED)
		peer_shake(&w, &p);
	if (m == IN_RECEIVED)
		assert_int_equal(SSL_write(p.ssl, "x", 1), 1);
	if (m == IN_CLOSED)
		SSL_shutdown(p.ssl);
	run_until(&w, e->closing);
	peer_free(&p);
	run_until(&w, e->released);
	world_close(&w);
}

static void test_close_from_inside_every_handler(void **state)
{
	for (enum moment m = IN_ACCEPTED; m <= IN_CLOSED; m++) {
		if (m == IN_CONNECTED)
			continue; /* tls_connect_test.c */
		close_in(m, true);
		close_in(m, false);
	}
}

static void test_close_at_every_step_of_the_handshake_and_while_blocked(void **state)
{
	static uint8_t big[8 << 20];

	for (unsigned i = 0; i < 2 * 6; i++) {
		struct world w;
		struct peer p;
		struct end *e;

		open_world(&w, (struct net_options){0}, 1);
		p = peer_tls(&w, NULL, 0);
		run_until(&w, w.ends == 1);
		e = &w.end[0];
		for (unsigned k = 0; k < i / 2; k++) {
			SSL_do_handshake(p.ssl);
			world_step(&w);
		}
		if (i / 2 >= 4) {
			must(peer_shake(&w, &p) == 0);
			run_until(&w, counted(&w, CTR_TLS_CONNS) == 1);
			end_queue(e, big, sizeof(big));
			end_pump(e);
		}
		for (unsigned k = 0; i / 2 == 5 && k < 20; k++)
			world_step(&w);
		end_close(e, i % 2);
		peer_free(&p);
		run_until(&w, e->released);
		world_close(&w);
	}
}

static void test_freed_with_connections_in_every_state(void **state)
{
	static uint8_t big[8 << 20];
	struct peer p[4];
	struct world w;

	open_world(&w, (struct net_options){0}, 4);
	for (unsigned i = 0; i < array_len(p); i++) {
		p[i] = i < 2 ? peer_tls(&w, NULL, 0) : peer_tls_join(&w, NULL, 0);
		run_until(&w, w.ends == i + 1);
	}
	SSL_do_handshake(p[1].ssl);
	run_until(&w, counted(&w, CTR_TLS_CONNS) == 2);
	end_queue(&w.end[3], big, sizeof(big));
	end_pump(&w.end[3]);
	for (int i = 0; i < 50; i++)
		world_step(&w);
	end_close(&w.end[2], true);
	w.fds_before += (int)array_len(p);
	world_close(&w);
	for (unsigned i = 0; i < array_len(p); i++)
		peer_free(&p[i]);
}

static int begin(void **state)
{
	server = pki_begin(&pki);
	return 0;
}

static int end(void **state)
{
	net_tls_free(server);
	pki_close(&pki);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_of_megabytes_is_byte_exact),
		cmocka_unit_test(test_slices_of_one_send_arrive_in_order_in_batches),
		cmocka_unit_test(test_slow_reader_holds_one_batch_and_gets_every_byte),
		cmocka_unit_test(test_send_before_the_handshake_is_answered_by_writable),
		cmocka_unit_test(test_bytes_one_by_one),
		cmocka_unit_test(test_keys_are_updated_when_the_peer_asks),
		cmocka_unit_test(test_quiet_connections_hold_no_buffer),
		cmocka_unit_test(test_batches_to_many_take_no_memory_but_the_first_time),
		cmocka_unit_test(test_TLS_1_1_is_refused),
		cmocka_unit_test(test_garbage_instead_of_a_ClientHello),
		cmocka_unit_test(test_T1_probe_that_sends_nothing_is_a_closed_peer),
		cmocka_unit_test(test_T1_what_a_proxy_says_before_the_handshake_is_the_owners),
		cmocka_unit_test(test_T1_a_peer_may_leave_before_its_handshake_has_begun),
		cmocka_unit_test(test_broken_record_after_the_handshake),
		cmocka_unit_test(test_peer_that_says_goodbye_still_gets_its_bytes),
		cmocka_unit_test(test_graceful_close_delivers_what_was_accepted_and_goodbye),
		cmocka_unit_test(test_close_from_inside_every_handler),
		cmocka_unit_test(test_close_at_every_step_of_the_handshake_and_while_blocked),
		cmocka_unit_test(test_freed_with_connections_in_every_state),
	};

	net_tls_prepare();
	return cmocka_run_group_tests(tests, begin, end);
}
