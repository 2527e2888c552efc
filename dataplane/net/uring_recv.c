/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECV_GROUP 0

/* ---- buffers ---- */

static uint8_t *buffer_at(const struct recv_ring *r, unsigned id)
{
	return r->base + (size_t)id * r->buffer_bytes;
}

/* The kernel may use the buffer again. */
static void buffer_give(struct recv_ring *r, unsigned id)
{
	io_uring_buf_ring_add(r->br, buffer_at(r, id), r->buffer_bytes, (unsigned short)id,
			      (int)r->buffers - 1, 0);
	io_uring_buf_ring_advance(r->br, 1);
}

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Multishot receive has no feature bit: one is tried on a pair of sockets. True if the answer comes
 * from the buffer ring and promises more.
 */
static bool multishot_works(struct uring *n)
{
	struct io_uring_sqe *sqe = uring_sqe(n, n, OP_RECV);
	struct __kernel_timespec second = {.tv_sec = 1};
	struct io_uring_cqe *cqe;
	int pair[2];
	bool more = true, ok = false;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return false;
	io_uring_prep_recv_multishot(sqe, pair[0], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RECV_GROUP;
	if (write(pair[1], "", 1) != 1)
		more = false;
	/* The byte, then the end of the request that follows the end of the input. */
	while (more && io_uring_submit_and_wait_timeout(&n->ring, &cqe, 1, &second, NULL) >= 0) {
		more = cqe->flags & IORING_CQE_F_MORE;
		if (cqe->flags & IORING_CQE_F_BUFFER) {
			ok = cqe->res == 1 && more;
			buffer_give(&n->recv, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		}
		io_uring_cqe_seen(&n->ring, cqe);
		shutdown(pair[1], SHUT_WR);
	}
	close(pair[0]);
	close(pair[1]);
	return ok && !more;
}

int uring_recv_init(struct uring *n)
{
	struct recv_ring *r = &n->recv;
	struct io_uring_buf_reg reg = {0};
	int rc;

	r->buffers = 1;
	while (r->buffers < n->opt.recv_buffers && r->buffers < 32768)
		r->buffers *= 2;
	r->buffer_bytes = n->opt.recv_buffer_bytes;
	r->ring_bytes = r->buffers * sizeof(struct io_uring_buf);
	r->base_bytes = (size_t)r->buffers * r->buffer_bytes;
	r->br = map(r->ring_bytes);
	r->base = map(r->base_bytes);
	if (!r->br || !r->base)
		return -ENOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)r->br;
	reg.ring_entries = r->buffers;
	reg.bgid = RECV_GROUP;
	rc = io_uring_register_buf_ring(&n->ring, &reg, 0);
	if (rc)
		return rc == -EINVAL ? -ENOSYS : rc;
	io_uring_buf_ring_init(r->br);
	for (unsigned i = 0; i < r->buffers; i++)
		buffer_give(r, i);
	return multishot_works(n) ? 0 : -ENOSYS;
}

void uring_recv_fini(struct uring *n)
{
	if (n->recv.br)
		munmap(n->recv.br, n->recv.ring_bytes);
	if (n->recv.base)
		munmap(n->recv.base, n->recv.base_bytes);
}

/* ---- receiving ---- */

void uring_recv_arm(struct uring_conn *c)
{
	struct io_uring_sqe *sqe = uring_conn_sqe(c, OP_RECV);

	io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = RECV_GROUP;
}

static void received(struct uring *n, struct uring_conn *c, unsigned id, size_t bytes)
{
	c->pub.bytes_in += bytes;
	uring_count(n, CTR_BYTES_IN, bytes);
	if (c->broken || !bytes)
		; /* nobody to hear it, or nothing */
	else if (c->tls && !c->pub.clear)
		uring_tls_received(c, buffer_at(&n->recv, id), bytes);
	else if (c->state == CONN_OPEN)
		n->on.received(&c->pub, buffer_at(&n->recv, id), bytes);
	buffer_give(&n->recv, id);
}

void uring_on_recv(struct uring *n, void *whose, int res, uint32_t flags)
{
	struct uring_conn *c = whose;

	if (flags & IORING_CQE_F_BUFFER)
		received(n, c, flags >> IORING_CQE_BUFFER_SHIFT, res > 0 ? (size_t)res : 0);
	if (res == 0) {
		c->eof = true;
		if (c->broken)
			; /* told already */
		else if (c->tls)
			uring_tls_eof(c);
		else if (c->state == CONN_OPEN)
			n->on.closed(&c->pub, REASON_PEER_CLOSED);
	} else if (res == -ENOBUFS) {
		/* Every buffer is back by the time the new request is submitted. */
		uring_count(n, CTR_RECV_NOBUFS, 1);
	} else if (res < 0 && res != -ECANCELED) {
		uring_conn_broken(c, -res);
	}
	if (!(flags & IORING_CQE_F_MORE) && !c->eof && !c->broken && c->state <= CONN_DRAINING)
		uring_recv_arm(c);
}
