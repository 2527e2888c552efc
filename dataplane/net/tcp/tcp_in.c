/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"

#define LIMITED_ACKS   10     /* a second, per connection (RFC 5961, 7) */
#define TS_OLD_MINUTES 34560u /* 24 days: an older ts_recent is not compared (RFC 7323, 5.5) */

void tcp_limited_ack(struct tcp_conn *c)
{
	if (now_ms(c->tcp) - c->challenge_ms >= 1000) {
		c->challenge_ms = now_ms(c->tcp);
		c->challenges = 0;
	}
	if (c->challenges >= LIMITED_ACKS)
		return;
	c->challenges++;
	c->tcp->stats.challenges++;
	tcp_out_ack(c, NULL);
}

/* RFC 9293, 3.10.7.4, first check. */
static bool in_window(const struct tcp_conn *c, const struct tcp_seg *g)
{
	uint32_t wnd = tcp_rcv_wnd(c), n = tcp_seg_len(g);

	if (!n)
		return g->seq == c->rcv_nxt || seq_in(g->seq, c->rcv_nxt, wnd);
	return seq_in(g->seq, c->rcv_nxt, wnd) || seq_in(g->seq + n - 1, c->rcv_nxt, wnd);
}

static uint16_t now_minutes(const struct tcp *t)
{
	return (uint16_t)(t->now_us / 60000000);
}

/* RFC 7323, 5.3 R1 */
static bool is_old(struct tcp_conn *c, const struct tcp_seg *g)
{
	return c->flags & F_TS && g->has_ts && !(g->flags & TCP_RST) &&
	       seq_lt(g->tsval, c->ts_recent) &&
	       (uint16_t)(now_minutes(c->tcp) - c->ts_recent_at) < TS_OLD_MINUTES;
}

static void take_stamp(struct tcp_conn *c, const struct tcp_seg *g)
{
	if (!(c->flags & F_TS) || !g->has_ts || seq_gt(g->seq, c->rcv_acked))
		return;
	c->ts_recent = g->tsval;
	c->ts_recent_at = now_minutes(c->tcp);
}

/* What cannot be used is answered, so that a peer with another idea of the state learns ours. */
static void reject(struct tcp_conn *c, const struct tcp_seg *g, bool old)
{
	uint32_t n = tcp_seg_len(g);
	struct tcp_sack dup = {g->seq, g->seq + (uint32_t)g->data.n};

	if (old)
		c->tcp->stats.paws++;
	else
		c->tcp->stats.out_of_window++;
	if (g->flags & TCP_RST)
		return;
	if (!old && g->data.n && seq_le(g->seq + n, c->rcv_nxt))
		tcp_out_ack(c, &dup);
	else
		tcp_limited_ack(c);
}

/* RFC 5961, 3.2: only the exact number resets; another one in the window asks. */
static void take_reset(struct tcp_conn *c, const struct tcp_seg *g)
{
	c->tcp->stats.resets_in++;
	if (g->seq == c->rcv_nxt)
		tcp_finish(c, c->state == TCP_SYN_RCVD ? TCP_END_REFUSED : TCP_END_RESET);
	else
		tcp_limited_ack(c);
}

static void deliver(struct tcp_conn *c, struct slice data)
{
	struct tcp *t = c->tcp;

	t->stats.bytes_in += data.n;
	if (data.n && !(c->flags & F_SHUT))
		t->ops->received(t->owner, c, data.p, data.n);
}

/* RFC 9293, 3.10.7.4, eighth check. */
static void take_fin(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	c->rcv_nxt++;
	tcp_reasm_fini(&c->reasm, &t->blocks);
	c->flags |= F_ACK_NOW;
	tcp_dirty(c);
	switch (c->state) {
	case TCP_ESTABLISHED:
		tcp_set_state(c, TCP_CLOSE_WAIT);
		break;
	case TCP_FIN_WAIT_1:
		tcp_set_state(c, TCP_CLOSING);
		break;
	case TCP_FIN_WAIT_2:
		tcp_time_wait(c);
		break;
	}
	if (!(c->flags & F_SHUT))
		t->ops->peer_closed(t->owner, c);
}

static bool takes_data(const struct tcp_conn *c)
{
	return c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 ||
	       c->state == TCP_FIN_WAIT_2;
}

/* What waited and is in turn now. */
static void deliver_late(struct tcp_conn *c)
{
	struct tcp_blocks *b = &c->tcp->blocks;
	struct tcp_late *l;
	struct slice data;

	while (takes_data(c) && (l = tcp_reasm_take(&c->reasm, b, &c->rcv_nxt, &data))) {
		bool fin = l->fin;

		deliver(c, data);
		tcp_blocks_put(b, l);
		if (fin && takes_data(c))
			take_fin(c);
	}
}

/* A full segment in two, and whatever is out of the ordinary, is acknowledged at once. */
static void plan_ack(struct tcp_conn *c, bool at_once)
{
	if (at_once || c->rcv_nxt - c->rcv_acked >= 2u * c->mss) {
		c->flags |= F_ACK_NOW;
		tcp_dirty(c);
	} else if (!(c->flags & F_ACK_NOW)) {
		tcp_ack_later(c);
	}
}

/* RFC 9293, 3.10.7.4, seventh check: g is in the window. */
static void take_data(struct tcp_conn *c, const struct tcp_seg *g)
{
	struct slice data = g->data;
	uint32_t seq = g->seq, room;
	bool fin = g->flags & TCP_FIN, gap = c->reasm.head;

	if (!takes_data(c) || (!data.n && !fin))
		return;
	if (data.n && c->flags & F_SHUT && c->state == TCP_FIN_WAIT_2) {
		/* Everything of ours has arrived, and nobody wants this (RFC 9293, 3.6.1). */
		tcp_out_reset(c);
		tcp_finish(c, TCP_END_DONE);
		return;
	}
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t skip = min_of(c->rcv_nxt - seq, (uint32_t)data.n);

		data.p += skip;
		data.n -= skip;
		seq += skip;
	}
	room = c->rcv_nxt + tcp_rcv_wnd(c) - seq;
	if (data.n > room) {
		data.n = room;
		fin = false;
	}
	if (seq != c->rcv_nxt) {
		if (!tcp_reasm_put(&c->reasm, &c->tcp->blocks, c->tcp->cf.reasm_max, seq, data,
				   fin))
			c->tcp->stats.late_dropped++;
		plan_ack(c, true);
		return;
	}
	c->rcv_nxt += (uint32_t)data.n;
	deliver(c, data);
	if (fin && takes_data(c))
		take_fin(c);
	deliver_late(c);
	if (c->state != TCP_CLOSED)
		plan_ack(c, gap);
}

/* What follows when the peer has our FIN. */
static void fin_acked(struct tcp_conn *c)
{
	if (!(c->flags & F_FIN_SENT) || tcp_flight_bytes(&c->flight))
		return;
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		tcp_set_state(c, TCP_FIN_WAIT_2);
		if (c->flags & F_SHUT)
			tcp_idle_in(c, c->tcp->cf.fin_wait_ms);
		break;
	case TCP_CLOSING:
		tcp_time_wait(c);
		break;
	case TCP_LAST_ACK:
		tcp_finish(c, TCP_END_DONE);
		break;
	}
}

static void opened(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	tcp_set_state(c, TCP_ESTABLISHED);
	c->backoff = 0;
	c->progress_ms = now_ms(t);
	if (t->cf.keep_idle_ms)
		tcp_idle_in(c, t->cf.keep_idle_ms);
	tcp_arm(c, true);
	if (!(c->flags & F_SHUT))
		t->ops->connected(t->owner, c);
}

/* RFC 9293, 3.10.7.3 */
static void syn_sent_input(struct tcp_conn *c, const struct tcp_seg *g)
{
	bool ack = g->flags & TCP_ACK;

	if (ack && g->ack != c->flight.nxt) {
		tcp_out_refuse(c->tcp, g);
		return;
	}
	if (g->flags & TCP_RST) {
		c->tcp->stats.resets_in++;
		if (ack)
			tcp_finish(c, TCP_END_REFUSED);
		return;
	}
	if (!(g->flags & TCP_SYN))
		return;
	c->rcv_nxt = g->seq + 1;
	c->snd_wl1 = g->seq;
	c->snd_wnd = c->snd_wnd_max = g->wnd;
	tcp_conn_options(c, g->mss, g->wscale, g->sack_ok, g->has_ts);
	c->ts_recent = g->tsval;
	c->ts_recent_at = now_minutes(c->tcp);
	if (!ack) {
		tcp_set_state(c, TCP_SYN_RCVD);
		tcp_out_syn(c);
		return;
	}
	if (!c->backoff)
		tcp_rtt_sample(&c->rtt, now_us32(c) - c->rto_from, now_s(c->tcp));
	c->flags |= F_ACK_NOW;
	tcp_dirty(c);
	opened(c);
}

/* RFC 9293, fifth check, with the narrower range of RFC 5961, 5.2. False: the segment is dropped. */
static bool ack_fits(struct tcp_conn *c, const struct tcp_seg *g)
{
	if (c->state == TCP_SYN_RCVD) {
		if (g->ack != c->flight.nxt) {
			tcp_out_refuse(c->tcp, g);
			return false;
		}
		c->snd_wnd = c->snd_wnd_max = (uint32_t)g->wnd << c->snd_scale;
		opened(c);
		return c->state != TCP_CLOSED;
	}
	if (seq_gt(g->ack, c->flight.nxt) || seq_lt(g->ack, c->flight.una - c->snd_wnd_max)) {
		tcp_limited_ack(c);
		return false;
	}
	return true;
}

void tcp_conn_input(struct tcp_conn *c, const struct tcp_seg *g)
{
	bool old;

	c->keep_probes = 0;
	if (c->state == TCP_SYN_SENT) {
		syn_sent_input(c, g);
		return;
	}
	if (c->tcp->cf.keep_idle_ms && !(c->flags & F_SHUT))
		tcp_idle_in(c, c->tcp->cf.keep_idle_ms);
	/* A connection with timestamps has them in every segment but RST (RFC 7323, 3.2). */
	if (c->flags & F_TS && !g->has_ts && !(g->flags & TCP_RST)) {
		c->tcp->stats.paws++;
		return;
	}
	old = is_old(c, g);
	if (old || !in_window(c, g)) {
		/* An ACK of ours may be in what is otherwise of no use: a probe, or a SYN-ACK. */
		if (!old && g->flags & TCP_ACK && !(g->flags & TCP_RST) &&
		    c->state == TCP_SYN_RCVD && g->ack == c->flight.nxt)
			ack_fits(c, g);
		if (c->state != TCP_CLOSED)
			reject(c, g, old);
		return;
	}
	if (g->flags & TCP_RST) {
		take_reset(c, g);
		return;
	}
	if (g->flags & TCP_SYN) {
		tcp_limited_ack(c);
		return;
	}
	if (!(g->flags & TCP_ACK) || !ack_fits(c, g))
		return;
	take_stamp(c, g);
	tcp_ack_input(c, g);
	if (c->state != TCP_CLOSED)
		fin_acked(c);
	if (c->state != TCP_CLOSED)
		take_data(c, g);
}

/* Addresses that no segment may come from (RFC 1122, 4.2.3.10), our own at the other end too. */
static bool bad_source(const struct tcp_seg *g)
{
	static const struct ip none;
	const struct ip *a = &g->src;

	if (!memcmp(a, &g->dst, sizeof(*a)))
		return true;
	if (ip_is_v4(a))
		return !a->b[12] || a->b[12] >= 224;
	return a->b[0] == 0xff || !memcmp(a, &none, sizeof(none));
}

enum tcp_verdict tcp_input(struct tcp *t, const uint8_t *packet, size_t n, bool checked,
			   uint64_t now_us)
{
	struct tcp_tuple tuple;
	struct tcp_conn *c;
	struct tcp_seg g;
	uint32_t hash;
	int rc = tcp_seg_parse(&g, packet, n, checked), local;

	t->now_us = now_us;
	if (rc == -EPROTONOSUPPORT)
		return TCP_FOREIGN;
	t->stats.segs_in++;
	t->stats.bad_sums += rc == -EBADMSG;
	if (rc || bad_source(&g) || !g.sport || !g.dport) {
		t->stats.bad_packets += rc != -EBADMSG;
		return TCP_DROPPED;
	}
	local = tcp_local(t, &g.dst);
	if (local < 0) {
		t->stats.not_ours++;
		return TCP_FOREIGN;
	}
	tuple = tcp_tuple_of(t, (unsigned)local, g.dport, &g.src, g.sport);
	hash = tcp_tuple_hash(t, tuple, HASH_TABLE);
	c = tcp_find(t, (unsigned)local, g.dport, &g.src, g.sport, hash);
	if (c)
		tcp_conn_input(c, &g);
	else if (!tcp_tw_input(t, &tuple, (unsigned)local, hash, &g))
		tcp_listen_input(t, &tuple, (unsigned)local, hash, &g);
	return TCP_TAKEN;
}
