/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp.h"

#include <errno.h>

#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"

#define NO_CONN 0 /* in lists, where the index + 1 stands */

static size_t aligned(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

/* The parts of the memory, one after the other. */
struct layout {
	size_t conns, slots, tws, blocks, end;
};

static struct layout layout_of(const struct tcp_config *cf)
{
	struct layout l;

	l.conns = aligned(sizeof(struct tcp));
	l.slots = l.conns + aligned(cf->conns_max * sizeof(struct tcp_conn));
	l.tws = l.slots + aligned(tcp_table_slots(cf->conns_max) * sizeof(struct tcp_slot));
	l.blocks = l.tws + aligned(cf->tw_max * sizeof(struct tcp_tw));
	l.end = l.blocks + (size_t)cf->blocks_max * TCP_BLOCK_BYTES;
	return l;
}

size_t tcp_bytes(const struct tcp_config *cf)
{
	return layout_of(cf).end;
}

static void fill_defaults(struct tcp_config *cf)
{
	if (!cf->user_timeout_ms)
		cf->user_timeout_ms = 30000;
	if (!cf->keep_interval_ms)
		cf->keep_interval_ms = 10000;
	if (!cf->keep_probes)
		cf->keep_probes = 3;
	if (!cf->fin_wait_ms)
		cf->fin_wait_ms = 60000;
	if (!cf->reasm_max)
		cf->reasm_max = 64;
	if (!cf->time_wait_s)
		cf->time_wait_s = 60;
	if (!cf->delack_ms)
		cf->delack_ms = 40;
	if (!cf->resets_per_s)
		cf->resets_per_s = 1000;
}

struct tcp *tcp_init(void *mem, const struct tcp_config *cf, const struct tcp_ops *ops, void *owner,
		     uint64_t now_us)
{
	struct layout l = layout_of(cf);
	uint8_t *base = mem;
	struct tcp *t = mem;

	must(cf->locals <= TCP_LOCALS && cf->conns_max && cf->conns_max <= 1u << 24);
	must(!((uintptr_t)mem & 63));
	must(cf->mtu >= 576 && cf->recv_window >= 1024 && cf->tso_bytes <= 65000);
	memset(t, 0, sizeof(*t));
	t->cf = *cf;
	fill_defaults(&t->cf);
	t->ops = ops;
	t->owner = owner;
	t->now_us = now_us;
	t->key = sip_key_of(cf->key);
	while (t->cf.recv_window >> t->rcv_scale > 0xffff)
		t->rcv_scale++;
	t->cf.recv_window = t->cf.recv_window >> t->rcv_scale << t->rcv_scale;
	t->conns = (struct tcp_conn *)(base + l.conns);
	tcp_table_init(&t->table, (struct tcp_slot *)(base + l.slots),
		       tcp_table_slots(cf->conns_max));
	tcp_tws_init(&t->tws, (struct tcp_tw *)(base + l.tws), cf->tw_max, t->cf.time_wait_s);
	tcp_blocks_init(&t->blocks, base + l.blocks, cf->blocks_max);
	wheel_init(&t->wheel, now_us);
	return t;
}

int tcp_listen(struct tcp *t, uint16_t port, int tag)
{
	struct tcp_listener *free = NULL;

	for (unsigned i = 0; i < TCP_LISTENERS; i++) {
		if (t->listener[i].port == port)
			return -EADDRINUSE;
		if (!t->listener[i].port && !free)
			free = &t->listener[i];
	}
	if (!free)
		return -ENOSPC;
	*free = (struct tcp_listener){port, tag};
	return 0;
}

void tcp_unlisten(struct tcp *t, uint16_t port)
{
	for (unsigned i = 0; i < TCP_LISTENERS; i++)
		if (t->listener[i].port == port)
			t->listener[i].port = 0;
}

/* ---- who is who ---- */

int tcp_local(const struct tcp *t, const struct ip *a)
{
	for (unsigned i = 0; i < t->cf.locals; i++)
		if (!memcmp(&t->cf.local[i], a, sizeof(*a)))
			return (int)i;
	return -1;
}

struct tcp_tuple tcp_tuple_of(const struct tcp *t, unsigned local, uint16_t lport,
			      const struct ip *remote, uint16_t rport)
{
	return (struct tcp_tuple){
		.remote = *remote, .local = t->cf.local[local], .rport = rport, .lport = lport};
}

uint32_t tcp_tuple_hash(const struct tcp *t, struct tcp_tuple tuple, uint32_t purpose)
{
	tuple.extra = purpose;
	return (uint32_t)sip_tuple(&t->key, &tuple);
}

struct tcp_conn *tcp_find(const struct tcp *t, unsigned local, uint16_t lport,
			  const struct ip *remote, uint16_t rport, uint32_t hash)
{
	uint32_t at = UINT32_MAX, i;

	while ((i = tcp_table_next(&t->table, hash, &at)) != UINT32_MAX) {
		struct tcp_conn *c = &t->conns[i];

		if (c->lport == lport && c->rport == rport && c->local == local &&
		    !memcmp(&c->remote, remote, sizeof(*remote)))
			return c;
	}
	return NULL;
}

static uint32_t index_of(const struct tcp_conn *c)
{
	return (uint32_t)(c - c->tcp->conns);
}

static uint32_t hash_of(const struct tcp_conn *c)
{
	return tcp_tuple_hash(
		c->tcp, tcp_tuple_of(c->tcp, c->local, c->lport, &c->remote, c->rport), HASH_TABLE);
}

/* ---- life and death ---- */

uint16_t tcp_mss_of(const struct tcp *t, bool v6)
{
	return (uint16_t)(t->cf.mtu - (v6 ? 60 : 40));
}

struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_tuple *tuple, unsigned local)
{
	struct tcp_conn *c;

	if (t->free != NO_CONN) {
		c = &t->conns[t->free - 1];
		t->free = c->next;
	} else if (t->fresh < t->cf.conns_max) {
		c = &t->conns[t->fresh++];
	} else {
		return NULL;
	}
	t->used++;
	memset(c, 0, sizeof(*c));
	c->tcp = t;
	c->timer.fire = tcp_fire;
	c->remote = tuple->remote;
	c->rport = tuple->rport;
	c->lport = tuple->lport;
	c->local = (uint8_t)local;
	c->ts_offset = tcp_tuple_hash(t, *tuple, HASH_STAMP);
	c->progress_ms = c->challenge_ms = now_ms(t);
	c->reo_mult = 1;
	c->flags = F_LISTED;
	tcp_table_add(&t->table, tcp_tuple_hash(t, *tuple, HASH_TABLE), index_of(c));
	return c;
}

void tcp_conn_options(struct tcp_conn *c, uint16_t mss, uint8_t wscale, bool sack_ok, bool has_ts)
{
	bool v6 = !ip_is_v4(&c->remote);

	/* RFC 9293, 3.7.1: without the option 536, or 1220 with IPv6; never absurdly little. */
	mss = mss ? max_of(mss, 88) : (v6 ? 1220 : 536);
	c->mss = (uint16_t)(min_of(mss, tcp_mss_of(c->tcp, v6)) - (has_ts ? TCP_TS_BYTES : 0));
	if (has_ts)
		c->flags |= F_TS;
	if (sack_ok)
		c->flags |= F_SACK;
	if (wscale != TCP_NO_WSCALE) {
		c->flags |= F_WSCALE;
		c->snd_scale = wscale;
	}
	tcp_cc_init(&c->cc, c->mss);
}

void tcp_set_state(struct tcp_conn *c, enum tcp_state s)
{
	static const uint16_t from[] = {
		[TCP_CLOSED] = 0xffff,
		[TCP_SYN_SENT] = 1 << TCP_CLOSED,
		[TCP_SYN_RCVD] = 1 << TCP_SYN_SENT,
		[TCP_ESTABLISHED] = 1 << TCP_CLOSED | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RCVD,
		[TCP_FIN_WAIT_1] = 1 << TCP_ESTABLISHED,
		[TCP_FIN_WAIT_2] = 1 << TCP_FIN_WAIT_1,
		[TCP_CLOSE_WAIT] = 1 << TCP_ESTABLISHED,
		[TCP_CLOSING] = 1 << TCP_FIN_WAIT_1,
		[TCP_LAST_ACK] = 1 << TCP_CLOSE_WAIT,
	};

	must(from[s] >> c->state & 1);
	c->state = (uint8_t)s;
}

void tcp_dirty(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (c->flags & F_DIRTY)
		return;
	c->flags |= F_DIRTY;
	c->next = NO_CONN;
	if (t->dirty == NO_CONN)
		t->dirty = index_of(c) + 1;
	else
		t->conns[t->dirty_last - 1].next = index_of(c) + 1;
	t->dirty_last = index_of(c) + 1;
}

void tcp_finish(struct tcp_conn *c, enum tcp_end why)
{
	struct tcp *t = c->tcp;

	if (c->state == TCP_CLOSED && !(c->flags & F_LISTED))
		return;
	tcp_set_state(c, TCP_CLOSED);
	c->end = (uint8_t)why;
	c->flags &= ~(uint32_t)F_LISTED;
	tcp_table_del(&t->table, hash_of(c), index_of(c));
	wheel_cancel(&t->wheel, &c->timer);
	tcp_dirty(c);
}

static void release(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (c->flags & F_OWNED)
		t->ops->ended(t->owner, c, c->end);
	tcp_flight_fini(&c->flight, &t->blocks);
	tcp_extents_fini(&c->extents, &t->blocks);
	tcp_reasm_fini(&c->reasm, &t->blocks);
	c->next = t->free;
	t->free = index_of(c) + 1;
	t->used--;
}

unsigned tcp_turn(struct tcp *t, uint64_t now_us)
{
	uint32_t last = t->dirty_last, i;
	unsigned n = 0;

	t->now_us = now_us;
	wheel_poll(&t->wheel, now_us);
	if (t->dirty == NO_CONN)
		return 0;
	last = t->dirty_last;
	/* What becomes dirty meanwhile waits for the next turn. */
	do {
		struct tcp_conn *c = &t->conns[t->dirty - 1];

		i = t->dirty;
		t->dirty = c->next;
		c->flags &= ~(uint32_t)F_DIRTY;
		n++;
		if (c->state == TCP_CLOSED) {
			release(c);
			continue;
		}
		tcp_out_turn(c);
	} while (i != last);
	return n;
}

uint64_t tcp_next(const struct tcp *t, uint64_t now_us)
{
	return t->dirty != NO_CONN ? now_us : wheel_next(&t->wheel, now_us);
}

/* ---- what the owner does with a connection ---- */

/* RFC 6528: a clock of 4 us and a secret per 4-tuple. */
static uint32_t first_seq(const struct tcp *t, const struct tcp_tuple *tuple)
{
	return (uint32_t)(t->now_us / 4) + tcp_tuple_hash(t, *tuple, HASH_ISN);
}

struct tcp_conn *tcp_connect(struct tcp *t, const struct ip *from, uint16_t lport,
			     const struct ip *to, uint16_t rport, void *user, uint64_t now_us)
{
	int local = tcp_local(t, from);
	struct tcp_tw old = {
		.remote = *to, .rport = rport, .lport = lport, .local = (uint8_t)local};
	struct tcp_tuple tuple;
	struct tcp_conn *c;
	uint32_t hash;

	t->now_us = now_us;
	if (local < 0 || !lport || !rport || ip_is_v4(from) != ip_is_v4(to))
		return NULL;
	tuple = tcp_tuple_of(t, (unsigned)local, lport, to, rport);
	hash = tcp_tuple_hash(t, tuple, HASH_TABLE);
	if (tcp_find(t, (unsigned)local, lport, to, rport, hash) ||
	    tcp_tws_find(&t->tws, hash, &old, now_s(t)))
		return NULL;
	c = tcp_conn_new(t, &tuple, (unsigned)local);
	if (!c)
		return NULL;
	c->user = user;
	c->flags |= F_OWNED;
	tcp_flight_init(&c->flight, first_seq(t, &tuple) + 1);
	c->round_end = c->recover = c->flight.una;
	tcp_set_state(c, TCP_SYN_SENT);
	c->rto_from = now_us32(c);
	tcp_out_syn(c);
	tcp_arm(c, true);
	return c;
}

void tcp_shutdown(struct tcp_conn *c, uint64_t now_us)
{
	c->tcp->now_us = now_us;
	if (c->state == TCP_CLOSED || c->flags & F_FIN_WANTED)
		return;
	c->flags |= F_FIN_WANTED;
	c->flags &= ~(uint32_t)F_WANT;
	tcp_dirty(c);
}

void tcp_close(struct tcp_conn *c, uint64_t now_us)
{
	tcp_shutdown(c, now_us);
	c->flags |= F_SHUT;
	if (c->state == TCP_SYN_SENT)
		tcp_finish(c, TCP_END_ABORTED);
	else if (c->state == TCP_FIN_WAIT_2)
		tcp_idle_in(c, c->tcp->cf.fin_wait_ms);
}

void tcp_abort(struct tcp_conn *c, uint64_t now_us)
{
	c->tcp->now_us = now_us;
	if (c->state == TCP_CLOSED)
		return;
	c->flags |= F_SHUT;
	if (c->state != TCP_SYN_SENT)
		tcp_out_reset(c);
	tcp_finish(c, TCP_END_ABORTED);
}

void tcp_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

void *tcp_user(const struct tcp_conn *c)
{
	return c->user;
}

struct tcp *tcp_of(const struct tcp_conn *c)
{
	return c->tcp;
}

bool tcp_oldest(const struct tcp_conn *c, uint32_t source, uint64_t *at)
{
	return tcp_extents_oldest(&c->extents, source, c->flight.una, at);
}
