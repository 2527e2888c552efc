/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uring.h"

#include <errno.h>
#include <stdlib.h>

static struct uring_tls *tls_new(struct uring_conn *c)
{
	uint64_t *allocs = uring_of(c)->opt.allocs;

	if (allocs)
		(*allocs)++;
	c->tls = calloc(1, sizeof(*c->tls));
	return c->tls;
}

static int made(struct uring_conn *c, int r)
{
	if (r) {
		free(c->tls);
		c->tls = NULL;
	}
	return r;
}

int uring_tls_accept(struct uring_conn *c, struct net_tls *with)
{
	if (!tls_new(c))
		return -ENOMEM;
	return made(c, tls_init_server(&c->tls->conn, with, &uring_of(c)->tls, c->fd));
}

int uring_tls_connect(struct uring_conn *c, const struct net_dial *d)
{
	if (!tls_new(c))
		return -ENOMEM;
	return made(c, tls_init_client(&c->tls->conn, d, &uring_of(c)->tls, c->fd));
}

void uring_tls_free(struct uring_conn *c)
{
	tls_fini(&c->tls->conn);
	free(c->tls);
	c->tls = NULL;
}

/* ---- sending ---- */

/* Sends what is encrypted, unless that is going on. The handshake flushes by itself. */
static void push(struct uring_conn *c)
{
	struct slice rest = tls_pending(&c->tls->conn);
	struct io_uring_sqe *sqe;

	if (!rest.n || c->sending || c->polling || c->tls->conn.shaking)
		return;
	sqe = uring_conn_sqe(c, OP_SEND);
	io_uring_prep_send(sqe, c->fd, rest.p, rest.n, NET_SEND_FLAGS);
	c->sending = true;
	c->tls->submitted = rest.n;
}

void uring_tls_send(struct uring_conn *c, const struct slice *s, unsigned n)
{
	struct tls_conn *t = &c->tls->conn;

	must(!c->tls->owed);
	if (!t->shaking && !t->failed)
		c->tls->owed = tls_write(t, s, n);
	if (c->tls->owed)
		push(c);
	else
		io_uring_prep_nop(uring_conn_sqe(c, OP_LATER));
}

static void tell_failed(struct uring_conn *c);

void uring_on_later(struct uring *n, void *whose, int res, uint32_t flags)
{
	struct uring_conn *c = whose;

	if (c->state != CONN_OPEN || c->broken)
		return;
	if (c->tls->conn.failed) {
		tell_failed(c);
		return;
	}
	c->wants_room = true;
	/* While shaking, shaken() asks for room. */
	if (!c->tls->conn.shaking)
		uring_room_arm(c);
	n->on.sent(&c->pub, 0, true);
}

void uring_tls_on_send(struct uring_conn *c, int res)
{
	struct uring_tls *tls = c->tls;
	bool whole = res >= 0 && (size_t)res == tls->submitted;
	size_t n = tls->owed;

	if (res < 0 && res != -EAGAIN && res != -EINTR) {
		uring_conn_broken(c, -res);
		return;
	}
	if (res > 0)
		tls_sent(&tls->conn, (size_t)res);
	if (c->state != CONN_OPEN && c->state != CONN_DRAINING)
		return;
	if (!whole)
		uring_room_arm(c);
	else
		push(c);
	if (tls_pending(&tls->conn).n || !n)
		return;
	tls->owed = 0;
	if (c->state == CONN_OPEN && !c->broken)
		uring_of(c)->on.sent(&c->pub, n, false);
}

bool uring_tls_finished(struct uring_conn *c)
{
	if (!c->tls->said_bye) {
		c->tls->said_bye = true;
		tls_bye(&c->tls->conn);
	}
	push(c);
	return !tls_pending(&c->tls->conn).n;
}

/* ---- the handshake ---- */

/* Once: the owner hears why, after the peer did. */
static void tell_failed(struct uring_conn *c)
{
	struct uring *n = uring_of(c);
	enum reason why = c->tls->conn.why;

	if (c->tls->told_failed)
		return;
	c->tls->told_failed = true;
	uring_count(n, CTR_TLS_FAILED, 1);
	push(c);
	if (c->state == CONN_CONNECTING)
		uring_conn_failed(c, why);
	else
		n->on.closed(&c->pub, why);
}

static void shaken(struct uring_conn *c)
{
	struct uring *n = uring_of(c);

	uring_count(n, CTR_TLS_CONNS, 1);
	if (c->tls->conn.ktls)
		uring_count(n, CTR_KTLS_CONNS, 1);
	if (c->wants_room)
		uring_room_arm(c);
	if (c->state != CONN_CONNECTING)
		return;
	TAILQ_REMOVE(&n->shaking, c, tail);
	c->shaking = false;
	c->state = CONN_OPEN;
	n->on.connected(&c->pub, REASON_NONE);
}

static void shake(struct uring_conn *c)
{
	struct tls_conn *t = &c->tls->conn;
	int r = tls_shake(t);

	c->pub.bytes_out += t->flushed;
	uring_count(uring_of(c), CTR_BYTES_OUT, t->flushed);
	t->flushed = 0;
	if (r < 0) {
		tell_failed(c);
		return;
	}
	if (t->wants_room || tls_pending(t).n)
		uring_room_arm(c);
	if (r > 0)
		shaken(c);
}

void uring_tls_on_room(struct uring_conn *c)
{
	struct tls_conn *t = &c->tls->conn;

	if (c->state > CONN_DRAINING || c->broken)
		return;
	if (t->shaking && c->state != CONN_DRAINING && !t->failed) {
		tls_flush(t);
		shake(c);
	} else {
		push(c);
	}
}

/* By until_us; most are last. */
static void shaking_add(struct uring *n, struct uring_conn *c)
{
	struct uring_conn *before = TAILQ_LAST(&n->shaking, conn_tailq);

	while (before && before->until_us > c->until_us)
		before = TAILQ_PREV(before, conn_tailq, tail);
	if (before)
		TAILQ_INSERT_AFTER(&n->shaking, before, c, tail);
	else
		TAILQ_INSERT_HEAD(&n->shaking, c, tail);
	c->shaking = true;
}

void uring_tls_connected(struct uring_conn *c)
{
	shaking_add(uring_of(c), c);
	uring_recv_arm(c);
	shake(c);
}

/* ---- receiving ---- */

/* The peer says no more: told once, whether it said so in TLS or only closed. */
static void tell_end(struct uring_conn *c)
{
	if (c->tls->told_end || c->tls->told_failed)
		return;
	c->tls->told_end = true;
	uring_of(c)->on.closed(&c->pub, REASON_PEER_CLOSED);
}

static void read_all(struct uring_conn *c)
{
	struct uring *n = uring_of(c);
	struct tls_conn *t = &c->tls->conn;
	int got = 0;

	while (c->state == CONN_OPEN && !t->ended && (got = tls_read(t)) > 0)
		n->on.received(&c->pub, n->tls.plain, (size_t)got);
	if (c->state != CONN_OPEN)
		return;
	if (got < 0) {
		tell_failed(c);
		return;
	}
	push(c);
	if (t->ended)
		tell_end(c);
}

void uring_tls_received(struct uring_conn *c, const uint8_t *p, size_t n)
{
	struct tls_conn *t = &c->tls->conn;

	if ((c->state != CONN_OPEN && c->state != CONN_CONNECTING) || t->failed || t->ended)
		return;
	tls_feed(t, p, n);
	if (t->shaking)
		shake(c);
	if (c->state == CONN_OPEN && !t->shaking && !t->failed)
		read_all(c);
	tls_forget(t);
}

void uring_secure(struct net_conn *pub, const uint8_t *p, size_t n)
{
	struct uring_conn *c = uring_conn_of(pub);

	pub->clear = false;
	if (n)
		uring_tls_received(c, p, n);
}

void uring_tls_eof(struct uring_conn *c)
{
	if (c->state == CONN_CONNECTING) {
		tls_fail(&c->tls->conn, REASON_TLS_HANDSHAKE, "the peer closed the connection");
		tell_failed(c);
	} else if (c->state == CONN_OPEN) {
		tell_end(c);
	}
}

void uring_tls_lost(struct uring_conn *c, int err)
{
	tls_fail(&c->tls->conn, REASON_TLS_HANDSHAKE, strerror(err));
	tell_failed(c);
}
