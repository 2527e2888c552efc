/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TIME_WAIT in 32 bytes: what is left of a connection that we closed first (RFC 9293, 3.6.1).
 *
 * Buckets of eight by hash; a full bucket forgets its oldest entry, which is counted. Time is in
 * seconds modulo 2^16. Threads: one owner.
 */
#ifndef NET_TCP_TW_H
#define NET_TCP_TW_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcp/tcp_sip.h"

#define TCP_TW_BUCKET 8

struct tcp_tw {
	struct ip remote;
	uint16_t rport, lport; /* rport 0: a free entry */
	uint32_t snd_nxt, rcv_nxt;
	uint16_t until_s;
	uint8_t local; /* which of our addresses */
	uint8_t has_ts;
};

struct tcp_tws {
	struct tcp_tw *entry;
	uint32_t buckets; /* a power of two */
	uint16_t hold_s;
};

/* n entries, a power of two and at least TCP_TW_BUCKET. */
void tcp_tws_init(struct tcp_tws *t, struct tcp_tw *mem, uint32_t n, uint16_t hold_s);
/* Adds a copy of *w; true: another one had to go that still had time. */
bool tcp_tws_add(struct tcp_tws *t, uint32_t hash, const struct tcp_tw *w, uint32_t now_s);
/* NULL: no such entry, or its time is over. */
struct tcp_tw *tcp_tws_find(struct tcp_tws *t, uint32_t hash, const struct tcp_tw *key,
			    uint32_t now_s);
/* Starts its time again. */
void tcp_tw_renew(const struct tcp_tws *t, struct tcp_tw *w, uint32_t now_s);
void tcp_tw_del(struct tcp_tw *w);

#endif
