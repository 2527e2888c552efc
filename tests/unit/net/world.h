/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A net with recording handlers, and plain sockets as its peers, on one thread: the test turns the
 * net and the peers by hand, so that nothing depends on who runs first.
 */
#ifndef TESTS_UNIT_NET_WORLD_H
#define TESTS_UNIT_NET_WORLD_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/net.h"

#define PATIENCE_US 20000000u

enum moment { NEVER, IN_ACCEPTED, IN_CONNECTED, IN_RECEIVED, IN_SENT, IN_WRITABLE, IN_CLOSED };

/* What the owner of one connection saw, and does. */
struct end {
	struct net_conn *conn;
	struct world *world;
	unsigned index;
	/* seen */
	bool connected, released, called_after_close;
	enum reason connect_why, closed_why, first_closed_why;
	char connect_text[200]; /* TLS: what the network said of a failure */
	unsigned writables, blocked, sents, closes;
	uint64_t got, sent, got_clear;
	/* does */
	bool echo, closing;
	/* echo: bytes taken and not yet sent; else: what is being sent */
	uint8_t *keep;
	size_t keep_n, keep_cap, in_flight;
};

struct world {
	struct net *net;
	struct shm_core ctr;
	uint64_t allocs;
	struct net_options opt;
	int listen_fd;
	union net_addr at;
	struct end *end;
	unsigned ends, ends_max, released;
	/* for every new connection */
	bool echo, refuse, graceful;
	enum moment close_when;
	size_t clear; /* so many bytes come before the TLS handshake */
	int fds_before;
};

static inline int fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -1; /* d's own */

	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static inline uint64_t counted(const struct world *w, enum counter c)
{
	return shm_get(&w->ctr.ctr[c]);
}

/* ---- handlers ---- */

static inline void end_close(struct end *e, bool graceful)
{
	e->closing = true;
	net_close(e->conn, graceful);
}

static inline void end_moment(struct end *e, enum moment m)
{
	if (e->closing)
		e->called_after_close = true;
	else if (e->world->close_when == m)
		end_close(e, e->world->graceful);
}

static inline void end_pump(struct end *e)
{
	struct slice s = {e->keep, e->keep_n};

	if (e->closing || e->in_flight || !e->keep_n)
		return;
	e->in_flight = e->keep_n;
	net_send(e->conn, &s, 1);
}

static inline void end_queue(struct end *e, const void *p, size_t n)
{
	/* Bytes in flight must not move; growing is fine once nothing is. */
	if (e->keep_n + n > e->keep_cap) {
		uint8_t *bigger = malloc((e->keep_n + n) * 2);

		memcpy(bigger, e->keep, e->keep_n);
		must(!e->in_flight || net_sending(e->world->net) == false);
		free(e->keep);
		e->keep = bigger;
		e->keep_cap = (e->keep_n + n) * 2;
	}
	memcpy(e->keep + e->keep_n, p, n);
	e->keep_n += n;
}

static inline struct end *end_new(struct world *w)
{
	struct end *e;

	must(w->ends < w->ends_max);
	e = &w->end[w->ends];
	memset(e, 0, sizeof(*e));
	e->world = w;
	e->index = w->ends++;
	e->echo = w->echo;
	e->keep = malloc(1 << 22);
	e->keep_cap = 1 << 22;
	return e;
}

static inline bool world_accepted(void *owner, struct net_conn *c, int tag)
{
	struct world *w = owner;
	struct end *e;

	assert_int_equal(tag, 7);
	if (w->refuse)
		return false;
	e = end_new(w);
	e->conn = c;
	c->user = e;
	c->clear = w->clear > 0;
	end_moment(e, IN_ACCEPTED);
	return true;
}

static inline void world_connected(struct net_conn *c, enum reason why)
{
	struct end *e = c->user;

	e->connected = true;
	e->connect_why = why;
	snprintf(e->connect_text, sizeof(e->connect_text), "%s", net_tls_text(c));
	if (why != REASON_NONE)
		e->conn = NULL;
	else
		end_moment(e, IN_CONNECTED);
}

static inline void world_received(struct net_conn *c, const uint8_t *p, size_t n)
{
	struct end *e = c->user;
	size_t head = min_of(n, (size_t)(e->world->clear - e->got_clear));

	if (c->clear) {
		e->got_clear += head;
		if (e->got_clear == e->world->clear)
			net_secure(c, p + head, n - head);
		return;
	}
	e->got += n;
	end_moment(e, IN_RECEIVED);
	if (e->echo && !e->closing) {
		end_queue(e, p, n);
		end_pump(e);
	}
}

static inline void world_sent(struct net_conn *c, size_t n, bool blocked)
{
	struct end *e = c->user;

	must(e->in_flight && n <= e->in_flight && (!blocked || n == 0));
	e->in_flight = 0;
	e->sent += n;
	e->sents++;
	e->blocked += blocked;
	end_moment(e, IN_SENT);
	if (e->closing)
		return;
	memmove(e->keep, e->keep + n, e->keep_n - n);
	e->keep_n -= n;
	if (!blocked)
		end_pump(e);
}

static inline void world_writable(struct net_conn *c)
{
	struct end *e = c->user;

	e->writables++;
	end_moment(e, IN_WRITABLE);
	end_pump(e);
}

static inline void world_closed(struct net_conn *c, enum reason why)
{
	struct end *e = c->user;

	if (!e->closes++)
		e->first_closed_why = why;
	e->closed_why = why;
	end_moment(e, IN_CLOSED);
}

static inline void world_released(struct net_conn *c)
{
	struct end *e = c->user;

	must(e->closing && !e->released);
	e->released = true;
	e->conn = NULL;
	e->world->released++;
}

static const struct net_handlers world_handlers = {
	world_accepted, world_connected, world_received, world_sent,
	world_writable, world_closed,	 world_released,
};

/* ---- life ---- */

static inline union net_addr loopback(int family)
{
	union net_addr a = {0};

	must(net_addr_parse(&a, family == AF_INET6 ? "[::1]:0" : "127.0.0.1:0") == 0);
	return a;
}

static inline union net_addr name_of(int fd)
{
	union net_addr a = {0};
	socklen_t len = sizeof(a);

	must(getsockname(fd, &a.sa, &len) == 0);
	return a;
}

/* opt: what differs from the defaults; fields that the world owns are filled in. */
static inline void world_open(struct world *w, struct net_options opt, unsigned ends_max,
			      int family)
{
	const union net_addr any = loopback(family);

	memset(w, 0, sizeof(*w));
	w->fds_before = fds_open();
	w->opt = opt;
	w->opt.ctr = &w->ctr;
	w->opt.allocs = &w->allocs;
	if (!w->opt.conns_max)
		w->opt.conns_max = ends_max;
	w->ends_max = ends_max;
	w->end = calloc(ends_max, sizeof(*w->end));
	w->net = net_new(&w->opt, &world_handlers, w);
	assert_non_null(w->net);
	w->listen_fd = net_listener_open(&any, 4096);
	assert_true(w->listen_fd >= 0);
	w->at = name_of(w->listen_fd);
	assert_int_equal(net_listen(w->net, w->listen_fd, 7), 0);
}

/* Everything that is open goes; nothing may be left. */
static inline void world_close(struct world *w)
{
	for (unsigned i = 0; i < w->ends; i++)
		if (w->end[i].conn && !w->end[i].closing)
			end_close(&w->end[i], false);
	net_free(w->net);
	assert_int_equal(counted(w, CTR_CONNS), 0);
	for (unsigned i = 0; i < w->ends; i++) {
		assert_null(w->end[i].conn);
		assert_false(w->end[i].called_after_close);
		free(w->end[i].keep);
	}
	free(w->end);
	assert_int_equal(fds_open(), w->fds_before);
}

static inline void world_step(struct world *w)
{
	if (!net_turn(w->net))
		net_wait(w->net, clock_us() + 5000);
}

/* Turns the net until cond holds; fails the test when it never does. */
#define run_until(w, cond)                                   \
	do {                                                 \
		uint64_t end_us_ = clock_us() + PATIENCE_US; \
		while (!(cond)) {                            \
			assert_true(clock_us() < end_us_);   \
			world_step(w);                       \
		}                                            \
	} while (0)

/* ---- peers ---- */

/* A connected, non-blocking client. */
static inline int peer_connect(const union net_addr *to)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(connect(fd, &to->sa, sizeof(*to)) == 0);
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

static inline int peer_join(struct world *w)
{
	unsigned before = w->ends;
	int fd = peer_connect(&w->at);

	run_until(w, w->ends > before);
	return fd;
}

static inline void peer_reset(int fd)
{
	struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* The next result of reading, turning the net meanwhile: bytes, 0 at the end, or -errno. */
static inline ssize_t peer_read(struct world *w, int fd, void *p, size_t n)
{
	uint64_t until = clock_us() + PATIENCE_US;

	for (;;) {
		ssize_t rc = recv(fd, p, n, 0);

		if (rc >= 0 || errno != EAGAIN)
			return rc < 0 ? -errno : rc;
		assert_true(clock_us() < until);
		world_step(w);
	}
}

/* Byte `i` of a stream that repeats only after 2^32 bytes or so. */
static inline uint8_t pattern(uint64_t i)
{
	return (uint8_t)((i * 2654435761u) >> 24 ^ i);
}

static inline void pattern_fill(uint8_t *p, size_t n, uint64_t from)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(from + i);
}

static inline bool pattern_is(const uint8_t *p, size_t n, uint64_t from)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(from + i))
			return false;
	return true;
}

#endif
