/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uring.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- sockets ---- */

static int listener_bind(const union net_addr *at, bool share)
{
	int one = 1, off = 0, fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one))) ||
	    (at->sa.sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off))) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    bind(fd, &at->sa, uring_addr_len(at))) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

/* Every address means IPv4's where the machine has no IPv6. */
static union net_addr reachable(const union net_addr *at)
{
	union net_addr v4 = {.in = {.sin_family = AF_INET}};
	int fd;

	if (at->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&at->in6.sin6_addr))
		return *at;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 && errno == EAFNOSUPPORT) {
		v4.in.sin_port = at->in6.sin6_port;
		return v4;
	}
	if (fd >= 0)
		close(fd);
	return *at;
}

static int listener_open(const union net_addr *at, int backlog, bool share)
{
	const union net_addr where = reachable(at);
	int fd = listener_bind(&where, share);

	if (fd >= 0 && listen(fd, backlog)) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

int net_listener_open(const union net_addr *at, int backlog)
{
	return listener_open(at, backlog, true);
}

int net_listener_address(int fd, union net_addr *at)
{
	socklen_t len = sizeof(*at);

	return getsockname(fd, &at->sa, &len) ? -errno : 0;
}

int net_listener_probe(const union net_addr *at)
{
	int fd = listener_open(at, 1, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* ---- accepting ---- */

static void accept_arm(struct uring *n, struct uring_listener *l)
{
	struct io_uring_sqe *sqe = uring_sqe(n, l, OP_ACCEPT);

	/* Blocking sockets: the ring would not wait on non-blocking ones. */
	io_uring_prep_multishot_accept(sqe, l->fd, NULL, NULL, SOCK_CLOEXEC);
	l->armed = true;
	l->retry_us = 0;
	n->ops++;
}

/* Its last completion follows; unless the listener is left, it is armed again with it. */
static void accept_end(struct uring *n, struct uring_listener *l)
{
	io_uring_prep_cancel_fd(uring_sqe(n, n, OP_CANCEL_ALL), l->fd, IORING_ASYNC_CANCEL_ALL);
	n->ops++;
}

static void listener_close(struct uring_listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void uring_on_accept(struct uring *n, void *whose, int res, uint32_t flags)
{
	struct uring_listener *l = whose;

	if (!(flags & IORING_CQE_F_MORE)) {
		l->armed = false;
		n->ops--;
	}
	if (res >= 0 && (n->stopped || n->freeing))
		uring_close_reset(res);
	else if (res >= 0)
		uring_conn_accepted(n, res, l);
	if (l->leaving && !l->armed)
		listener_close(l);
	if (l->armed || l->leaving || n->stopped || n->freeing)
		return;
	/* Out of descriptors or memory: trying at once would only burn the core. */
	if (res < 0 && res != -ECONNABORTED && res != -EINTR && res != -ECANCELED)
		l->retry_us = clock_us() + NET_RETRY_US;
	else
		accept_arm(n, l);
}

uint64_t uring_listeners_due(const struct uring *n)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < n->listeners; i++)
		if (n->listener[i].retry_us)
			at = min_of(at, n->listener[i].retry_us);
	return at;
}

void uring_listeners_poll(struct uring *n, uint64_t now_us)
{
	for (unsigned i = 0; i < n->listeners; i++) {
		struct uring_listener *l = &n->listener[i];

		if (l->retry_us && l->retry_us <= now_us && !n->stopped) {
			/* Another process that had the socket may have stopped it at its end. */
			listen(l->fd, l->backlog);
			accept_arm(n, l);
		}
	}
}

void uring_listeners_close(struct uring *n)
{
	for (unsigned i = 0; i < n->listeners; i++)
		listener_close(&n->listener[i]);
	n->listeners = 0;
}

/* ---- backend.h ---- */

int uring_listen_at(struct net *base, const union net_addr *at, int tag)
{
	return -EOPNOTSUPP;
}

int uring_listen(struct net *base, int fd, int tag, struct net_tls *tls)
{
	struct uring *n = uring_net(base);
	struct uring_listener *l;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int rc;

	if (n->listeners == NET_LISTENERS_MAX)
		return -ENOSPC;
	rc = uring_socket_options(n, fd);
	if (rc)
		return rc;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -errno;
	l = &n->listener[n->listeners++];
	/* Of a listening socket this field is the length of its queue. */
	*l = (struct uring_listener){
		.fd = fd,
		.tag = tag,
		.backlog = (int)info.tcpi_sacked,
		.tls = tls,
	};
	if (!n->stopped)
		accept_arm(n, l);
	return 0;
}

void uring_listen_stop(struct net *base)
{
	struct uring *n = uring_net(base);

	n->stopped = true;
	/* The kernel refuses from now on, and the accept ends with an error. */
	for (unsigned i = 0; i < n->listeners; i++) {
		if (!n->listener[i].leaving)
			shutdown(n->listener[i].fd, SHUT_RD);
		n->listener[i].retry_us = 0;
	}
}

void uring_listen_resume(struct net *base)
{
	struct uring *n = uring_net(base);

	if (!n->stopped)
		return;
	n->stopped = false;
	for (unsigned i = 0; i < n->listeners; i++) {
		struct uring_listener *l = &n->listener[i];

		if (l->leaving)
			continue;
		/* A failure here shows as an error of the accept, which is tried again. */
		listen(l->fd, l->backlog);
		if (!l->armed)
			accept_arm(n, l);
	}
}

void uring_listen_leave(struct net *base, int tag)
{
	struct uring *n = uring_net(base);

	for (unsigned i = 0; i < n->listeners; i++) {
		struct uring_listener *l = &n->listener[i];

		if (l->tag != tag || l->leaving)
			continue;
		l->leaving = true;
		l->retry_us = 0;
		if (!l->armed) {
			listener_close(l);
			continue;
		}
		/* What it accepts until it ends is served: closed with the accept's last word. */
		accept_end(n, l);
	}
}

void uring_listen_look(struct net *base)
{
	struct uring *n = uring_net(base);

	for (unsigned i = 0; i < n->listeners; i++)
		if (n->listener[i].armed)
			accept_end(n, &n->listener[i]);
}
