/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"

#define DUP_THRESH  3u
#define REO_PERSIST 16u /* recoveries that a wider reordering window lasts (RFC 8985, 6.2) */

/*
 * Without SACK each duplicate ACK says that one segment has left the network (RFC 6582); the
 * scoreboard cannot say which.
 */
uint32_t tcp_pipe(const struct tcp_conn *c)
{
	uint32_t pipe = tcp_flight_pipe(&c->flight);

	if (c->flags & F_SACK)
		return pipe;
	return pipe - min_of(pipe, (uint32_t)c->dupacks * c->mss);
}

/* RFC 8985, 6.2 step 2: the newest piece that arrived. */
static void rack_update(struct tcp_conn *c, const struct tcp_seg *g, const struct tcp_delivery *d)
{
	struct tcp_episode *e = tcp_flight_episode(&c->flight);
	uint32_t rtt;

	if (!e || !d->any)
		return;
	rtt = now_us32(c) - d->newest.sent_us;
	/* An answer to the first transmission says nothing about the second. */
	if (d->newest.flags & PIECE_RETX) {
		if (rtt < c->rtt.min_us)
			return;
		if (c->flags & F_TS && g->has_ts && c->flags & F_RESENT &&
		    seq_lt(g->tsecr, c->resent_ts))
			return;
	}
	if (e->rack_valid &&
	    (seq_lt(d->newest.sent_us, e->rack_sent_us) ||
	     (d->newest.sent_us == e->rack_sent_us && seq_le(d->newest.end, e->rack_end))))
		return;
	e->rack_valid = true;
	e->rack_sent_us = d->newest.sent_us;
	e->rack_end = d->newest.end;
	e->rack_rtt_us = rtt;
}

/* Step 4: how much later than its successors a segment may arrive. */
static uint32_t reordering_window(const struct tcp_conn *c)
{
	uint64_t w;

	if (!(c->flags & F_REORDERS) &&
	    (c->recovery != REC_NONE || c->flight.sacked >= DUP_THRESH * c->mss))
		return 0;
	w = (uint64_t)c->rtt.min_us * max_of(c->reo_mult, 1) / 4;
	return (uint32_t)min_of(w, c->rtt.srtt_us);
}

/* A DSACK means that the window was too narrow: wider, once per round trip, and for a while. */
static void adapt_reordering(struct tcp_conn *c, bool dsack)
{
	struct tcp_episode *e = tcp_flight_episode(&c->flight);

	if (!dsack)
		return;
	if (e && e->reo_round_set && seq_lt(c->flight.una, e->reo_round_end))
		return;
	if (e) {
		e->reo_round_set = true;
		e->reo_round_end = c->flight.nxt;
	}
	c->reo_mult = (uint8_t)min_of(max_of(c->reo_mult, 1) + 1, 255);
	c->reo_persist = REO_PERSIST;
}

/* Step 5: lost is what left before the newest that arrived, by more than the window. */
static void rack_detect(struct tcp_conn *c)
{
	struct tcp_episode *e = tcp_flight_episode(&c->flight);
	struct tcp_piece *p = tcp_flight_pieces(&c->flight);
	uint32_t wait = 0, limit;

	if (c->pend == PEND_REORDER)
		c->pend = PEND_NONE;
	if (!e || !e->rack_valid)
		return;
	limit = e->rack_rtt_us + reordering_window(c);
	for (unsigned i = 0; i < c->flight.n; i++) {
		int32_t left;

		if (p[i].flags & (PIECE_SACKED | PIECE_LOST) ||
		    seq_gt(p[i].sent_us, e->rack_sent_us) ||
		    (p[i].sent_us == e->rack_sent_us && seq_ge(p[i].end, e->rack_end)))
			continue;
		left = (int32_t)(p[i].sent_us + limit - now_us32(c));
		if (left <= 0)
			tcp_flight_lose(&c->flight, i);
		else
			wait = max_of(wait, (uint32_t)left);
	}
	if (wait) {
		c->pend = PEND_REORDER;
		c->pend_at = now_us32(c) + wait;
	}
}

/* RFC 6675, IsLost: three segments' worth was acknowledged above it. Sent again: only by timeout. */
static void sack_detect(struct tcp_conn *c)
{
	struct tcp_piece *p = tcp_flight_pieces(&c->flight);
	uint32_t above = 0, runs = 0;

	for (unsigned i = c->flight.n; i-- > 0;) {
		uint32_t start = i ? p[i - 1].end : c->flight.una;

		if (p[i].flags & PIECE_SACKED) {
			above += p[i].end - start;
			runs++;
		} else if (!(p[i].flags & (PIECE_LOST | PIECE_RETX)) &&
			   (runs >= DUP_THRESH || above > (DUP_THRESH - 1) * c->mss)) {
			tcp_flight_lose(&c->flight, i);
		}
	}
}

/* RFC 6582: the first segment after three duplicates, and after each partial ACK. */
static void reno_detect(struct tcp_conn *c, const struct tcp_delivery *d)
{
	if (c->recovery == REC_NONE ? c->dupacks == DUP_THRESH
				    : c->recovery == REC_FAST && d->acked)
		tcp_flight_lose_first(&c->flight, c->mss);
}

static void detect(struct tcp_conn *c, const struct tcp_delivery *d)
{
	if (!(c->flags & F_SACK))
		reno_detect(c, d);
	else if (c->tcp->cf.no_rack)
		sack_detect(c);
	else
		rack_detect(c);
}

static void enter_recovery(struct tcp_conn *c, uint32_t pipe)
{
	struct tcp_episode *e;

	tcp_flight_grow(&c->flight, &c->tcp->blocks);
	e = tcp_flight_episode(&c->flight);
	c->recovery = REC_FAST;
	c->recover = c->flight.nxt;
	c->flags &= ~(uint32_t)(F_RESENT | F_TAIL);
	tcp_cc_lost(&c->cc, c->mss, pipe);
	c->tcp->stats.recoveries++;
	if (e) {
		e->prr_delivered = e->prr_out = 0;
		e->prr_flight = max_of(tcp_flight_bytes(&c->flight), (uint32_t)c->mss);
	}
}

/* congested: the window was reduced for good. */
static void leave_recovery(struct tcp_conn *c, bool congested)
{
	if (congested && c->recovery == REC_FAST)
		tcp_cc_recovered(&c->cc, c->mss);
	c->cc.undo_cwnd = 0;
	c->recovery = REC_NONE;
	c->dupacks = 0;
	c->flags &= ~(uint32_t)F_RESENT;
	if (c->reo_persist && !--c->reo_persist)
		c->reo_mult = 1;
}

/* Proportional rate reduction (RFC 6937): as many bytes leave as arrive, down to ssthresh. */
static void reduce_rate(struct tcp_conn *c, const struct tcp_delivery *d, bool first)
{
	struct tcp_episode *e = tcp_flight_episode(&c->flight);
	uint32_t pipe = tcp_pipe(c), bytes = d->bytes, limit;
	int64_t send;

	if (!(c->flags & F_SACK) && !d->acked)
		bytes = c->mss;
	if (!e) {
		c->cc.cwnd = c->cc.ssthresh;
		return;
	}
	e->prr_delivered += bytes;
	if (pipe > c->cc.ssthresh) {
		uint64_t due = (uint64_t)e->prr_delivered * c->cc.ssthresh;

		send = (int64_t)((due + e->prr_flight - 1) / e->prr_flight) - e->prr_out;
	} else {
		limit = (uint32_t)max_of((int64_t)e->prr_delivered - e->prr_out, bytes) + c->mss;
		send = min_of(c->cc.ssthresh - pipe, limit);
	}
	if (first)
		send = max_of(send, c->mss);
	c->cc.cwnd = max_of(pipe + (uint32_t)max_of(send, 0), (uint32_t)c->mss);
}

/*
 * An ACK that echoes a time before the first retransmission was caused by the original (RFC 3522):
 * it was late, not lost, and the reduction is taken back (RFC 4015).
 */
static bool was_spurious(const struct tcp_conn *c, const struct tcp_seg *g,
			 const struct tcp_delivery *d)
{
	return c->recovery != REC_NONE && d->acked && c->flags & F_RESENT && c->flags & F_TS &&
	       g->has_ts && g->tsecr && seq_lt(g->tsecr, c->resent_ts);
}

static void take_back(struct tcp_conn *c)
{
	tcp_cc_undo(&c->cc);
	tcp_flight_unlose(&c->flight);
	c->flags |= F_REORDERS;
	c->tcp->stats.undone++;
	leave_recovery(c, false);
}

/* RFC 8985, 7.4.2: whether the probe repaired a loss that nobody else saw. */
static void tail_answered(struct tcp_conn *c, bool dsack)
{
	if (!(c->flags & F_TAIL) || seq_lt(c->flight.una, c->recover))
		return;
	if (!dsack && c->flight.una == c->recover)
		return;
	c->flags &= ~(uint32_t)F_TAIL;
	if (dsack)
		return;
	tcp_cc_lost(&c->cc, c->mss, tcp_flight_bytes(&c->flight));
	tcp_cc_recovered(&c->cc, c->mss);
}

static void grow(struct tcp_conn *c, const struct tcp_delivery *d, uint32_t pipe)
{
	struct tcp_cc_ack a = {
		.bytes = d->bytes,
		.pipe = pipe,
		.rtt_us = d->rtt_ok ? d->rtt_us : 0,
		.srtt_us = c->rtt.srtt_us,
		.now_us = now_us32(c),
		.now_ms = now_ms(c->tcp),
		.mss = c->mss,
		.round = seq_gt(c->flight.una, c->round_end),
	};

	if (a.round)
		c->round_end = c->flight.nxt;
	tcp_cc_acked(&c->cc, &a);
}

/* Something arrives again. Perhaps the path was dead, not narrow: once, full segments are tried. */
static void doubt_black_hole(struct tcp_conn *c)
{
	if (!c->mss_full || c->flags & F_HOLE)
		return;
	c->flags |= F_HOLE;
	c->mss = c->mss_full;
	c->cc.cwnd = max_of(c->cc.cwnd, (uint32_t)c->mss);
}

void tcp_loss_ack(struct tcp_conn *c, const struct tcp_seg *g, struct tcp_delivery *d, bool dsack,
		  uint32_t pipe)
{
	bool first = false;

	if (d->reordered)
		c->flags |= F_REORDERS;
	if (d->acked)
		doubt_black_hole(c);
	tail_answered(c, dsack);
	adapt_reordering(c, dsack);
	if (was_spurious(c, g, d))
		take_back(c);
	if (c->recovery != REC_NONE && seq_ge(c->flight.una, c->recover))
		leave_recovery(c, true);
	rack_update(c, g, d);
	detect(c, d);
	if (c->flight.lost && c->recovery == REC_NONE) {
		enter_recovery(c, pipe);
		first = true;
	}
	if (c->recovery == REC_FAST)
		reduce_rate(c, d, first);
	else if (d->acked)
		grow(c, d, pipe);
	if (c->recovery == REC_NONE && !c->flight.sacked)
		tcp_flight_shrink(&c->flight, &c->tcp->blocks);
}

void tcp_loss_reordered(struct tcp_conn *c)
{
	uint32_t pipe = tcp_pipe(c);
	struct tcp_delivery none = {0};

	rack_detect(c);
	if (!c->flight.lost || c->recovery != REC_NONE)
		return;
	enter_recovery(c, pipe);
	reduce_rate(c, &none, true);
}

/* Twice no answer to large segments: perhaps the path takes only smaller ones (RFC 2923, 2.1). */
static void suspect_black_hole(struct tcp_conn *c)
{
	uint16_t header = c->flags & F_TS ? TCP_TS_BYTES : 0;
	uint16_t sizes[] = {1220, 536};

	uint32_t sent = min_of(tcp_flight_bytes(&c->flight), (uint32_t)c->mss);

	if (c->backoff < 1)
		return;
	for (unsigned i = 0; i < (ip_is_v4(&c->remote) ? 2u : 1u); i++) {
		if (sent <= (uint32_t)sizes[i] - header)
			continue;
		if (!c->mss_full)
			c->mss_full = c->mss;
		c->mss = (uint16_t)(sizes[i] - header);
		c->tcp->stats.black_holes++;
		return;
	}
}

void tcp_loss_timeout(struct tcp_conn *c)
{
	const struct tcp_piece *p = tcp_flight_pieces(&c->flight);
	bool again = c->recovery == REC_RTO && c->backoff, reneged = p[0].flags & PIECE_SACKED;

	suspect_black_hole(c);
	tcp_cc_timeout(&c->cc, c->mss, tcp_pipe(c), again);
	if (!again) {
		c->flags &= ~(uint32_t)F_RESENT;
		c->recover = c->flight.nxt;
	}
	c->recovery = REC_RTO;
	c->flags &= ~(uint32_t)F_TAIL;
	c->dupacks = 0;
	/* What the peer says to have, and does not have, it threw away (RFC 2018, 8). */
	c->tcp->stats.reneged += reneged;
	tcp_flight_lose_all(&c->flight, reneged);
}

void tcp_loss_tail(struct tcp_conn *c)
{
	struct tcp_piece tmpl = {.sent_us = now_us32(c), .delivered = c->delivered};
	uint32_t n = min_of(tcp_flight_bytes(&c->flight), (uint32_t)c->mss);

	c->flags |= F_TAIL;
	c->recover = c->flight.nxt;
	c->rto_from = now_us32(c);
	c->tcp->stats.probes_tail++;
	tcp_count_resent(c, n);
	tcp_flight_resent(&c->flight, c->flight.nxt - n, n, &tmpl);
	tcp_out_range(c, c->flight.nxt - n, n);
}

void tcp_loss_mtu(struct tcp_conn *c, uint16_t mss)
{
	if (mss >= c->mss)
		return;
	c->mss = mss;
	c->mss_full = min_of(c->mss_full, mss);
	c->tcp->stats.mtu_lowered++;
	/* Not congestion: the window stays. */
	tcp_flight_lose_all(&c->flight, false);
	tcp_dirty(c);
}
