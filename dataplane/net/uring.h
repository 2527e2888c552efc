/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the io_uring backend, shared by uring*.c and nobody else.
 *
 *   uring.c         the ring: set-up, probing, turns, waiting, waking
 *   uring_accept.c  listeners
 *   uring_conn.c    connections: connecting, closing, releasing
 *   uring_path.c    what TCP says of a connection
 *   uring_send.c    sends and waiting for room
 *   uring_recv.c    the shared buffer ring and multishot receives
 *   uring_tls.c     TLS between a connection and the three above
 *
 * Every request carries in user_data whose it is and what it is: a pointer with the operation in its
 * low bits. A connection counts its requests; its descriptor is closed, and its memory used again,
 * only when the last completion is in, so neither can be mistaken for a successor's.
 *
 *   connecting --ok--> open --net_close(graceful)--> draining --peer's FIN, error or 2 s--+
 *        |               +----net_close(reset)--------------------------------------------+
 *        +--failed or net_close------------------------------------> cancelling --last--> dead
 *
 * A client's TLS handshake is still "connecting". Draining first sends what TLS has encrypted.
 *
 * Sends are tried with MSG_DONTWAIT inside the submission, which either copies the bytes into the
 * socket or fails; after a submission the kernel refers to no memory of a send.
 *
 * Threads: the core's, except net_wake().
 */
#ifndef NET_URING_H
#define NET_URING_H

#include <liburing.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/pool.h"
#include "net/backend.h"
#include "net/tls.h"

#define NET_LISTENERS_MAX 64
#define NET_SLICES_MAX	  4
#define NET_LINGER_US	  2000000u
#define NET_RETRY_US	  100000u
#define NET_SEND_FLAGS	  (MSG_DONTWAIT | MSG_NOSIGNAL)

/* In the low bits of user_data: everything it points to is 64-byte aligned. */
enum uring_op {
	OP_WAKE,
	OP_CANCEL_ALL,
	OP_ACCEPT,
	OP_RECV,
	OP_SEND,
	OP_ROOM,
	OP_CONNECT,
	OP_CONNECT_TIMEOUT,
	OP_CANCEL,
	OP_LATER, /* a send that could not be tried yet */
	OP_MAX,
};
#define OP_MASK 63u

enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_DRAINING, CONN_CANCELLING, CONN_DEAD };

struct uring_conn {
	struct net_conn pub; /* first: the engine's view is the address of this */
	int fd;
	uint8_t state, ops;
	bool sending : 1; /* OP_SEND is out */
	bool polling : 1; /* OP_ROOM is out */
	bool eof : 1;	  /* the peer sent its FIN */
	bool broken : 1;  /* the network ended it */
	bool fin_sent : 1;
	bool unowned : 1;    /* the owner never had it or was told that it is gone: no `released` */
	bool wants_room : 1; /* the owner waits for `writable` */
	bool shaking : 1;    /* a client's handshake: in net.shaking */
	uint64_t until_us;   /* draining: lingers; connecting by TLS: may take */
	LIST_ENTRY(uring_conn) link;  /* of all */
	TAILQ_ENTRY(uring_conn) tail; /* of net.shaking, net.draining or net.dead */
	struct uring_tls *tls;	      /* NULL: none */
};
static_assert(sizeof(struct uring_conn) <= 128, "a connection is two cache lines");

/* A connection's TLS. */
struct uring_tls {
	struct tls_conn conn;
	size_t owed;	  /* plaintext of the owner's send that is encrypted and not yet all sent */
	size_t submitted; /* ciphertext of OP_SEND */
	bool told_end, told_failed, said_bye;
};

struct uring_listener {
	int fd, tag, backlog; /* fd -1: it was left */
	struct net_tls *tls;  /* NULL: none */
	bool armed, leaving;
	uint64_t retry_us; /* accept again then; 0: not waiting */
} __attribute__((aligned(64)));

/* What a request points to; the kernel has consumed it when the submission returns. */
struct uring_scratch {
	struct msghdr head;
	struct iovec v[NET_SLICES_MAX];
	struct __kernel_timespec ts;
};

struct recv_ring {
	struct io_uring_buf_ring *br;
	uint8_t *base;
	size_t ring_bytes, base_bytes;
	uint32_t buffers, buffer_bytes;
};

struct uring {
	struct net base; /* first */
	struct io_uring ring;
	struct net_handlers on;
	void *owner;
	struct shm_core *ctr;
	struct net_options opt;
	struct pool conns;
	LIST_HEAD(conn_list, uring_conn) all;
	TAILQ_HEAD(conn_tailq, uring_conn) shaking, draining, dead; /* the first two: by until_us */
	struct tls_core tls;
	struct recv_ring recv;
	struct uring_scratch *scratch; /* one per submission entry */
	unsigned scratch_used, sends_unsubmitted;
	uint64_t mark, held; /* held: mark of the oldest of sends_unsubmitted */
	unsigned ops;	     /* requests that belong to no connection */
	int wake_fd;
	uint64_t wake_value;
	bool stopped; /* listeners */
	bool freeing;
	unsigned listeners;
	struct uring_listener listener[NET_LISTENERS_MAX];
} __attribute__((aligned(64)));

static inline struct uring *uring_net(struct net *n)
{
	return (struct uring *)n;
}

static inline struct uring *uring_of(const struct uring_conn *c)
{
	return (struct uring *)c->pub.net;
}

static inline struct uring_conn *uring_conn_of(struct net_conn *c)
{
	return (struct uring_conn *)c;
}

static inline socklen_t uring_addr_len(const union net_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

/* Of struct net_backend. */
int uring_listen(struct net *base, int fd, int tag, struct net_tls *tls);
int uring_listen_at(struct net *base, const union net_addr *at, int tag);
void uring_listen_stop(struct net *base);
void uring_listen_resume(struct net *base);
void uring_listen_leave(struct net *base, int tag);
void uring_listen_look(struct net *base);
struct net_conn *uring_connect(struct net *base, const struct net_dial *d, enum reason *why);
bool uring_path(const struct net_conn *c, struct net_path *out);
int uring_note(const struct net_conn *c, int map, uint32_t value);
void uring_send(struct net_conn *pub, const struct slice *s, unsigned n);
void uring_close(struct net_conn *pub, bool graceful);
void uring_secure(struct net_conn *pub, const uint8_t *p, size_t n);
const char *uring_tls_text(const struct net_conn *pub);

/* An entry for one request, with its user_data set; submits when the ring is full. */
struct io_uring_sqe *uring_sqe(struct uring *n, void *whose, enum uring_op op);
/* The same, on a connection's account. */
struct io_uring_sqe *uring_conn_sqe(struct uring_conn *c, enum uring_op op);
/* Makes sure that the next `entries` requests go into one submission. */
void uring_reserve(struct uring *n, unsigned entries);
int uring_recv_init(struct uring *n);
void uring_recv_fini(struct uring *n);
void uring_recv_arm(struct uring_conn *c);

void uring_on_accept(struct uring *n, void *whose, int res, uint32_t flags);
void uring_on_recv(struct uring *n, void *whose, int res, uint32_t flags);
void uring_on_send(struct uring *n, void *whose, int res, uint32_t flags);
void uring_on_room(struct uring *n, void *whose, int res, uint32_t flags);
void uring_on_connect(struct uring *n, void *whose, int res, uint32_t flags);

/* Arms what waited long enough; when the next one is due, UINT64_MAX: none. */
void uring_listeners_poll(struct uring *n, uint64_t now_us);
uint64_t uring_listeners_due(const struct uring *n);
void uring_listeners_close(struct uring *n);

/* Takes over an accepted descriptor. */
void uring_conn_accepted(struct uring *n, int fd, const struct uring_listener *l);
/* After a completion: goes on with closing. */
void uring_conn_settle(struct uring_conn *c);
/* The network ended it: tells the owner once. */
void uring_conn_broken(struct uring_conn *c, int err);
/* A connection that never opened: the owner's last call. */
void uring_conn_failed(struct uring_conn *c, enum reason why);
/* Drops every request, once; the descriptor is closed with the last one. */
void uring_conn_cancel(struct uring_conn *c);
void uring_conns_cancel(struct uring *n); /* all, as a reset */
/* Shaking and draining ones that took long enough; when the next one has, UINT64_MAX: none. */
void uring_conns_poll(struct uring *n, uint64_t now_us);
uint64_t uring_conns_due(const struct uring *n);
unsigned uring_conns_release(struct uring *n); /* dead ones; how many */
/* Asks for OP_ROOM. */
void uring_room_arm(struct uring_conn *c);
int uring_socket_options(const struct uring *n, int fd);
void uring_close_reset(int fd);

/* ---- uring_tls.c; connections with c->tls only ---- */

/* Makes c->tls: 0 or -errno as tls_init_server() and tls_init_client() have them. */
int uring_tls_accept(struct uring_conn *c, struct net_tls *with);
int uring_tls_connect(struct uring_conn *c, const struct net_dial *d);
/* The connection that uring_tls_connect() was for is there. */
void uring_tls_connected(struct uring_conn *c);
void uring_tls_received(struct uring_conn *c, const uint8_t *p, size_t n);
/* The peer's FIN; and an error of the network while shaking. */
void uring_tls_eof(struct uring_conn *c);
void uring_tls_lost(struct uring_conn *c, int err);
/* Sending, unless the kernel encrypts. */
void uring_tls_send(struct uring_conn *c, const struct slice *s, unsigned n);
void uring_tls_on_send(struct uring_conn *c, int res);
void uring_tls_on_room(struct uring_conn *c);
void uring_on_later(struct uring *n, void *whose, int res, uint32_t flags);
/* No send is out: says goodbye; true when all that was said is sent, and a FIN may follow. */
bool uring_tls_finished(struct uring_conn *c);
void uring_tls_free(struct uring_conn *c);

/* Whether sends pass through OpenSSL; else they are the socket's. */
static inline bool uring_tls_encrypts(const struct uring_conn *c)
{
	return c->tls && !c->tls->conn.ktls;
}

static inline void uring_count(struct uring *n, enum counter which, uint64_t by)
{
	shm_add(&n->ctr->ctr[which], by);
}

#endif
