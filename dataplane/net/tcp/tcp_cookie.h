/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYN cookies, always (RFC 4987, 3.6): a SYN leaves nothing behind on this side.
 *
 * The SYN-ACK's sequence number is a keyed hash of who asks, what for and when (29 bits) with an
 * index into a table of segment sizes (3 bits). Window scale and SACK travel in the low 6 bits of
 * the SYN-ACK's timestamp, which comes back in the last segment of the handshake; a client without
 * timestamps gets neither. Of the hash 8 bits leave out what for: EARLY. A cookie holds for one to two periods of 64 s.
 *
 * Threads: any, pure.
 */
#ifndef NET_TCP_COOKIE_H
#define NET_TCP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcp/tcp_sip.h"

#define COOKIE_PERIOD_US 64000000u

/* What the client's SYN said. */
struct tcp_cookie {
	uint16_t mss;	/* rounded down to one of the table when it comes back */
	uint8_t wscale; /* TCP_NO_WSCALE: none */
	bool sack_ok;
};

/* irs: the sequence number of the SYN. */
uint32_t tcp_cookie_make(const struct sip_key *k, const struct tcp_tuple *t, uint32_t irs,
			 uint16_t mss, uint64_t now_us);
/*
 * Whether this is a cookie that we made for t and irs lately; then c->mss is set. EARLY: for t, but
 * not for irs: the segment is one of the first after a handshake whose end is late or lost.
 */
enum tcp_cookie_verdict { COOKIE_BAD, COOKIE_EARLY, COOKIE_GOOD };
enum tcp_cookie_verdict tcp_cookie_check(struct tcp_cookie *c, const struct sip_key *k,
					 const struct tcp_tuple *t, uint32_t irs, uint32_t cookie,
					 uint64_t now_us);
/* The timestamp that carries c, at or before `clock`; and what an echo of it carried. */
uint32_t tcp_cookie_stamp(const struct tcp_cookie *c, uint32_t clock);
void tcp_cookie_unstamp(struct tcp_cookie *c, uint32_t tsecr);

#endif
