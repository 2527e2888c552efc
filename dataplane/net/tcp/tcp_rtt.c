/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_rtt.h"

#include "base/check.h"

void tcp_rtt_sample(struct tcp_rtt *r, uint32_t rtt_us, uint32_t now_s)
{
	uint32_t off;

	rtt_us = max_of(rtt_us, 1u);
	if (!r->srtt_us || rtt_us <= r->min_us || (uint16_t)(now_s - r->min_at_s) > TCP_MIN_RTT_S) {
		r->min_us = rtt_us;
		r->min_at_s = (uint16_t)now_s;
	}
	if (!r->srtt_us) {
		r->srtt_us = rtt_us;
		r->var_us = rtt_us / 2;
		return;
	}
	off = r->srtt_us > rtt_us ? r->srtt_us - rtt_us : rtt_us - r->srtt_us;
	r->var_us = (uint32_t)(((uint64_t)r->var_us * 3 + off) / 4);
	r->srtt_us = max_of((uint32_t)(((uint64_t)r->srtt_us * 7 + rtt_us) / 8), 1u);
}

/* The variance term is never less than the minimum, so that delayed ACKs do not cause timeouts. */
uint32_t tcp_rtt_rto(const struct tcp_rtt *r, unsigned backoff)
{
	uint64_t rto = TCP_RTO_INITIAL_US;

	if (r->srtt_us)
		rto = (uint64_t)r->srtt_us + max_of((uint64_t)r->var_us * 4, TCP_RTO_MIN_US);
	rto <<= min_of(backoff, 16u);
	return (uint32_t)min_of(rto, TCP_RTO_MAX_US);
}
