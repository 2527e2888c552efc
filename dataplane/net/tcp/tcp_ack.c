/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"

#define RTT_MAX_MS 60000u /* a longer one is an echo that we never sent */

/* RFC 9293, 3.10.7.4: old segments do not change the window. True: it changed. */
static bool update_window(struct tcp_conn *c, const struct tcp_seg *g)
{
	uint32_t wnd = (uint32_t)g->wnd << c->snd_scale;
	bool changed = wnd != c->snd_wnd;

	if (seq_gt(c->snd_wl1, g->seq) && g->ack == c->flight.una)
		return false;
	c->snd_wl1 = g->seq;
	c->snd_wnd = wnd;
	c->snd_wnd_max = max_of(c->snd_wnd_max, wnd);
	return changed;
}

/* RFC 2883, 4: the first block lies below the ACK, or inside of the second. */
static bool is_dsack(const struct tcp_seg *g)
{
	const struct tcp_sack *s = g->sack;

	if (!g->sacks || seq_ge(s[0].start, s[0].end))
		return false;
	if (seq_le(s[0].end, g->ack))
		return true;
	return g->sacks > 1 && seq_le(s[1].start, s[0].start) && seq_le(s[0].end, s[1].end);
}

static void take_sacks(struct tcp_conn *c, const struct tcp_seg *g, bool dsack,
		       struct tcp_delivery *d)
{
	unsigned first = dsack ? 1 : 0;

	if (!(c->flags & F_SACK) || g->sacks <= first)
		return;
	tcp_flight_grow(&c->flight, &c->tcp->blocks);
	for (unsigned i = first; i < g->sacks; i++)
		tcp_flight_sack(&c->flight, g->sack[i].start, g->sack[i].end, now_us32(c), d);
}

static void measure(struct tcp_conn *c, const struct tcp_seg *g, bool dsack, struct tcp_delivery *d)
{
	uint32_t ms = tcp_clock(c) - g->tsecr, took;

	/* The last answer of several may be the only one that was not lost: it proves no delay. */
	if (d->resent)
		d->rtt_ok = false;
	/*
	 * What was sent twice is timed by the echo of its timestamp (RFC 7323, 4). With a DSACK the
	 * echo is the first one's and the answer the second one's, after a lost ACK: no measure.
	 */
	if (!d->rtt_ok && !dsack && d->acked && c->flags & F_TS && g->has_ts && g->tsecr &&
	    ms <= RTT_MAX_MS) {
		d->rtt_ok = true;
		d->rtt_us = max_of(ms, 1u) * 1000;
	}
	if (d->rtt_ok)
		tcp_rtt_sample(&c->rtt, d->rtt_us, now_s(c->tcp));
	c->delivered += d->bytes;
	if (!d->any)
		return;
	took = now_us32(c) - d->newest.sent_us;
	if (took && took >= c->rtt.min_us)
		c->rate = (uint32_t)min_of((uint64_t)(c->delivered - d->newest.delivered) *
						   1000000 / took,
					   UINT32_MAX);
}

/* A FIN takes a sequence number and is nobody's byte. */
static void report(struct tcp_conn *c, uint32_t acked)
{
	struct tcp *t = c->tcp;

	if (c->flags & F_FIN_SENT && c->flight.una == c->flight.nxt)
		acked--;
	t->stats.bytes_acked += acked;
	if (acked)
		t->ops->acked(t->owner, c, acked);
}

static void advance(struct tcp_conn *c, const struct tcp_seg *g, struct tcp_delivery *d)
{
	bool fin = c->flags & F_FIN_SENT;

	tcp_flight_ack(&c->flight, g->ack, now_us32(c), d);
	tcp_extents_trim(&c->extents, &c->tcp->blocks, c->flight.una,
			 c->flight.nxt - (fin && c->flight.una != c->flight.nxt));
	c->backoff = 0;
	c->rto_from = now_us32(c);
	c->progress_ms = now_ms(c->tcp);
	/* Each segment that is acknowledged now was counted as a duplicate before. */
	c->dupacks -= (uint8_t)min_of(c->dupacks, (d->acked + c->mss - 1) / c->mss);
	if (c->recovery == REC_NONE)
		c->dupacks = 0;
}

void tcp_ack_input(struct tcp_conn *c, const struct tcp_seg *g)
{
	struct tcp_delivery d = {0};
	uint32_t pipe = tcp_pipe(c);
	bool dsack, window;

	if (seq_lt(g->ack, c->flight.una))
		return;
	dsack = c->flags & F_SACK && is_dsack(g);
	c->tcp->stats.dsacks += dsack;
	window = update_window(c, g);
	if (!tcp_flight_bytes(&c->flight)) {
		/* It lives, and that is all that is asked of it now. */
		c->progress_ms = now_ms(c->tcp);
		if (c->snd_wnd)
			c->backoff = 0;
	} else if (g->ack == c->flight.una && !window && !tcp_seg_len(g) && c->dupacks < 255) {
		c->dupacks++;
	}
	if (g->ack != c->flight.una)
		advance(c, g, &d);
	take_sacks(c, g, dsack, &d);
	measure(c, g, dsack, &d);
	tcp_loss_ack(c, g, &d, dsack, pipe);
	tcp_arm(c, d.acked > 0);
	if (d.acked || c->flight.lost || c->flags & F_WANT)
		tcp_dirty(c);
	if (d.acked)
		report(c, d.acked);
}
