/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"

/* RFC 8985, 7.2: what a receiver may wait with the ACK of a single segment. */
#define TAIL_DELACK_US 200000u

/* The 64-bit time of a 32-bit reading that lies ahead; now when it does not. */
static uint64_t time_of(const struct tcp_conn *c, uint32_t at_us)
{
	int32_t ahead = (int32_t)(at_us - now_us32(c));

	return c->tcp->now_us + (uint64_t)max_of(ahead, 0);
}

static uint64_t time_of_ms(const struct tcp_conn *c, uint32_t at_ms)
{
	int32_t ahead = (int32_t)(at_ms - now_ms(c->tcp));

	return c->tcp->now_us + (uint64_t)max_of(ahead, 0) * 1000;
}

static void arm_wheel(struct tcp_conn *c)
{
	uint64_t at = UINT64_MAX;

	if (c->pend != PEND_NONE)
		at = time_of(c, c->pend_at);
	if (c->flags & F_ACK_LATER)
		at = min_of(at, time_of(c, c->ack_at));
	if (c->flags & F_IDLE)
		at = min_of(at, time_of_ms(c, c->idle_at_ms));
	if (at == UINT64_MAX)
		wheel_cancel(&c->tcp->wheel, &c->timer);
	else
		wheel_arm(&c->tcp->wheel, &c->timer, at);
}

static bool tail_probe_fits(const struct tcp_conn *c)
{
	return !c->tcp->cf.no_rack && c->flags & F_SACK && c->recovery == REC_NONE &&
	       !(c->flags & F_TAIL) && !c->backoff && !c->flight.sacked && c->rtt.srtt_us &&
	       c->state != TCP_SYN_RCVD;
}

static void arm_flight(struct tcp_conn *c, bool progress)
{
	uint32_t rto_at = c->rto_from + tcp_rtt_rto(&c->rtt, c->backoff), tail;

	if (c->pend == PEND_REORDER)
		return;
	if (!tail_probe_fits(c)) {
		c->pend = PEND_RTO;
		c->pend_at = rto_at;
		return;
	}
	if (c->pend == PEND_TAIL && !progress)
		return;
	tail = 2 * c->rtt.srtt_us;
	if (tcp_flight_bytes(&c->flight) <= c->mss)
		tail += TAIL_DELACK_US;
	tail += now_us32(c);
	c->pend = seq_lt(tail, rto_at) ? PEND_TAIL : PEND_RTO;
	c->pend_at = seq_min(tail, rto_at);
}

void tcp_arm(struct tcp_conn *c, bool progress)
{
	if (c->state == TCP_CLOSED)
		return;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RCVD) {
		c->pend = PEND_RTO;
		c->pend_at = c->rto_from + tcp_rtt_rto(&c->rtt, c->backoff);
	} else if (tcp_flight_bytes(&c->flight)) {
		arm_flight(c, progress);
	} else if (!(c->flags & F_WANT)) {
		c->pend = PEND_NONE;
	} else if (c->pend != PEND_PERSIST) {
		c->pend = PEND_PERSIST;
		c->pend_at = now_us32(c) + tcp_rtt_rto(&c->rtt, c->backoff);
	}
	arm_wheel(c);
}

void tcp_ack_later(struct tcp_conn *c)
{
	if (c->flags & F_ACK_LATER)
		return;
	c->flags |= F_ACK_LATER;
	c->ack_at = now_us32(c) + c->tcp->cf.delack_ms * 1000;
	arm_wheel(c);
}

void tcp_idle_in(struct tcp_conn *c, uint32_t ms)
{
	c->flags |= F_IDLE;
	c->idle_at_ms = now_ms(c->tcp) + ms;
	arm_wheel(c);
}

static bool gave_up(struct tcp_conn *c)
{
	if (now_ms(c->tcp) - c->progress_ms < c->tcp->cf.user_timeout_ms)
		return false;
	if (c->state != TCP_SYN_SENT)
		tcp_out_reset(c);
	tcp_finish(c, TCP_END_TIMEOUT);
	return true;
}

static void back_off(struct tcp_conn *c)
{
	if (c->backoff < 16)
		c->backoff++;
}

static void fire_rto(struct tcp_conn *c)
{
	if (gave_up(c))
		return;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RCVD)
		tcp_out_syn(c);
	else
		tcp_loss_timeout(c);
	c->tcp->stats.timeouts++;
	back_off(c);
	c->rto_from = now_us32(c);
}

static void fire_persist(struct tcp_conn *c)
{
	if (gave_up(c))
		return;
	back_off(c);
	c->pend = PEND_NONE;
	if (c->snd_wnd) {
		c->flags |= F_OVERRIDE;
		return;
	}
	c->tcp->stats.probes_window++;
	tcp_out_probe(c);
}

static void fire_pend(struct tcp_conn *c)
{
	uint8_t pend = c->pend;

	switch (pend) {
	case PEND_RTO:
		fire_rto(c);
		break;
	case PEND_TAIL:
		c->pend = PEND_NONE;
		tcp_loss_tail(c);
		break;
	case PEND_REORDER:
		c->pend = PEND_NONE;
		tcp_loss_reordered(c);
		break;
	case PEND_PERSIST:
		fire_persist(c);
		break;
	}
	if (c->state != TCP_CLOSED)
		tcp_dirty(c);
}

/* Keep-alive, or the end of waiting for the peer's FIN. */
static void fire_idle(struct tcp_conn *c)
{
	const struct tcp_config *cf = &c->tcp->cf;

	c->flags &= ~(uint32_t)F_IDLE;
	if (c->state == TCP_FIN_WAIT_2 && c->flags & F_SHUT) {
		tcp_time_wait(c);
		return;
	}
	if (!cf->keep_idle_ms)
		return;
	if (c->keep_probes >= cf->keep_probes) {
		tcp_out_reset(c);
		tcp_finish(c, TCP_END_TIMEOUT);
		return;
	}
	c->keep_probes++;
	c->tcp->stats.probes_keep++;
	tcp_out_probe(c);
	tcp_idle_in(c, cf->keep_interval_ms);
}

void tcp_fire(struct timer *timer, uint64_t now_us)
{
	struct tcp_conn *c = container_of(timer, struct tcp_conn, timer);

	c->tcp->now_us = now_us;
	if (c->flags & F_ACK_LATER && seq_le(c->ack_at, now_us32(c))) {
		c->flags = (c->flags & ~(uint32_t)F_ACK_LATER) | F_ACK_NOW;
		tcp_dirty(c);
	}
	if (c->flags & F_IDLE && seq_le(c->idle_at_ms, now_ms(c->tcp)))
		fire_idle(c);
	if (c->state != TCP_CLOSED && c->pend != PEND_NONE && seq_le(c->pend_at, now_us32(c)))
		fire_pend(c);
	if (c->state != TCP_CLOSED)
		tcp_arm(c, false);
}
