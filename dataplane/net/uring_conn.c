/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uring.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- sockets ---- */

int uring_socket_options(const struct uring *n, int fd)
{
	const int one = 1;
	const unsigned dead_ms = n->opt.dead_peer_ms, lowat = n->opt.notsent_lowat;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    (dead_ms && setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms))) ||
	    (lowat && setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat))))
		return -errno;
	return 0;
}

/* The next close() sends RST and forgets what is unsent. */
static void reset_at_close(int fd)
{
	const struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void uring_close_reset(int fd)
{
	reset_at_close(fd);
	close(fd);
}

static enum reason reason_of(int err)
{
	switch (err) {
	case ECONNRESET:
	case EPIPE:
		return REASON_PEER_RESET;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return REASON_PEER_DEAD;
	default:
		return REASON_IO_ERROR;
	}
}

static enum reason connect_reason_of(int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ECONNRESET:
		return REASON_CONNECT_REFUSED;
	case ETIMEDOUT:
	case ECANCELED: /* by the linked timeout */
		return REASON_CONNECT_TIMEOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
		return REASON_UNREACHABLE;
	default:
		return REASON_IO_ERROR;
	}
}

/* ---- beginning ---- */

struct io_uring_sqe *uring_conn_sqe(struct uring_conn *c, enum uring_op op)
{
	c->ops++;
	return uring_sqe(uring_of(c), c, op);
}

static struct uring_conn *conn_new(struct uring *n, int fd, enum conn_state state)
{
	struct uring_conn *c = pool_get(&n->conns);

	if (!c)
		return NULL;
	c->pub.net = &n->base;
	c->fd = fd;
	c->state = state;
	LIST_INSERT_HEAD(&n->all, c, link);
	uring_count(n, CTR_CONNS, 1);
	return c;
}

void uring_conn_accepted(struct uring *n, int fd, const struct uring_listener *l)
{
	union net_addr peer = {0};
	socklen_t len = sizeof(peer);
	struct uring_conn *c;

	/* Without a peer it was reset while it waited to be accepted. */
	if (getpeername(fd, &peer.sa, &len)) {
		close(fd);
		return;
	}
	c = conn_new(n, fd, CONN_OPEN);
	if (!c) {
		uring_count(n, CTR_REFUSED, 1);
		uring_close_reset(fd);
		return;
	}
	c->pub.peer = peer;
	if (l->tls && uring_tls_accept(c, l->tls)) {
		uring_count(n, CTR_REFUSED, 1);
		c->unowned = true;
		uring_close(&c->pub, false);
		return;
	}
	if (!n->on.accepted(n->owner, &c->pub, l->tag)) {
		c->unowned = true;
		uring_close(&c->pub, false);
		return;
	}
	uring_count(n, CTR_ACCEPTS, 1);
	if (c->state == CONN_OPEN)
		uring_recv_arm(c);
}

/* A connecting connection that has everything but its requests. */
static struct uring_conn *dial_new(struct uring *n, const struct net_dial *d, enum reason *why)
{
	int fd = socket(d->to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;
	struct uring_conn *c = NULL;

	*why = REASON_IO_ERROR;
	if (fd >= 0 && !uring_socket_options(n, fd)) {
		*why = REASON_NO_MEMORY;
		c = conn_new(n, fd, CONN_CONNECTING);
	}
	if (!c) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (d->tls)
		r = uring_tls_connect(c, d);
	if (!r)
		return c;
	*why = r == -EINVAL   ? REASON_BAD_URL
	       : r == -ENOKEY ? REASON_TLS_HANDSHAKE
			      : REASON_NO_MEMORY;
	c->unowned = true;
	uring_conn_cancel(c);
	return NULL;
}

struct net_conn *uring_connect(struct net *base, const struct net_dial *d, enum reason *why)
{
	struct uring *n = uring_net(base);
	const struct ip ip = net_addr_ip(d->to);
	struct __kernel_timespec *ts;
	struct io_uring_sqe *sqe;
	struct uring_conn *c;

	if (d->deny && cidr_set_holds(d->deny, &ip)) {
		*why = REASON_ADDRESS_DENIED;
		return NULL;
	}
	c = dial_new(n, d, why);
	if (!c)
		return NULL;
	*why = REASON_NONE;
	c->pub.user = d->user;
	c->pub.peer = *d->to;
	if (c->tls)
		c->until_us = clock_us() + d->timeout_ms * 1000ull;
	/* Linked requests must be submitted together. */
	uring_reserve(n, 2);
	sqe = uring_conn_sqe(c, OP_CONNECT);
	io_uring_prep_connect(sqe, c->fd, &c->pub.peer.sa, uring_addr_len(d->to));
	sqe->flags |= IOSQE_IO_LINK;
	ts = &n->scratch[n->scratch_used++].ts;
	*ts = (struct __kernel_timespec){d->timeout_ms / 1000, d->timeout_ms % 1000 * 1000000};
	sqe = uring_conn_sqe(c, OP_CONNECT_TIMEOUT);
	io_uring_prep_link_timeout(sqe, ts, 0);
	return &c->pub;
}

void uring_conn_failed(struct uring_conn *c, enum reason why)
{
	/* Closed before the owner hears of it, so that whatever it does then finds nothing to do. */
	c->unowned = true;
	uring_conn_cancel(c);
	uring_of(c)->on.connected(&c->pub, why);
}

void uring_on_connect(struct uring *n, void *whose, int res, uint32_t flags)
{
	struct uring_conn *c = whose;

	if (c->state != CONN_CONNECTING)
		return;
	if (res < 0) {
		uring_conn_failed(c, connect_reason_of(-res));
	} else if (c->tls) {
		uring_tls_connected(c);
	} else {
		c->state = CONN_OPEN;
		n->on.connected(&c->pub, REASON_NONE);
		if (c->state == CONN_OPEN)
			uring_recv_arm(c);
	}
}

const char *uring_tls_text(const struct net_conn *pub)
{
	const struct uring_conn *c = (const struct uring_conn *)pub;

	return c->tls ? c->tls->conn.text : "";
}

/* ---- ending ---- */

void uring_conn_broken(struct uring_conn *c, int err)
{
	if (c->broken)
		return;
	c->broken = true;
	if (c->state == CONN_CONNECTING)
		uring_tls_lost(c, err);
	else if (c->state == CONN_OPEN)
		uring_of(c)->on.closed(&c->pub, reason_of(err));
}

static void conn_bury(struct uring_conn *c)
{
	close(c->fd);
	c->state = CONN_DEAD;
	TAILQ_INSERT_TAIL(&uring_of(c)->dead, c, tail);
}

void uring_conn_cancel(struct uring_conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->state == CONN_CANCELLING || c->state == CONN_DEAD)
		return;
	if (c->state == CONN_DRAINING)
		TAILQ_REMOVE(&uring_of(c)->draining, c, tail);
	if (c->shaking)
		TAILQ_REMOVE(&uring_of(c)->shaking, c, tail);
	c->shaking = false;
	c->state = CONN_CANCELLING;
	if (c->ops == 0) {
		conn_bury(c);
		return;
	}
	sqe = uring_conn_sqe(c, OP_CANCEL);
	io_uring_prep_cancel_fd(sqe, c->fd, IORING_ASYNC_CANCEL_ALL);
}

/*
 * Closing a socket that still has unread input resets it, and the peer loses what is on its way.
 * So after our FIN input is thrown away until the peer's FIN, for a while.
 */
static void conn_drain(struct uring_conn *c)
{
	struct uring *n = uring_of(c);

	c->state = CONN_DRAINING;
	c->until_us = clock_us() + NET_LINGER_US;
	TAILQ_INSERT_TAIL(&n->draining, c, tail);
	uring_conn_settle(c);
}

void uring_close(struct net_conn *pub, bool graceful)
{
	struct uring_conn *c = uring_conn_of(pub);

	if (c->state == CONN_OPEN && graceful && !c->broken) {
		conn_drain(c);
	} else if (c->state == CONN_OPEN || c->state == CONN_CONNECTING) {
		reset_at_close(c->fd);
		uring_conn_cancel(c);
	}
}

void uring_conn_settle(struct uring_conn *c)
{
	if (c->state == CONN_DRAINING) {
		/* A send that is not submitted yet goes first, and what is encrypted. */
		if (!c->sending && !c->fin_sent && !c->broken &&
		    (!c->tls || uring_tls_finished(c))) {
			shutdown(c->fd, SHUT_WR);
			c->fin_sent = true;
		}
		if ((c->eof && c->fin_sent) || c->broken)
			uring_conn_cancel(c);
	} else if (c->state == CONN_CANCELLING && c->ops == 0) {
		conn_bury(c);
	}
}

void uring_conns_poll(struct uring *n, uint64_t now_us)
{
	struct uring_conn *c;

	while ((c = TAILQ_FIRST(&n->draining)) && c->until_us <= now_us)
		uring_conn_cancel(c);
	while ((c = TAILQ_FIRST(&n->shaking)) && c->until_us <= now_us)
		uring_conn_failed(c, REASON_CONNECT_TIMEOUT);
}

uint64_t uring_conns_due(const struct uring *n)
{
	uint64_t at = UINT64_MAX;

	if (!TAILQ_EMPTY(&n->shaking))
		at = TAILQ_FIRST(&n->shaking)->until_us;
	if (!TAILQ_EMPTY(&n->draining))
		at = min_of(at, TAILQ_FIRST(&n->draining)->until_us);
	return at;
}

void uring_conns_cancel(struct uring *n)
{
	for (struct uring_conn *c = LIST_FIRST(&n->all); c; c = LIST_NEXT(c, link)) {
		uring_close(&c->pub, false);
		uring_conn_cancel(c); /* draining ones too */
	}
}

unsigned uring_conns_release(struct uring *n)
{
	struct uring_conn *c;
	unsigned count = 0;

	for (; (c = TAILQ_FIRST(&n->dead)); count++) {
		TAILQ_REMOVE(&n->dead, c, tail);
		LIST_REMOVE(c, link);
		shm_sub(&n->ctr->ctr[CTR_CONNS], 1);
		if (!c->unowned)
			n->on.released(&c->pub);
		if (c->tls)
			uring_tls_free(c);
		pool_put(&n->conns, c);
	}
	return count;
}
