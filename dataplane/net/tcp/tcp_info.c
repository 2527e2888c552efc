/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"

const struct tcp_stats *tcp_stats(const struct tcp *t)
{
	return &t->stats;
}

uint32_t tcp_conns(const struct tcp *t)
{
	return t->used;
}

uint32_t tcp_blocks_used(const struct tcp *t)
{
	return t->blocks.used;
}

void tcp_info(const struct tcp_conn *c, struct tcp_info *out)
{
	static const char *const names[] = {
		[TCP_CLOSED] = "closed",	 [TCP_SYN_SENT] = "syn-sent",
		[TCP_SYN_RCVD] = "syn-received", [TCP_ESTABLISHED] = "established",
		[TCP_FIN_WAIT_1] = "fin-wait-1", [TCP_FIN_WAIT_2] = "fin-wait-2",
		[TCP_CLOSE_WAIT] = "close-wait", [TCP_CLOSING] = "closing",
		[TCP_LAST_ACK] = "last-ack",
	};

	*out = (struct tcp_info){
		.remote = c->remote,
		.local = c->tcp->cf.local[c->local],
		.rport = c->rport,
		.lport = c->lport,
		.mss = c->mss,
		.state = names[c->state],
		.cwnd = c->cc.cwnd,
		.ssthresh = c->cc.ssthresh,
		.flight = tcp_flight_bytes(&c->flight),
		.snd_wnd = c->snd_wnd,
		.srtt_us = c->rtt.srtt_us,
		.min_rtt_us = c->rtt.min_us,
		.rto_us = tcp_rtt_rto(&c->rtt, c->backoff),
		.rate = c->rate,
		.resent = c->resent,
		.timestamps = c->flags & F_TS,
		.sack = c->flags & F_SACK,
		.recovering = c->recovery != REC_NONE,
	};
}

/* Every number in [una, nxt) but a FIN has its bytes. */
static void check_extents(const struct tcp_conn *c)
{
	uint32_t seq = c->flight.una, nxt = c->flight.nxt, to;

	if (c->flags & F_FIN_SENT && seq != nxt)
		nxt--;
	for (; seq != nxt; seq = to) {
		const struct tcp_extent *e = tcp_extents_find(&c->extents, seq, nxt, &to);

		must(seq_le(e->seq, seq) && seq_gt(to, seq) && seq_le(to, nxt));
	}
}

void tcp_check(const struct tcp_conn *c)
{
	const struct tcp_flight *f = &c->flight;
	bool sends = tcp_flight_bytes(f), opens = c->state < TCP_ESTABLISHED;

	if (c->state == TCP_CLOSED)
		return;
	tcp_flight_check(f);
	check_extents(c);
	must(tcp_flight_bytes(f) <= c->snd_wnd_max + 1);
	if (!opens)
		must(c->cc.cwnd >= c->mss);
	if (!(c->flags & F_DIRTY))
		must((c->pend != PEND_NONE) == (sends || opens || c->flags & F_WANT));
	if (c->pend != PEND_NONE)
		must(timer_armed(&c->timer));
	must(!c->reasm.head || seq_gt(c->reasm.head->seq, c->rcv_nxt));
}

void tcp_check_all(const struct tcp *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i <= t->table.mask; i++) {
		if (!t->table.slot[i].item)
			continue;
		n++;
		tcp_check(&t->conns[t->table.slot[i].item - 1]);
	}
	must(n <= t->used);
}
