/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uring.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* A turn serves what its own sends complete with, but ends even if every answer asks for more. */
#define TURN_ROUNDS 8

/* ---- entries ---- */

/* Counts start again when the kernel has consumed every entry. */
static void submitted(struct uring *n)
{
	if (io_uring_sq_ready(&n->ring) == 0)
		n->scratch_used = n->sends_unsubmitted = 0;
}

static void check_enter(int rc)
{
	/* EAGAIN, EBUSY: the kernel is short of memory and consumed nothing; the caller tries again. */
	must(rc >= 0 || rc == -EAGAIN || rc == -EBUSY || rc == -EINTR || rc == -ETIME);
}

static void submit(struct uring *n)
{
	unsigned flags = IO_URING_READ_ONCE(*n->ring.sq.kflags);

	if (io_uring_sq_ready(&n->ring) || flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		check_enter(io_uring_submit_and_get_events(&n->ring));
	submitted(n);
}

void uring_reserve(struct uring *n, unsigned entries)
{
	while (io_uring_sq_space_left(&n->ring) < entries) {
		int rc = io_uring_submit(&n->ring);

		check_enter(rc);
		if (rc < 0)
			sched_yield();
		submitted(n);
	}
}

struct io_uring_sqe *uring_sqe(struct uring *n, void *whose, enum uring_op op)
{
	struct io_uring_sqe *sqe;

	uring_reserve(n, 1);
	sqe = io_uring_get_sqe(&n->ring);
	/* The preparing functions leave it alone. */
	sqe->user_data = (uint64_t)(uintptr_t)whose | op;
	return sqe;
}

/* ---- waking ---- */

static void wake_arm(struct uring *n)
{
	struct io_uring_sqe *sqe = uring_sqe(n, n, OP_WAKE);

	io_uring_prep_read(sqe, n->wake_fd, &n->wake_value, sizeof(n->wake_value), 0);
	n->ops++;
}

static void on_wake(struct uring *n, void *whose, int res, uint32_t flags)
{
	n->ops--;
	if (!n->freeing)
		wake_arm(n);
}

static void uring_wake(struct net *base)
{
	struct uring *n = uring_net(base);
	uint64_t one = 1;
	ssize_t rc = write(n->wake_fd, &one, sizeof(one));

	must(rc == sizeof(one));
}

/* ---- completions ---- */

static void on_cancel_all(struct uring *n, void *whose, int res, uint32_t flags)
{
	n->ops--;
}

/* Only the end of the request matters, and that is counted before. */
static void on_nothing(struct uring *n, void *whose, int res, uint32_t flags)
{
}

static const struct {
	void (*run)(struct uring *n, void *whose, int res, uint32_t flags);
	bool of_conn;
} on_op[OP_MAX] = {
	[OP_WAKE] = {on_wake, false},
	[OP_CANCEL_ALL] = {on_cancel_all, false},
	[OP_ACCEPT] = {uring_on_accept, false},
	[OP_RECV] = {uring_on_recv, true},
	[OP_SEND] = {uring_on_send, true},
	[OP_ROOM] = {uring_on_room, true},
	[OP_CONNECT] = {uring_on_connect, true},
	[OP_CONNECT_TIMEOUT] = {on_nothing, true},
	[OP_CANCEL] = {on_nothing, true},
	[OP_LATER] = {uring_on_later, true},
};

static void complete(struct uring *n, uint64_t user_data, int res, uint32_t flags)
{
	enum uring_op op = user_data & OP_MASK;
	void *whose = (void *)(uintptr_t)(user_data & ~(uint64_t)OP_MASK);

	if (on_op[op].of_conn && !(flags & IORING_CQE_F_MORE)) {
		struct uring_conn *c = whose;

		must(c->ops > 0);
		c->ops--;
	}
	on_op[op].run(n, whose, res, flags);
	if (on_op[op].of_conn)
		uring_conn_settle(whose);
}

/* Serves the completions that are there now; how many. */
static unsigned reap(struct uring *n)
{
	unsigned ready = io_uring_cq_ready(&n->ring), i;

	for (i = 0; i < ready; i++) {
		unsigned at = *n->ring.cq.khead & *n->ring.cq.kring_mask;
		const struct io_uring_cqe cqe = n->ring.cq.cqes[at];

		/* Given back first: a handler may submit, and that may need the room. */
		io_uring_cq_advance(&n->ring, 1);
		complete(n, cqe.user_data, cqe.res, cqe.flags);
	}
	return ready;
}

/* ---- turns ---- */

static uint64_t due(const struct uring *n)
{
	const uint64_t listeners = uring_listeners_due(n), conns = uring_conns_due(n);

	return min_of(listeners, conns);
}

static int uring_turn(struct net *base)
{
	struct uring *n = uring_net(base);
	unsigned rounds = 0, got, done = 0;

	if (due(n) != UINT64_MAX) {
		uint64_t now = clock_us();

		uring_conns_poll(n, now);
		uring_listeners_poll(n, now);
	}
	do {
		submit(n);
		got = reap(n);
		done += got;
	} while (got && ++rounds < TURN_ROUNDS);
	done += uring_conns_release(n);
	submit(n);
	return (int)done;
}

static void uring_wait(struct net *base, uint64_t until_us)
{
	struct uring *n = uring_net(base);
	uint64_t at = min_of(until_us, due(n)), now = at == UINT64_MAX ? 0 : clock_us();
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;

	if (at <= now || !TAILQ_EMPTY(&n->dead)) {
		submit(n);
		return;
	}
	ts.tv_sec = (int64_t)((at - now) / 1000000u);
	ts.tv_nsec = (long long)((at - now) % 1000000u) * 1000;
	check_enter(io_uring_submit_and_wait_timeout(&n->ring, &cqe, 1,
						     at == UINT64_MAX ? NULL : &ts, NULL));
	submitted(n);
}

static bool uring_ready(struct net *base)
{
	struct uring *n = uring_net(base);

	return io_uring_cq_ready(&n->ring) || !TAILQ_EMPTY(&n->dead) ||
	       IO_URING_READ_ONCE(*n->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void uring_mark(struct net *base, uint64_t mark)
{
	uring_net(base)->mark = mark;
}

static uint64_t uring_held(const struct net *base)
{
	const struct uring *n = (const struct uring *)base;

	return n->sends_unsubmitted ? n->held : UINT64_MAX;
}

/* ---- life ---- */

/* 0 or -errno. The flags that make completions cheap first, then what older kernels know. */
static int ring_open(struct uring *n)
{
	static const unsigned flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	};
	unsigned entries = n->opt.entries;
	int rc = -EINVAL;

	for (unsigned i = 0; i < array_len(flags) && rc == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = flags[i] | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
				 IORING_SETUP_CLAMP,
			.cq_entries = entries * 4,
		};

		rc = io_uring_queue_init_params(entries, &n->ring, &p);
	}
	return rc == -EINVAL ? -ENOSYS : rc;
}

static bool ops_known(struct uring *n)
{
	static const int needed[] = {
		IORING_OP_READ,		IORING_OP_ACCEPT,   IORING_OP_RECV,
		IORING_OP_SEND,		IORING_OP_SENDMSG,  IORING_OP_CONNECT,
		IORING_OP_LINK_TIMEOUT, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
		IORING_OP_NOP,
	};
	const unsigned features =
		IORING_FEAT_EXT_ARG | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_NODROP;
	struct io_uring_probe *probe = io_uring_get_probe_ring(&n->ring);
	bool ok = probe && (n->ring.features & features) == features;

	for (unsigned i = 0; ok && i < array_len(needed); i++)
		ok = io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	return ok;
}

static void options_defaults(struct net_options *o)
{
	o->entries = o->entries ? max_of(256u, min_of(o->entries, 32768u)) : 4096;
	o->recv_buffers = o->recv_buffers ? o->recv_buffers : 1024;
	o->recv_buffer_bytes = o->recv_buffer_bytes ? o->recv_buffer_bytes : 16384;
}

static int uring_init(struct uring *n)
{
	const size_t scratch_bytes = n->ring.sq.ring_entries * sizeof(*n->scratch);
	int rc;

	pool_init(&n->conns, "connections", sizeof(struct uring_conn), n->opt.conns_max);
	n->conns.allocs = n->opt.allocs;
	tls_core_init(&n->tls, !n->opt.no_ktls, n->opt.allocs);
	n->scratch = malloc(scratch_bytes);
	n->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (!n->scratch || n->wake_fd < 0)
		return -ENOMEM;
	explicit_bzero(n->scratch, scratch_bytes); /* its pages are there before they are needed */
	rc = uring_recv_init(n);
	if (rc)
		return rc;
	/* Saves a look-up per system call where the kernel has it. */
	io_uring_register_ring_fd(&n->ring);
	wake_arm(n);
	return 0;
}

static void uring_fini(struct uring *n)
{
	io_uring_queue_exit(&n->ring);
	uring_recv_fini(n);
	if (n->wake_fd >= 0)
		close(n->wake_fd);
	pool_fini(&n->conns);
	tls_core_fini(&n->tls);
	free(n->scratch);
	free(n);
}

static struct net *uring_make(const struct net_options *o, const struct net_handlers *h,
			      void *owner)
{
	struct uring *n = aligned_alloc(64, sizeof(*n));
	int rc;

	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->base.backend = &net_uring;
	n->on = *h;
	n->owner = owner;
	n->opt = *o;
	n->ctr = o->ctr;
	n->wake_fd = -1;
	options_defaults(&n->opt);
	LIST_INIT(&n->all);
	TAILQ_INIT(&n->shaking);
	TAILQ_INIT(&n->draining);
	TAILQ_INIT(&n->dead);
	rc = ring_open(n);
	if (rc) {
		free(n);
		errno = -rc;
		return NULL;
	}
	rc = ops_known(n) ? uring_init(n) : -ENOSYS;
	if (rc) {
		uring_fini(n);
		errno = -rc;
		return NULL;
	}
	return &n->base;
}

static void uring_free(struct net *base)
{
	struct uring *n = uring_net(base);
	struct io_uring_sqe *sqe;

	n->freeing = true;
	uring_conns_cancel(n);
	sqe = uring_sqe(n, n, OP_CANCEL_ALL);
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
	n->ops++;
	while (n->ops || !LIST_EMPTY(&n->all))
		if (!uring_turn(base))
			uring_wait(base, UINT64_MAX);
	uring_listeners_close(n);
	uring_fini(n);
}

const struct net_backend net_uring = {
	.name = "io_uring",
	.make = uring_make,
	.free = uring_free,
	.listen = uring_listen,
	.listen_at = uring_listen_at,
	.listen_stop = uring_listen_stop,
	.listen_resume = uring_listen_resume,
	.listen_leave = uring_listen_leave,
	.listen_look = uring_listen_look,
	.connect = uring_connect,
	.send = uring_send,
	.path = uring_path,
	.note = uring_note,
	.close = uring_close,
	.turn = uring_turn,
	.wait = uring_wait,
	.ready = uring_ready,
	.mark = uring_mark,
	.held = uring_held,
	.wake = uring_wake,
	.secure = uring_secure,
	.tls_text = uring_tls_text,
};
