/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dpdk.h"

#include <errno.h>
#include <rte_lcore.h>
#include <rte_memzone.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"

#define TIME_WAITS   65536u
#define BLOCKS_SHARE 16u /* of connections have a block at a time; at least BLOCKS_MIN */
#define BLOCKS_MIN   4096u
#define RECV_WINDOW  262144u
#define TSO_BYTES    65000u
#define FIN_WAIT_MS  2000u
#define BUSY_US	     200u /* of looking before the first sleep */
#define LINK_US	     100000u
#define LAST_US	     300000u

/* ---- listeners ---- */

static int dpdk_listen(struct net *base, int fd, int tag, struct net_tls *tls)
{
	struct net *kernel = dpdk_net(base)->kernel;

	return kernel->backend->listen(kernel, fd, tag, tls);
}

static bool port_open(const struct dpdk *n, uint16_t port)
{
	for (unsigned i = 0; i < n->listeners; i++)
		if (n->listener[i].port == port)
			return true;
	return false;
}

static int dpdk_listen_at(struct net *base, const union net_addr *at, int tag)
{
	static const struct ip any6, any4 = {{[10] = 0xff, [11] = 0xff}};
	struct dpdk *n = dpdk_net(base);
	struct dpdk_listener l = {
		.at = net_addr_ip(at),
		.port = ntohs(at->sa.sa_family == AF_INET6 ? at->in6.sin6_port : at->in.sin_port),
		.tag = tag,
	};
	int r = 0;

	l.any = !memcmp(&l.at, &any6, sizeof(any6)) || !memcmp(&l.at, &any4, sizeof(any4));
	for (unsigned i = 0; i < n->listeners; i++)
		if (n->listener[i].port == l.port && n->listener[i].any == l.any &&
		    (l.any || !memcmp(&n->listener[i].at, &l.at, sizeof(l.at))))
			return -EADDRINUSE;
	if (n->listeners == DPDK_LISTENERS)
		return -ENOSPC;
	if (!port_open(n, l.port) && !n->stopped)
		r = tcp_listen(n->tcp, l.port, 0);
	if (!r)
		n->listener[n->listeners++] = l;
	return r;
}

static void dpdk_listen_stop(struct net *base)
{
	struct dpdk *n = dpdk_net(base);

	n->stopped = true;
	for (unsigned i = 0; i < n->listeners; i++)
		tcp_unlisten(n->tcp, n->listener[i].port);
	n->kernel->backend->listen_stop(n->kernel);
}

static void dpdk_listen_resume(struct net *base)
{
	struct dpdk *n = dpdk_net(base);

	if (n->stopped)
		for (unsigned i = 0; i < n->listeners; i++)
			tcp_listen(n->tcp, n->listener[i].port, 0); /* or it is open already */
	n->stopped = false;
	n->kernel->backend->listen_resume(n->kernel);
}

/* Only sockets have another holder; the device's places are this process's alone. */
static void dpdk_listen_leave(struct net *base, int tag)
{
	struct dpdk *n = dpdk_net(base);

	n->kernel->backend->listen_leave(n->kernel, tag);
}

static void dpdk_listen_look(struct net *base)
{
	struct dpdk *n = dpdk_net(base);

	n->kernel->backend->listen_look(n->kernel);
}

/* ---- turns ---- */

/* Core 0 asks the device; each core notices that it came back. */
static void link_watch(struct dpdk *n)
{
	bool up;

	if (n->now_us - n->link_us < LINK_US)
		return;
	n->link_us = n->now_us;
	link_poll(&n->link, dpdk_ms(n));
	if (!n->queue)
		dpdk_link_look();
	up = atomic_load(&n->host->link_up);
	if (up && !n->was_up)
		link_announce(&n->link);
	n->was_up = up;
}

static int dpdk_turn(struct net *base)
{
	struct dpdk *n = dpdk_net(base);
	unsigned done;
	uint64_t resent;

	n->now_us = clock_us();
	link_watch(n);
	dpdk_flights_turn(n);
	done = dpdk_tell(n);
	done += dpdk_in(n);
	done += tcp_turn(n->tcp, n->now_us);
	dpdk_conns_poll(n);
	done += dpdk_tell(n);
	done += dpdk_conns_release(n);
	dpdk_out_flush(n);
	resent = tcp_stats(n->tcp)->bytes_resent;
	dpdk_count(n, CTR_BYTES_RESENT, resent - n->resent);
	n->resent = resent;
	return (int)done + n->kernel->backend->turn(n->kernel);
}

static uint64_t due(const struct dpdk *n, uint64_t until_us, uint64_t now_us)
{
	uint64_t at = min_of(until_us, tcp_next(n->tcp, now_us));

	if (!TAILQ_EMPTY(&n->dialing) || !TAILQ_EMPTY(&n->starved))
		at = min_of(at, now_us + 1000);
	if (!TAILQ_EMPTY(&n->told) || !TAILQ_EMPTY(&n->released))
		return now_us;
	return at;
}

/* Looks until something is there; nothing that comes makes an interrupt. */
static void dpdk_wait(struct net *base, uint64_t until_us)
{
	struct dpdk *n = dpdk_net(base);
	uint64_t begun_us = clock_us(), now_us = begun_us;
	const uint64_t at = due(n, until_us, now_us);

	while (!atomic_exchange_explicit(&n->woken, false, memory_order_acquire)) {
		uint32_t nap = n->host->idle_us;

		if (now_us >= at || dpdk_in_look(n) || n->kernel->backend->ready(n->kernel))
			return;
		dpdk_out_flush(n);
		if (nap && now_us - begun_us >= BUSY_US) {
			struct timespec ts = {0, (long)min_of((uint64_t)nap, at - now_us) * 1000};

			nanosleep(&ts, NULL);
		}
		now_us = clock_us();
	}
}

static bool dpdk_ready(struct net *base)
{
	struct dpdk *n = dpdk_net(base);

	return dpdk_in_look(n) || n->kernel->backend->ready(n->kernel);
}

static void dpdk_wake(struct net *base)
{
	atomic_store_explicit(&dpdk_net(base)->woken, true, memory_order_release);
}

static void dpdk_mark(struct net *base, uint64_t mark)
{
	struct dpdk *n = dpdk_net(base);

	/* Sends before this core's next turn of the network happen now, too. */
	n->now_us = clock_us();
	n->flights.mark = mark;
	n->kernel->backend->mark(n->kernel, mark);
}

static uint64_t dpdk_held(const struct net *base)
{
	const struct dpdk *n = (const struct dpdk *)base;
	uint64_t kernel = n->kernel->backend->held(n->kernel);

	return min_of(kernel, dpdk_flights_held(n));
}

static const char *dpdk_tls_text(const struct net_conn *c)
{
	return "";
}

/* ---- life ---- */

static int tcp_make(struct dpdk *n, const struct net_options *o)
{
	const struct dpdk_host *h = n->host;
	struct tcp_config cf = {
		.locals = h->link.locals,
		.conns_max = h->conns_max,
		.blocks_max = max_of(h->conns_max / BLOCKS_SHARE, BLOCKS_MIN),
		.tw_max = TIME_WAITS,
		.mtu = (uint16_t)h->mtu,
		.recv_window = RECV_WINDOW,
		.tso_bytes = h->tso ? TSO_BYTES : 0,
		.csum_offload = h->tcp_sums,
		.no_rack = !h->rack,
		.user_timeout_ms = o->dead_peer_ms,
		.fin_wait_ms = FIN_WAIT_MS,
	};

	memcpy(cf.local, h->link.local, sizeof(cf.local));
	memcpy(cf.key, h->tcp_key, sizeof(cf.key));
	n->tcp_memory_bytes = tcp_bytes(&cf);
	n->tcp_memory = mmap(NULL, n->tcp_memory_bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (n->tcp_memory == MAP_FAILED) {
		n->tcp_memory = NULL;
		return -ENOMEM;
	}
	n->tcp = tcp_init(n->tcp_memory, &cf, &dpdk_tcp_ops, n, clock_us());
	return 0;
}

static void dpdk_fini(struct dpdk *n)
{
	struct rte_mbuf *m;

	for (; n->out.from != n->out.to; n->out.from++)
		rte_pktmbuf_free(n->out.wait[n->out.from % DPDK_OUT]);
	rte_pktmbuf_free_bulk(n->in, n->in_n);
	while (!rte_ring_dequeue(n->host->handed[n->queue], (void **)&m))
		rte_pktmbuf_free(m);
	dpdk_flights_fini(&n->flights);
	if (n->tcp_memory)
		munmap(n->tcp_memory, n->tcp_memory_bytes);
	if (n->kernel)
		n->kernel->backend->free(n->kernel);
	pool_fini(&n->conns);
	if (n->registered)
		rte_thread_unregister();
	free(n);
}

static int dpdk_init(struct dpdk *n, const struct net_options *o)
{
	const struct dpdk_host *h = n->host;
	uint64_t seed;
	int r;

	/* Gives this thread its own caches of mbufs. */
	if (rte_thread_register())
		return -rte_errno;
	n->registered = true;
	r = dpdk_flights_init(&n->flights, h, n->queue);
	if (!r)
		r = tcp_make(n, o);
	memcpy(&seed, h->tcp_key, sizeof(seed));
	n->port_seed = seed ^ clock_us() ^ n->queue;
	link_init(&n->link, &h->link, dpdk_out_frame, n);
	return r;
}

static struct net *dpdk_make(const struct net_options *o, const struct net_handlers *on,
			     void *owner)
{
	struct dpdk *n = aligned_alloc(64, (sizeof(*n) + 63) & ~(size_t)63);
	int r;

	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->base.backend = &net_dpdk;
	n->host = dpdk_host();
	n->on = *on;
	n->owner = owner;
	n->ctr = o->ctr;
	n->queue = o->core;
	TAILQ_INIT(&n->told);
	TAILQ_INIT(&n->dialing);
	TAILQ_INIT(&n->starved);
	TAILQ_INIT(&n->released);
	pool_init(&n->conns, "dpdk connections", sizeof(struct dpdk_conn), n->host->conns_max);
	n->conns.allocs = o->allocs;
	n->kernel = net_uring.make(o, on, owner);
	r = n->kernel ? dpdk_init(n, o) : -errno;
	if (r) {
		dpdk_fini(n);
		errno = -r;
		return NULL;
	}
	return &n->base;
}

/* What was said last, and the end of it, still arrive where the peer is quick. */
static void last_words(struct dpdk *n)
{
	const uint64_t until_us = clock_us() + LAST_US;
	const struct timespec nap = {0, 1000000};

	do {
		n->now_us = clock_us();
		dpdk_in(n);
		tcp_turn(n->tcp, n->now_us);
		dpdk_conns_release(n);
		dpdk_out_flush(n);
		nanosleep(&nap, NULL);
	} while (!LIST_EMPTY(&n->all) && n->now_us < until_us);
}

static void dpdk_free(struct net *base)
{
	struct dpdk *n = dpdk_net(base);
	struct dpdk_conn *c;

	n->listeners = 0;
	for (c = LIST_FIRST(&n->all); c; c = LIST_NEXT(c, link))
		if (c->state != LEAVING)
			dpdk_close(&c->pub, false);
	last_words(n);
	for (c = LIST_FIRST(&n->all); c; c = LIST_NEXT(c, link))
		if (c->tcp)
			tcp_abort(c->tcp, n->now_us);
	do {
		dpdk_conns_release(n);
		tcp_turn(n->tcp, n->now_us);
		dpdk_out_flush(n);
	} while (!LIST_EMPTY(&n->all));
	dpdk_fini(n);
}

const struct net_backend net_dpdk = {
	.name = "dpdk",
	.make = dpdk_make,
	.free = dpdk_free,
	.listen = dpdk_listen,
	.listen_at = dpdk_listen_at,
	.listen_stop = dpdk_listen_stop,
	.listen_resume = dpdk_listen_resume,
	.listen_leave = dpdk_listen_leave,
	.listen_look = dpdk_listen_look,
	.connect = dpdk_connect,
	.send = dpdk_send,
	.close = dpdk_close,
	.path = dpdk_path,
	.turn = dpdk_turn,
	.wait = dpdk_wait,
	.ready = dpdk_ready,
	.mark = dpdk_mark,
	.held = dpdk_held,
	.wake = dpdk_wake,
	.tls_text = dpdk_tls_text,
};
