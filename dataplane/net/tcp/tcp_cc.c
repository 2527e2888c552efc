/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_cc.h"

#include <string.h>

#include "base/check.h"

/* RFC 9438, 4.6: beta 0.7; 4.1: C 0.4; 4.3: alpha = 3 (1 - beta) / (1 + beta). */
#define BETA(x)	     ((uint32_t)((uint64_t)(x)*7 / 10))
#define ALPHA(x)     ((uint64_t)(x)*529 / 1000)
#define CURVE_MAX_MS 40000 /* further away the cube would not fit, nor matter */
#define CWND_MAX     0x40000000u

/* RFC 9406, 4.2 and 4.3. */
#define RTT_THRESH_MIN_US 4000u
#define RTT_THRESH_MAX_US 16000u
#define RTT_SAMPLES	  8u
#define CSS_GROWTH	  4u
#define CSS_ROUNDS	  5u
#define SS_BURST	  8u
#define TRAIN_GAP_US	  2000u

uint32_t tcp_initial_window(uint16_t mss)
{
	return min_of(10u * mss, max_of(2u * mss, 14600u));
}

static bool slow_start(const struct tcp_cc *cc)
{
	return cc->cwnd < cc->ssthresh;
}

static void set_cwnd(struct tcp_cc *cc, uint16_t mss, uint64_t cwnd)
{
	cc->cwnd = (uint32_t)min_of(max_of(cwnd, mss), CWND_MAX);
}

static void enter_slow_start(struct tcp_cc *cc)
{
	cc->hystart = (struct tcp_hystart){.last_us = UINT32_MAX, .now_us = UINT32_MAX};
}

static void enter_avoidance(struct tcp_cc *cc)
{
	cc->cubic = (struct tcp_cubic){0};
}

void tcp_cc_init(struct tcp_cc *cc, uint16_t mss)
{
	memset(cc, 0, sizeof(*cc));
	cc->cwnd = tcp_initial_window(mss);
	cc->ssthresh = TCP_SSTHRESH_MAX;
	enter_slow_start(cc);
}

static void end_slow_start(struct tcp_cc *cc)
{
	cc->ssthresh = cc->cwnd;
	enter_avoidance(cc);
}

static void hystart_round(struct tcp_cc *cc, uint32_t now_us)
{
	struct tcp_hystart *h = &cc->hystart;

	h->last_us = h->now_us;
	h->now_us = UINT32_MAX;
	h->samples = 0;
	h->ack_us = now_us;
	if (h->css_rounds && ++h->css_rounds > CSS_ROUNDS) {
		/* Three times as much, and still no queue: the ACKs came closely for another reason. */
		if (!h->train || h->last_us >= h->base_us + h->base_us / 8) {
			end_slow_start(cc);
			return;
		}
		h->css_rounds = 0;
		h->train = false;
	}
	if (!h->css_rounds)
		h->begun_us = now_us;
}

static bool grew(uint32_t rtt_us, uint32_t since_us)
{
	return rtt_us >=
	       since_us + min_of(max_of(since_us / 8, RTT_THRESH_MIN_US), RTT_THRESH_MAX_US);
}

static void hystart_sample(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	struct tcp_hystart *h = &cc->hystart;

	h->now_us = min_of(h->now_us, a->rtt_us);
	if (h->samples < RTT_SAMPLES)
		h->samples++;
	if (h->samples < RTT_SAMPLES || h->last_us == UINT32_MAX)
		return;
	if (h->train) {
		if (grew(h->now_us, h->base_us))
			end_slow_start(cc);
	} else if (h->css_rounds) {
		if (h->now_us < h->base_us) {
			h->css_rounds = 0;
			h->begun_us = a->now_us;
		}
	} else if (grew(h->now_us, h->last_us)) {
		h->base_us = h->now_us;
		h->css_rounds = 1;
	}
}

/* ACKs that come closely for half a round trip: what is in flight fills half of the path. */
static void hystart_train(struct tcp_hystart *h, uint32_t now_us)
{
	uint32_t rtt_us = min_of(h->last_us, h->now_us);

	if (h->css_rounds || rtt_us == UINT32_MAX || now_us - h->ack_us > TRAIN_GAP_US)
		return;
	h->ack_us = now_us;
	if (now_us - h->begun_us <= rtt_us / 2)
		return;
	h->base_us = rtt_us;
	h->css_rounds = 1;
	h->train = true;
}

static void grow_slow_start(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	uint64_t grow = min_of(a->bytes, SS_BURST * a->mss);

	hystart_train(&cc->hystart, a->now_us);
	if (cc->hystart.css_rounds)
		grow /= CSS_GROWTH;
	set_cwnd(cc, a->mss, min_of(cc->cwnd + grow, (uint64_t)max_of(cc->ssthresh, cc->cwnd)));
	if (!slow_start(cc))
		enter_avoidance(cc);
}

static uint32_t cube_root(uint64_t x)
{
	uint64_t r = 0;

	for (int s = 63; s >= 0; s -= 3) {
		uint64_t b;

		r *= 2;
		b = 3 * r * (r + 1) + 1;
		if (x >> s >= b) {
			x -= b << s;
			r++;
		}
	}
	return (uint32_t)r;
}

static void begin_epoch(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	struct tcp_cubic *c = &cc->cubic;

	c->epoch_ms = a->now_ms ? a->now_ms : 1;
	c->w_est = cc->cwnd;
	c->k_ms = 0;
	c->origin = cc->cwnd;
	if (cc->cwnd < cc->w_max) {
		/* K = cbrt((w_max - cwnd) / (C mss)) s; in ms it is 1000 times as much. */
		c->k_ms = cube_root((uint64_t)(cc->w_max - cc->cwnd) * 2500000000u / a->mss);
		c->origin = cc->w_max;
	}
}

/* W_cubic(t): C (t - K)^3 + origin, in bytes. */
static uint64_t curve(const struct tcp_cubic *c, uint16_t mss, uint32_t t_ms)
{
	int64_t dt = (int64_t)t_ms - c->k_ms, off;

	dt = min_of(max_of(dt, -CURVE_MAX_MS), CURVE_MAX_MS);
	off = dt * dt * dt / 1000 * mss * 4 / 10 / 1000000;
	return (uint64_t)max_of((int64_t)c->origin + off, 0);
}

static void grow_avoidance(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	struct tcp_cubic *c = &cc->cubic;
	uint64_t target, want;

	if (!c->epoch_ms)
		begin_epoch(cc, a);
	target = curve(c, a->mss, a->now_ms - c->epoch_ms + a->srtt_us / 1000);
	target = min_of(max_of(target, cc->cwnd), (uint64_t)cc->cwnd * 3 / 2);
	/* The Reno-friendly estimate: as fast as Reno once it has caught up (4.3). */
	want = c->w_est >= cc->w_max ? a->mss : ALPHA(a->mss);
	c->w_est += (uint32_t)(want * a->bytes / cc->cwnd);
	target = max_of(target, c->w_est);
	c->credit += a->bytes;
	want = (target - min_of(target, (uint64_t)cc->cwnd)) * c->credit / cc->cwnd;
	if (want) {
		c->credit = 0;
		set_cwnd(cc, a->mss, cc->cwnd + want);
	}
	c->credit = min_of(c->credit, cc->cwnd);
}

void tcp_cc_acked(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
	cc->pipe_now = max_of(cc->pipe_now, a->pipe);
	if (a->round) {
		cc->pipe_last = cc->pipe_now;
		cc->pipe_now = a->pipe;
		if (slow_start(cc))
			hystart_round(cc, a->now_us);
	}
	if (slow_start(cc) && a->rtt_us)
		hystart_sample(cc, a);
	if (max_of(cc->pipe_now, cc->pipe_last) < cc->cwnd / 2) {
		/* Not used: neither evidence for more, nor time on the curve (RFC 9438, 5.8). */
		if (!slow_start(cc))
			cc->cubic.epoch_ms = 0;
		return;
	}
	if (slow_start(cc))
		grow_slow_start(cc, a);
	else
		grow_avoidance(cc, a);
}

/* The window that the loss says something about: one that was not used was not tested. */
static uint32_t tested(const struct tcp_cc *cc, uint32_t pipe)
{
	uint32_t used = max_of(max_of(cc->pipe_now, cc->pipe_last), pipe);

	return used < cc->cwnd / 2 ? used : cc->cwnd;
}

static void reduce(struct tcp_cc *cc, uint16_t mss, uint32_t pipe)
{
	uint32_t w = tested(cc, pipe);

	cc->undo_cwnd = cc->cwnd;
	cc->undo_ssthresh = cc->ssthresh;
	/* Fast convergence (4.7): less than last time means that somebody else came. */
	cc->w_max = w < cc->w_max ? (uint32_t)((uint64_t)w * 17 / 20) : w;
	/* In slow start it is up to twice as much as has just arrived without a loss. */
	cc->ssthresh = max_of(slow_start(cc) ? w / 2 : BETA(w), 2u * mss);
}

void tcp_cc_lost(struct tcp_cc *cc, uint16_t mss, uint32_t pipe)
{
	reduce(cc, mss, pipe);
	enter_avoidance(cc);
}

void tcp_cc_timeout(struct tcp_cc *cc, uint16_t mss, uint32_t pipe, bool again)
{
	if (!again)
		reduce(cc, mss, pipe);
	cc->cwnd = mss;
	cc->pipe_now = cc->pipe_last = mss;
	enter_slow_start(cc);
}

void tcp_cc_recovered(struct tcp_cc *cc, uint16_t mss)
{
	set_cwnd(cc, mss, cc->ssthresh);
	cc->undo_cwnd = 0;
	enter_avoidance(cc);
}

void tcp_cc_undo(struct tcp_cc *cc)
{
	if (!cc->undo_cwnd)
		return;
	cc->cwnd = max_of(cc->cwnd, cc->undo_cwnd);
	cc->ssthresh = cc->undo_ssthresh;
	cc->w_max = max_of(cc->w_max, cc->undo_cwnd);
	cc->undo_cwnd = 0;
	if (slow_start(cc))
		enter_slow_start(cc);
	else
		enter_avoidance(cc);
}

void tcp_cc_idle(struct tcp_cc *cc, uint16_t mss)
{
	cc->ssthresh = max_of(cc->ssthresh, cc->cwnd / 4 * 3);
	set_cwnd(cc, mss, max_of(cc->cwnd / 2, tcp_initial_window(mss)));
	cc->pipe_now = cc->pipe_last = 0;
	enter_slow_start(cc);
	if (!slow_start(cc))
		enter_avoidance(cc);
}
