/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"
#include "net/tcp/tcp_cookie.h"

static const struct tcp_listener *listener_of(const struct tcp *t, uint16_t port)
{
	for (unsigned i = 0; i < TCP_LISTENERS; i++)
		if (t->listener[i].port == port)
			return &t->listener[i];
	return NULL;
}

static struct tcp_seg answer_to(const struct tcp_seg *g, uint8_t flags)
{
	return (struct tcp_seg){
		.src = g->dst,
		.dst = g->src,
		.sport = g->dport,
		.dport = g->sport,
		.flags = flags,
		.wscale = TCP_NO_WSCALE,
	};
}

static void answer_syn(struct tcp *t, const struct tcp_tuple *tuple, const struct tcp_seg *g)
{
	struct tcp_cookie said = {
		.mss = g->mss ? g->mss : (ip_is_v4(&g->src) ? 536 : 1220),
		.wscale = g->wscale,
		.sack_ok = g->sack_ok,
	};
	struct tcp_seg out = answer_to(g, TCP_SYN | TCP_ACK);

	t->stats.syns++;
	if (t->used == t->cf.conns_max) {
		t->stats.refused++;
		return;
	}
	out.seq = tcp_cookie_make(&t->key, tuple, g->seq, said.mss, t->now_us);
	out.ack = g->seq + 1;
	out.mss = tcp_mss_of(t, !ip_is_v4(&g->src));
	out.wnd = (uint16_t)min_of(t->cf.recv_window, 0xffff);
	if (g->has_ts) {
		uint32_t clock = now_ms(t) + tcp_tuple_hash(t, *tuple, HASH_STAMP);

		out.has_ts = true;
		out.tsval = tcp_cookie_stamp(&said, clock);
		out.tsecr = g->tsval;
		out.sack_ok = g->sack_ok;
		if (g->wscale != TCP_NO_WSCALE)
			out.wscale = t->rcv_scale;
	}
	tcp_out_bare(t, &out);
}

/*
 * The handshake's last segment, or one after it: everything is in there. NULL: no connection;
 * answered with RST, unless it comes too early and will come again.
 */
static struct tcp_conn *open_by_cookie(struct tcp *t, const struct tcp_tuple *tuple, unsigned local,
				       const struct tcp_seg *g)
{
	struct tcp_cookie said = {.wscale = TCP_NO_WSCALE};
	uint32_t irs = g->seq - 1, isn = g->ack - 1;
	enum tcp_cookie_verdict v = tcp_cookie_check(&said, &t->key, tuple, irs, isn, t->now_us);
	struct tcp_conn *c;

	/* A client whose ACK was lost, and that waits, probes from before its window. */
	if (v == COOKIE_EARLY && !tcp_seg_len(g)) {
		irs = g->seq;
		v = tcp_cookie_check(&said, &t->key, tuple, irs, isn, t->now_us);
	}
	if (v != COOKIE_GOOD) {
		t->stats.cookies_bad += v == COOKIE_BAD;
		if (v == COOKIE_BAD)
			tcp_out_refuse(t, g);
		return NULL;
	}
	t->stats.cookies_good++;
	if (g->has_ts)
		tcp_cookie_unstamp(&said, g->tsecr);
	c = tcp_conn_new(t, tuple, local);
	if (!c) {
		t->stats.refused++;
		tcp_out_refuse(t, g);
		return NULL;
	}
	tcp_flight_init(&c->flight, g->ack);
	c->rcv_nxt = c->rcv_acked = irs + 1;
	c->ts_recent = g->tsval;
	tcp_conn_options(c, said.mss, said.wscale, said.sack_ok, g->has_ts);
	c->snd_wl1 = irs + 1;
	c->snd_wnd = c->snd_wnd_max = (uint32_t)g->wnd << c->snd_scale;
	c->round_end = c->recover = g->ack;
	tcp_set_state(c, TCP_ESTABLISHED);
	return c;
}

void tcp_listen_input(struct tcp *t, const struct tcp_tuple *tuple, unsigned local, uint32_t hash,
		      const struct tcp_seg *g)
{
	const struct tcp_listener *l = listener_of(t, g->dport);
	uint8_t kind = g->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	struct tcp_conn *c;

	if (kind & TCP_RST)
		return;
	if (l && kind == TCP_SYN) {
		answer_syn(t, tuple, g);
		return;
	}
	if (!l || kind & TCP_SYN || !(kind & TCP_ACK)) {
		tcp_out_refuse(t, g);
		return;
	}
	c = open_by_cookie(t, tuple, local, g);
	if (!c)
		return;
	if (!t->ops->accepted(t->owner, c, l->tag)) {
		t->stats.refused++;
		tcp_out_reset(c);
		tcp_finish(c, TCP_END_ABORTED);
		return;
	}
	t->stats.accepts++;
	c->flags |= F_OWNED;
	if (t->cf.keep_idle_ms)
		tcp_idle_in(c, t->cf.keep_idle_ms);
	if (c->state != TCP_CLOSED)
		tcp_conn_input(c, g);
}

/* ---- TIME_WAIT ---- */

static struct tcp_tw key_of(const struct tcp_tuple *tuple, unsigned local)
{
	return (struct tcp_tw){
		.remote = tuple->remote,
		.rport = tuple->rport,
		.lport = tuple->lport,
		.local = (uint8_t)local,
	};
}

void tcp_time_wait(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;
	struct tcp_tuple tuple = tcp_tuple_of(t, c->local, c->lport, &c->remote, c->rport);
	struct tcp_tw w = key_of(&tuple, c->local);

	tcp_out_ack(c, NULL);
	w.snd_nxt = c->flight.nxt;
	w.rcv_nxt = c->rcv_nxt;
	w.has_ts = !!(c->flags & F_TS);
	t->stats.tw_lost +=
		tcp_tws_add(&t->tws, tcp_tuple_hash(t, tuple, HASH_TABLE), &w, now_s(t));
	tcp_finish(c, TCP_END_DONE);
}

bool tcp_tw_input(struct tcp *t, const struct tcp_tuple *tuple, unsigned local, uint32_t hash,
		  const struct tcp_seg *g)
{
	struct tcp_tw key = key_of(tuple, local), *w = tcp_tws_find(&t->tws, hash, &key, now_s(t));
	struct tcp_seg out = answer_to(g, TCP_ACK);

	if (!w)
		return false;
	/* RST is ignored (RFC 1337); a SYN beyond everything old begins anew (RFC 9293, 3.6.1). */
	if (g->flags & TCP_RST)
		return true;
	if (g->flags & TCP_SYN && !(g->flags & TCP_ACK) && seq_gt(g->seq, w->rcv_nxt)) {
		tcp_tw_del(w);
		return false;
	}
	if (g->flags & TCP_FIN)
		tcp_tw_renew(&t->tws, w, now_s(t));
	else if (!tcp_seg_len(g) && g->seq == w->rcv_nxt)
		return true;
	out.seq = w->snd_nxt;
	out.ack = w->rcv_nxt;
	out.wnd = (uint16_t)(t->cf.recv_window >> t->rcv_scale);
	if (w->has_ts && g->has_ts) {
		out.has_ts = true;
		out.tsval = now_ms(t) + tcp_tuple_hash(t, *tuple, HASH_STAMP);
		out.tsecr = g->tsval;
	}
	tcp_out_bare(t, &out);
	return true;
}
