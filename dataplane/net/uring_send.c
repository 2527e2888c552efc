/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uring.h"

#include <errno.h>
#include <poll.h>

static struct msghdr *vec_fill(struct uring *n, const struct slice *s, unsigned k)
{
	struct uring_scratch *vec = &n->scratch[n->scratch_used++];

	for (unsigned i = 0; i < k; i++)
		vec->v[i] =
			(struct iovec){.iov_base = (void *)(uintptr_t)s[i].p, .iov_len = s[i].n};
	vec->head = (struct msghdr){.msg_iov = vec->v, .msg_iovlen = k};
	return &vec->head;
}

void uring_send(struct net_conn *pub, const struct slice *s, unsigned n)
{
	struct uring_conn *c = uring_conn_of(pub);
	struct uring *net = uring_of(c);
	struct io_uring_sqe *sqe;

	must(c->state == CONN_OPEN && n >= 1 && n <= NET_SLICES_MAX);
	if (uring_tls_encrypts(c)) {
		uring_tls_send(c, s, n);
		return;
	}
	must(!c->sending);
	sqe = uring_conn_sqe(c, OP_SEND);
	/* A single piece goes without a vector: less for the kernel to copy and check. */
	if (n == 1)
		io_uring_prep_send(sqe, c->fd, s->p, s->n, NET_SEND_FLAGS);
	else
		io_uring_prep_sendmsg(sqe, c->fd, vec_fill(net, s, n), NET_SEND_FLAGS);
	c->sending = true;
	if (!net->sends_unsubmitted++)
		net->held = net->mark;
}

void uring_room_arm(struct uring_conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->polling)
		return;
	sqe = uring_conn_sqe(c, OP_ROOM);
	io_uring_prep_poll_add(sqe, c->fd, POLLOUT);
	c->polling = true;
}

void uring_on_send(struct uring *n, void *whose, int res, uint32_t flags)
{
	struct uring_conn *c = whose;
	bool blocked = res == -EAGAIN || res == -EINTR;

	c->sending = false;
	uring_count(n, CTR_SENDS, 1);
	if (res > 0) {
		c->pub.bytes_out += (unsigned)res;
		uring_count(n, CTR_BYTES_OUT, (unsigned)res);
	}
	if (blocked)
		uring_count(n, CTR_SENDS_BLOCKED, 1);
	if (uring_tls_encrypts(c)) {
		uring_tls_on_send(c, res);
		return;
	}
	if (c->state != CONN_OPEN)
		return;
	if (res < 0 && !blocked) {
		uring_conn_broken(c, -res);
		return;
	}
	if (blocked) {
		c->wants_room = true;
		uring_room_arm(c);
	}
	n->on.sent(&c->pub, res > 0 ? (size_t)res : 0, blocked);
}

void uring_on_room(struct uring *n, void *whose, int res, uint32_t flags)
{
	struct uring_conn *c = whose;

	c->polling = false;
	if (uring_tls_encrypts(c))
		uring_tls_on_room(c);
	/* An error of the connection shows at the next send. */
	if (c->state != CONN_OPEN || c->broken || !c->wants_room || c->polling)
		return;
	c->wants_room = false;
	n->on.writable(&c->pub);
}
