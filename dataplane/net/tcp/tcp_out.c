/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"
#include "net/tcp/tcp_sum.h"

#define TTL 64

/* Completes the header and hands the packet out. */
static void emit(struct tcp *t, const struct tcp_seg *g, struct tcp_packet *p)
{
	uint32_t label = (uint32_t)g->sport << 4 ^ g->dport;
	uint8_t hdr[TCP_HDR_MAX];
	struct sum sum = {0};
	unsigned l3, n = tcp_hdr_write(hdr, g, p->bytes, label, &l3);

	p->hdr = hdr;
	p->hdr_bytes = (uint16_t)n;
	p->l3_bytes = (uint16_t)l3;
	p->v6 = !ip_is_v4(&g->src);
	/* A NIC that cuts a burst adds the length of each segment itself. */
	sum_pseudo(&sum, &g->src, &g->dst, TCP_PROTO, p->seg_bytes ? 0 : n - l3 + p->bytes);
	if (t->cf.csum_offload) {
		put_be16(hdr + l3 + 16, sum_fold(&sum));
	} else {
		sum_add(&sum, hdr + l3, n - l3);
		for (unsigned i = 0; i < p->slices; i++)
			sum_add(&sum, p->slice[i].p, p->slice[i].n);
		put_be16(hdr + l3 + 16, sum_end(&sum));
	}
	t->stats.segs_out++;
	t->ops->emit(t->owner, p);
}

void tcp_out_bare(struct tcp *t, const struct tcp_seg *g)
{
	struct tcp_packet p = {0};
	struct tcp_seg out = *g;

	out.ttl = TTL;
	emit(t, &out, &p);
}

/* What every segment of a connection says; it carries the newest ACK. */
static struct tcp_seg segment(struct tcp_conn *c, uint32_t seq, uint8_t flags)
{
	const struct tcp *t = c->tcp;
	struct tcp_seg g = {
		.src = t->cf.local[c->local],
		.dst = c->remote,
		.sport = c->lport,
		.dport = c->rport,
		.seq = seq,
		.ack = flags & TCP_ACK ? c->rcv_nxt : 0,
		.flags = flags,
		.ttl = TTL,
		.wscale = TCP_NO_WSCALE,
	};

	g.wnd = (uint16_t)(tcp_rcv_wnd(c) >> (c->flags & F_WSCALE ? t->rcv_scale : 0));
	if (c->flags & F_TS) {
		g.has_ts = true;
		g.tsval = tcp_clock(c);
		g.tsecr = c->ts_recent;
	}
	if (flags & TCP_ACK) {
		c->rcv_acked = c->rcv_nxt;
		c->flags &= ~(uint32_t)(F_ACK_NOW | F_ACK_LATER);
	}
	return g;
}

static void add_slice(struct tcp_packet *p, struct slice s)
{
	struct slice *last = p->slices ? &p->slice[p->slices - 1] : NULL;

	p->bytes += (uint32_t)s.n;
	if (last && last->p + last->n == s.p)
		last->n += s.n;
	else
		p->slice[p->slices++] = s;
}

/* The bytes of up to n sequence numbers from seq; fewer when there are too many slices. */
static bool gather(struct tcp_conn *c, struct tcp_packet *p, uint32_t seq, uint32_t n)
{
	struct tcp *t = c->tcp;

	while (p->bytes < n && p->slices < TCP_SLICES) {
		uint32_t at = seq + p->bytes, to;
		const struct tcp_extent *e = tcp_extents_find(&c->extents, at, c->flight.nxt, &to);
		struct slice s = {NULL, min_of(to - at, n - p->bytes)};
		uint64_t off = e->at + (at - e->seq);
		uint32_t want = (uint32_t)s.n;

		if (e->source == TCP_MEMORY)
			s.p = (const uint8_t *)(uintptr_t)off;
		else if (!t->ops->resolve(t->owner, e->source, off, want, &s))
			return false;
		s.n = min_of(s.n, want);
		must(s.n);
		add_slice(p, s);
	}
	return true;
}

bool tcp_out_range(struct tcp_conn *c, uint32_t seq, uint32_t n)
{
	struct tcp *t = c->tcp;
	uint32_t end = seq + n, most = c->mss;
	bool fin = c->flags & F_FIN_SENT && end == c->flight.nxt;
	uint32_t data_end = fin ? end - 1 : end;

	if (t->cf.tso_bytes > c->mss)
		most = t->cf.tso_bytes / c->mss * c->mss;
	do {
		uint32_t left = data_end - seq;
		struct tcp_packet p = {0};
		struct tcp_seg g;

		if (!gather(c, &p, seq, min_of(left, most))) {
			t->stats.log_gone++;
			tcp_out_reset(c);
			tcp_finish(c, TCP_END_LOG_GONE);
			return false;
		}
		g = segment(c, seq, TCP_ACK);
		if (p.bytes == left)
			g.flags |= (uint8_t)((left ? TCP_PSH : 0) | (fin ? TCP_FIN : 0));
		if (p.bytes > c->mss)
			p.seg_bytes = c->mss;
		seq += p.bytes;
		emit(t, &g, &p);
	} while (seq != data_end);
	return true;
}

/* Retransmits what is lost, as far as the window of congestion goes. False: c is gone. */
static bool resend(struct tcp_conn *c)
{
	struct tcp_flight *f = &c->flight;
	struct tcp_episode *e;
	uint32_t start, n;

	while (tcp_flight_next_lost(f, &start, &n)) {
		uint32_t pipe = tcp_pipe(c), room = c->cc.cwnd > pipe ? c->cc.cwnd - pipe : 0;
		struct tcp_piece tmpl = {.sent_us = now_us32(c), .delivered = c->delivered};

		if (room < min_of(n, c->mss))
			break;
		if (n > room)
			n = room / c->mss * c->mss;
		if (!(c->flags & F_RESENT)) {
			c->flags |= F_RESENT;
			c->resent_ts = tcp_clock(c);
		}
		if (start == f->una)
			c->rto_from = now_us32(c);
		tcp_flight_resent(f, start, n, &tmpl);
		tcp_count_resent(c, n);
		e = tcp_flight_episode(f);
		if (e)
			e->prr_out += n;
		if (!tcp_out_range(c, start, n))
			return false;
	}
	return true;
}

static void send_fin(struct tcp_conn *c)
{
	struct tcp_piece tmpl = {.sent_us = now_us32(c), .delivered = c->delivered};

	if (!tcp_flight_bytes(&c->flight)) {
		c->rto_from = now_us32(c);
		c->progress_ms = now_ms(c->tcp);
	}
	c->flags |= F_FIN_SENT;
	tcp_flight_sent(&c->flight, 1, &tmpl);
	tcp_set_state(c, c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1);
	tcp_out_range(c, c->flight.nxt - 1, 1);
	tcp_arm(c, true);
}

static bool may_send(const struct tcp_conn *c)
{
	return (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT) &&
	       !(c->flags & F_FIN_WANTED);
}

static uint32_t raw_room(const struct tcp_conn *c)
{
	const struct tcp_flight *f = &c->flight;
	uint32_t pipe = tcp_pipe(c), flight = tcp_flight_bytes(f);
	uint32_t cwnd = c->cc.cwnd > pipe ? c->cc.cwnd - pipe : 0;
	uint32_t wnd = c->snd_wnd > flight ? c->snd_wnd - flight : 0;

	/* What is lost leaves first. */
	return may_send(c) && !f->lost ? min_of(cwnd, wnd) : 0;
}

uint32_t tcp_room(const struct tcp_conn *c)
{
	uint32_t room = raw_room(c);

	/* No silly windows (RFC 9293, 3.8.6.2.1): full segments, or half of what it ever offered. */
	if (room >= c->mss || (room && room >= c->snd_wnd_max / 2) || c->flags & F_OVERRIDE)
		return room;
	return 0;
}

uint32_t tcp_send(struct tcp_conn *c, const struct tcp_range *r, unsigned n, uint64_t now_us)
{
	struct tcp_flight *f = &c->flight;
	struct tcp_piece tmpl = {.delivered = c->delivered};
	uint32_t room, took = 0, from = f->nxt;
	uint64_t total = 0;
	bool idle = !tcp_flight_bytes(f);

	c->tcp->now_us = now_us;
	if (!may_send(c))
		return 0;
	tmpl.sent_us = now_us32(c);
	for (unsigned i = 0; i < n; i++)
		total += r[i].n;
	if (idle && now_ms(c->tcp) - c->progress_ms > TCP_IDLE_MS)
		tcp_cc_idle(&c->cc, c->mss);
	room = tcp_room(c);
	if (total <= raw_room(c))
		room = (uint32_t)total;
	else if (room > c->mss)
		room -= room % c->mss;
	for (unsigned i = 0; i < n && took < room; i++) {
		uint32_t part = min_of(r[i].n, room - took);

		if (part && !tcp_extents_add(&c->extents, &c->tcp->blocks, from + took, r[i].source,
					     r[i].at))
			break;
		took += part;
	}
	c->flags &= ~(uint32_t)(F_WANT | F_OVERRIDE);
	if (took < total)
		c->flags |= F_WANT;
	else if (tcp_pipe(c) + took < c->cc.cwnd)
		tmpl.flags |= PIECE_APPLIM;
	if (took) {
		if (idle) {
			c->rto_from = tmpl.sent_us;
			c->progress_ms = now_ms(c->tcp);
		}
		tcp_flight_sent(f, took, &tmpl);
		if (c->recovery == REC_FAST && tcp_flight_episode(f))
			tcp_flight_episode(f)->prr_out += took;
		c->tcp->stats.bytes_sent += took;
		if (!tcp_out_range(c, from, took))
			return took;
	}
	tcp_arm(c, took > 0);
	return took;
}

/* Whether to wake the owner: worth a segment, and more when there is much to come. */
static bool worth_waking(const struct tcp_conn *c)
{
	uint32_t room = tcp_room(c);

	return room && (c->flags & F_OVERRIDE || !tcp_flight_bytes(&c->flight) ||
			room >= min_of(max_of(c->cc.cwnd / 8, (uint32_t)c->mss), 8u * c->mss) ||
			room >= c->snd_wnd_max / 2);
}

void tcp_out_turn(struct tcp_conn *c)
{
	const struct tcp *t = c->tcp;

	if (c->state >= TCP_ESTABLISHED && !resend(c))
		return;
	if (c->flags & F_FIN_WANTED && !(c->flags & F_FIN_SENT) &&
	    (c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT))
		send_fin(c);
	if (c->flags & F_WANT && worth_waking(c)) {
		c->flags &= ~(uint32_t)F_WANT;
		if (!(c->flags & F_SHUT))
			t->ops->writable(t->owner, c);
	}
	if (c->state == TCP_CLOSED)
		return;
	if (c->flags & F_ACK_NOW)
		tcp_out_ack(c, NULL);
	tcp_arm(c, false);
}

void tcp_out_ack(struct tcp_conn *c, const struct tcp_sack *dup)
{
	struct tcp_seg g = segment(c, c->flight.nxt, TCP_ACK);
	struct tcp_packet p = {0};

	if (c->flags & F_SACK) {
		unsigned most = c->flags & F_TS ? 3 : 4;

		if (dup)
			g.sack[g.sacks++] = *dup;
		g.sacks += (uint8_t)tcp_reasm_sacks(&c->reasm, g.sack + g.sacks, most - g.sacks);
	}
	emit(c->tcp, &g, &p);
}

void tcp_out_syn(struct tcp_conn *c)
{
	bool answer = c->state == TCP_SYN_RCVD;
	struct tcp_seg g = segment(c, c->flight.nxt - 1, answer ? TCP_SYN | TCP_ACK : TCP_SYN);
	struct tcp_packet p = {0};

	g.mss = tcp_mss_of(c->tcp, !ip_is_v4(&c->remote));
	g.wnd = (uint16_t)min_of(c->tcp->cf.recv_window, 0xffff);
	g.sack_ok = !answer || c->flags & F_SACK;
	g.has_ts = !answer || c->flags & F_TS;
	g.tsval = tcp_clock(c);
	g.tsecr = answer ? c->ts_recent : 0;
	if (!answer || c->flags & F_WSCALE)
		g.wscale = c->tcp->rcv_scale;
	emit(c->tcp, &g, &p);
}

void tcp_out_probe(struct tcp_conn *c)
{
	struct tcp_seg g = segment(c, c->flight.una - 1, TCP_ACK);
	struct tcp_packet p = {0};

	emit(c->tcp, &g, &p);
}

void tcp_out_reset(struct tcp_conn *c)
{
	struct tcp_seg g = segment(c, c->flight.nxt, TCP_RST | TCP_ACK);
	struct tcp_packet p = {0};

	c->tcp->stats.resets_out++;
	emit(c->tcp, &g, &p);
}

void tcp_out_refuse(struct tcp *t, const struct tcp_seg *g)
{
	struct tcp_seg out = {
		.src = g->dst,
		.dst = g->src,
		.sport = g->dport,
		.dport = g->sport,
		.wscale = TCP_NO_WSCALE,
		.flags = TCP_RST,
	};

	if (g->flags & TCP_RST)
		return;
	if (t->resets_s != now_s(t)) {
		t->resets_s = now_s(t);
		t->resets_left = t->cf.resets_per_s;
	}
	if (!t->resets_left)
		return;
	t->resets_left--;
	/* RFC 9293, 3.10.7.1 */
	if (g->flags & TCP_ACK) {
		out.seq = g->ack;
	} else {
		out.ack = g->seq + tcp_seg_len(g);
		out.flags |= TCP_ACK;
	}
	t->stats.resets_out++;
	tcp_out_bare(t, &out);
}
