/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dpdk.h"

#include "base/clock.h"

#define TELL_ROUNDS 8u
#define PORT_FIRST  32768u
#define PORTS	    28000u
#define PORT_TRIES  4096u

static uint16_t *port_of(union net_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? &a->in6.sin6_port : &a->in.sin_port;
}

static struct dpdk_conn *conn_new(struct dpdk *n, enum dpdk_state state)
{
	struct dpdk_conn *c = pool_get(&n->conns);

	if (!c)
		return NULL;
	c->pub.net = &n->base;
	c->state = (uint8_t)state;
	LIST_INSERT_HEAD(&n->all, c, link);
	dpdk_count(n, CTR_CONNS, 1);
	return c;
}

static void conn_free(struct dpdk_conn *c)
{
	struct dpdk *n = dpdk_of(c);

	dpdk_flight_drop(c);
	LIST_REMOVE(c, link);
	shm_sub(&n->ctr->ctr[CTR_CONNS], 1);
	pool_put(&n->conns, c);
}

/* Out of every list but `all`. */
static void conn_unlist(struct dpdk_conn *c)
{
	struct dpdk *n = dpdk_of(c);

	if (c->telling)
		TAILQ_REMOVE(&n->told, c, told);
	if (c->state == DIALING || c->state == OPENING)
		TAILQ_REMOVE(&n->dialing, c, waiting);
	if (c->starved)
		TAILQ_REMOVE(&n->starved, c, waiting);
	c->telling = c->starved = c->wants_room = c->room_came = false;
}

/* ---- what the TCP says ---- */

static const struct dpdk_listener *listener_for(const struct dpdk *n, const struct tcp_info *info)
{
	const struct dpdk_listener *any = NULL;

	for (unsigned i = 0; i < n->listeners; i++) {
		const struct dpdk_listener *l = &n->listener[i];

		if (l->port != info->lport)
			continue;
		if (l->any)
			any = l;
		else if (!memcmp(&l->at, &info->local, sizeof(l->at)))
			return l;
	}
	return any;
}

static bool on_accepted(void *owner, struct tcp_conn *t, int tag)
{
	const struct dpdk_listener *l;
	struct dpdk *n = owner;
	struct tcp_info info;
	struct dpdk_conn *c;

	tcp_info(t, &info);
	l = listener_for(n, &info);
	if (!l)
		return false;
	c = conn_new(n, OPEN);
	if (!c) {
		dpdk_count(n, CTR_REFUSED, 1);
		return false;
	}
	c->tcp = t;
	c->pub.peer = net_addr_of(&info.remote, info.rport);
	tcp_set_user(t, c);
	if (!n->on.accepted(n->owner, &c->pub, l->tag)) {
		conn_free(c);
		return false;
	}
	dpdk_count(n, CTR_ACCEPTS, 1);
	return true;
}

static void on_connected(void *owner, struct tcp_conn *t)
{
	struct dpdk_conn *c = tcp_user(t);
	struct dpdk *n = owner;

	TAILQ_REMOVE(&n->dialing, c, waiting);
	c->state = OPEN;
	n->on.connected(&c->pub, REASON_NONE);
}

static void on_received(void *owner, struct tcp_conn *t, const uint8_t *p, size_t bytes)
{
	struct dpdk_conn *c = tcp_user(t);
	struct dpdk *n = owner;

	c->pub.bytes_in += bytes;
	dpdk_count(n, CTR_BYTES_IN, bytes);
	if (c->state == OPEN)
		n->on.received(&c->pub, p, bytes);
}

static void on_acked(void *owner, struct tcp_conn *t, uint32_t bytes)
{
	dpdk_flight_acked(tcp_user(t), bytes);
}

static void room(struct dpdk_conn *c)
{
	if (c->telling) {
		c->room_came = true;
	} else if (c->wants_room && c->state == OPEN) {
		c->wants_room = false;
		dpdk_of(c)->on.writable(&c->pub);
	}
}

static void on_writable(void *owner, struct tcp_conn *t)
{
	room(tcp_user(t));
}

static void on_peer_closed(void *owner, struct tcp_conn *t)
{
	struct dpdk_conn *c = tcp_user(t);
	struct dpdk *n = owner;

	if (c->state == OPEN)
		n->on.closed(&c->pub, REASON_PEER_CLOSED);
}

static enum reason closed_reason(enum tcp_end why)
{
	switch (why) {
	case TCP_END_TIMEOUT:
		return REASON_PEER_DEAD;
	case TCP_END_RESET:
		return REASON_PEER_RESET;
	default:
		return REASON_IO_ERROR;
	}
}

static enum reason connect_reason(enum tcp_end why)
{
	switch (why) {
	case TCP_END_REFUSED:
	case TCP_END_RESET:
		return REASON_CONNECT_REFUSED;
	case TCP_END_UNREACHABLE:
		return REASON_UNREACHABLE;
	case TCP_END_TIMEOUT:
		return REASON_CONNECT_TIMEOUT;
	default:
		return REASON_IO_ERROR;
	}
}

/* A connection that never opened: the owner's last call. */
static void fail(struct dpdk_conn *c, enum reason why)
{
	struct dpdk *n = dpdk_of(c);

	conn_unlist(c);
	c->state = LEAVING;
	c->unowned = true;
	n->on.connected(&c->pub, why);
	if (c->tcp)
		tcp_abort(c->tcp, n->now_us);
	else
		conn_free(c);
}

/* The network ended it. */
static void broken(struct dpdk_conn *c, enum reason why)
{
	conn_unlist(c);
	c->state = BROKEN;
	dpdk_of(c)->on.closed(&c->pub, why);
}

static void on_ended(void *owner, struct tcp_conn *t, enum tcp_end why)
{
	struct dpdk_conn *c = tcp_user(t);
	struct tcp_info info;

	tcp_info(t, &info);
	c->srtt_us = info.srtt_us;
	c->mss = info.mss;
	c->resent = (uint16_t)info.resent;
	c->tcp = NULL;
	dpdk_flight_drop(c);
	if (c->state == OPENING)
		fail(c, connect_reason(why));
	else if (c->state == OPEN)
		broken(c, closed_reason(why));
	else if (c->state == LEAVING && (c->unowned || c->released))
		conn_free(c);
}

/* Nothing is sent from a log by its name: its bytes stay until they are acknowledged. */
static bool no_log(void *owner, uint32_t source, uint64_t at, uint32_t n, struct slice *out)
{
	return false;
}

const struct tcp_ops dpdk_tcp_ops = {
	.emit = dpdk_out_packet,
	.resolve = no_log,
	.accepted = on_accepted,
	.connected = on_connected,
	.received = on_received,
	.acked = on_acked,
	.writable = on_writable,
	.peer_closed = on_peer_closed,
	.ended = on_ended,
};

/* ---- sending ---- */

static bool is_shared(const struct dpdk *n, const struct slice *s)
{
	return s->p >= n->host->shared.p && s->p < n->host->shared.p + n->host->shared.n;
}

/* What the TCP does not promise to tell, we ask again ourselves. */
static void starve(struct dpdk_conn *c)
{
	if (!c->starved)
		TAILQ_INSERT_TAIL(&dpdk_of(c)->starved, c, waiting);
	c->starved = c->blocked = true;
}

/* One slice; false: it was not taken whole. */
static bool send_slice(struct dpdk_conn *c, const struct slice *s)
{
	struct dpdk *n = dpdk_of(c);
	struct tcp_range r[DPDK_RANGES];
	uint32_t given, took;
	unsigned ranges;

	if (is_shared(n, s)) {
		if (!dpdk_flight_log_room(c)) {
			starve(c);
			return false;
		}
		given = (uint32_t)s->n;
		r[0] = (struct tcp_range){.at = (uintptr_t)s->p, .n = given};
		took = tcp_send(c->tcp, r, 1, n->now_us);
		if (took)
			dpdk_flight_log(c, took);
	} else {
		given = dpdk_flight_copy(c, s, r, DPDK_RANGES, &ranges);
		took = given ? tcp_send(c->tcp, r, ranges, n->now_us) : 0;
		dpdk_flight_uncopy(c, given - took);
	}
	c->sent_n += took;
	c->blocked = took < given;
	if (!given)
		starve(c);
	return took == s->n;
}

void dpdk_send(struct net_conn *pub, const struct slice *s, unsigned slices)
{
	struct dpdk_conn *c = dpdk_conn_of(pub);
	struct dpdk *n = dpdk_of(c);

	must(c->state == OPEN && !c->telling);
	c->telling = true;
	c->room_came = false;
	c->blocked = false;
	c->sent_n = 0;
	TAILQ_INSERT_TAIL(&n->told, c, told);
	if (c->starved || dpdk_out_full(n))
		starve(c);
	for (unsigned i = 0; i < slices && !c->blocked; i++)
		if (!send_slice(c, &s[i]))
			break;
}

static void tell(struct dpdk_conn *c)
{
	struct dpdk *n = dpdk_of(c);
	bool blocked = c->blocked;

	c->telling = false;
	c->wants_room = blocked;
	c->pub.bytes_out += c->sent_n;
	dpdk_count(n, CTR_SENDS, 1);
	dpdk_count(n, CTR_BYTES_OUT, c->sent_n);
	if (blocked)
		dpdk_count(n, CTR_SENDS_BLOCKED, 1);
	n->on.sent(&c->pub, c->sent_n, blocked);
	/* It came before anybody could wait for it. */
	if (c->room_came)
		room(c);
}

unsigned dpdk_tell(struct dpdk *n)
{
	unsigned told = 0;

	for (unsigned round = 0; round < TELL_ROUNDS && !TAILQ_EMPTY(&n->told); round++) {
		/* What is sent meanwhile is told in the next round. */
		struct dpdk_conn *c, *last = TAILQ_LAST(&n->told, dpdk_tail);

		do {
			c = TAILQ_FIRST(&n->told);
			TAILQ_REMOVE(&n->told, c, told);
			tell(c);
			told++;
		} while (c != last && !TAILQ_EMPTY(&n->told));
	}
	return told;
}

/* ---- opening ---- */

/* A free port whose packets come to this core. */
static bool open_from(struct dpdk_conn *c, const struct ip *from, const struct ip *to)
{
	struct dpdk *n = dpdk_of(c);
	uint16_t rport = ntohs(*port_of(&c->pub.peer));

	for (unsigned i = 0; i < PORT_TRIES && !c->tcp; i++) {
		uint16_t lport;

		n->port_seed = n->port_seed * 6364136223846793005u + 1442695040888963407u;
		lport = (uint16_t)(PORT_FIRST + (n->port_seed >> 40) % PORTS);
		if (dpdk_core_of(n->host, to, rport, from, lport) == n->queue)
			c->tcp = tcp_connect(n->tcp, from, lport, to, rport, c, n->now_us);
	}
	return c->tcp;
}

/* Once the neighbour is known, since the first packet would get lost. */
static void dial(struct dpdk_conn *c)
{
	struct dpdk *n = dpdk_of(c);
	const struct ip to = net_addr_ip(&c->pub.peer), *from = link_source(&n->host->link, &to);

	if (!from || !link_lookup(&n->link, &to, dpdk_ms(n)))
		return;
	c->state = OPENING;
	if (!open_from(c, from, &to))
		fail(c, REASON_NO_MEMORY);
}

struct net_conn *dpdk_connect(struct net *base, const struct net_dial *d, enum reason *why)
{
	const struct ip to = net_addr_ip(d->to);
	struct dpdk *n = dpdk_net(base);
	struct dpdk_conn *c;

	if (d->tls || !link_source(&n->host->link, &to) || net_addr_is_local(d->to))
		return n->kernel->backend->connect(n->kernel, d, why);
	*why = REASON_ADDRESS_DENIED;
	if (d->deny && cidr_set_holds(d->deny, &to))
		return NULL;
	/* The device does not hear what it sends. */
	*why = REASON_IO_ERROR;
	if (link_is_local(&n->host->link, &to))
		return NULL;
	*why = REASON_NO_MEMORY;
	c = conn_new(n, DIALING);
	if (!c)
		return NULL;
	*why = REASON_NONE;
	n->now_us = clock_us();
	c->pub.user = d->user;
	c->pub.peer = *d->to;
	c->until_ms = dpdk_ms(n) + d->timeout_ms;
	TAILQ_INSERT_TAIL(&n->dialing, c, waiting);
	return &c->pub;
}

void dpdk_conns_poll(struct dpdk *n)
{
	struct dpdk_conn *c, *next;

	for (c = TAILQ_FIRST(&n->dialing); c; c = next) {
		next = TAILQ_NEXT(c, waiting);
		if ((int32_t)(dpdk_ms(n) - c->until_ms) >= 0)
			fail(c, REASON_CONNECT_TIMEOUT);
		else if (c->state == DIALING)
			dial(c);
	}
	if (dpdk_out_full(n))
		return;
	for (c = TAILQ_FIRST(&n->starved); c; c = next) {
		next = TAILQ_NEXT(c, waiting);
		if (c->telling || (c->tcp && !tcp_room(c->tcp)))
			continue;
		TAILQ_REMOVE(&n->starved, c, waiting);
		c->starved = false;
		room(c);
	}
}

/* ---- what is known of the path ---- */

bool dpdk_path(const struct net_conn *pub, struct net_path *out)
{
	const struct dpdk_conn *c = dpdk_conn_of((struct net_conn *)pub);
	struct tcp_info info = {.srtt_us = c->srtt_us, .mss = c->mss, .resent = c->resent};
	uint64_t acked;

	if (c->tcp)
		tcp_info(c->tcp, &info);
	if (!info.mss)
		return false;
	acked = pub->bytes_out - min_of(pub->bytes_out, (uint64_t)info.flight);
	*out = (struct net_path){
		.srtt_us = info.srtt_us,
		.sent = (uint32_t)(pub->bytes_out / info.mss) + info.resent,
		.retransmitted = info.resent,
		.delivered = (uint32_t)(acked / info.mss),
		.acked_bytes = acked,
	};
	return true;
}

/* ---- ending ---- */

void dpdk_close(struct net_conn *pub, bool graceful)
{
	struct dpdk_conn *c = dpdk_conn_of(pub);
	struct dpdk *n = dpdk_of(c);

	if (c->state == LEAVING)
		return;
	conn_unlist(c);
	c->state = LEAVING;
	TAILQ_INSERT_TAIL(&n->released, c, waiting);
	if (c->tcp && graceful)
		tcp_close(c->tcp, n->now_us);
	else if (c->tcp)
		tcp_abort(c->tcp, n->now_us);
}

unsigned dpdk_conns_release(struct dpdk *n)
{
	struct dpdk_conn *c;
	unsigned count = 0;

	for (; (c = TAILQ_FIRST(&n->released)); count++) {
		TAILQ_REMOVE(&n->released, c, waiting);
		c->released = true;
		n->on.released(&c->pub);
		if (!c->tcp)
			conn_free(c);
	}
	return count;
}

void dpdk_conns_expire(struct dpdk *n, uint32_t gen)
{
	struct dpdk_conn *c, *next;

	for (c = LIST_FIRST(&n->all); c; c = next) {
		next = LIST_NEXT(c, link);
		if (!c->tcp || !dpdk_flight_holds(c, gen))
			continue;
		tcp_abort(c->tcp, n->now_us);
		if (c->state == OPEN)
			broken(c, REASON_PEER_DEAD);
	}
}
