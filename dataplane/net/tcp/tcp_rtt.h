/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round-trip time and retransmission timeout (RFC 6298), in microseconds.
 *
 * The RTO is at least 200 ms, as on other large servers, not the second of the RFC; at most 60 s.
 * Threads: one owner.
 */
#ifndef NET_TCP_RTT_H
#define NET_TCP_RTT_H

#include <stdint.h>

#define TCP_RTO_INITIAL_US 1000000u
#define TCP_RTO_MIN_US	   200000u
#define TCP_RTO_MAX_US	   60000000u
#define TCP_MIN_RTT_S	   300u /* how long the least RTT is believed */

struct tcp_rtt {
	uint32_t srtt_us, var_us; /* srtt 0: nothing measured yet */
	uint32_t min_us;
	uint16_t min_at_s; /* modulo 2^16 */
};

void tcp_rtt_sample(struct tcp_rtt *r, uint32_t rtt_us, uint32_t now_s);
/* With `backoff` doublings (5.5). */
uint32_t tcp_rtt_rto(const struct tcp_rtt *r, unsigned backoff);

#endif
