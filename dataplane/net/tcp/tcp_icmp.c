/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "net/tcp/seq.h"
#include "net/tcp/tcp_conn.h"

/* Less than this no path may ask for (RFC 8201, 5; RFC 791: 576 is what every host takes). */
#define MTU_MIN_V4 576u
#define MTU_MIN_V6 1280u

static void too_big(struct tcp_conn *c, uint32_t mtu)
{
	bool v4 = ip_is_v4(&c->remote);
	uint32_t header = (v4 ? 40u : 60u) + (c->flags & F_TS ? TCP_TS_BYTES : 0);

	mtu = max_of(mtu, v4 ? MTU_MIN_V4 : MTU_MIN_V6);
	if (mtu - header < c->mss)
		tcp_loss_mtu(c, (uint16_t)(mtu - header));
}

void tcp_icmp(struct tcp *t, const uint8_t *quote, size_t n, uint32_t mtu, bool hard,
	      uint64_t now_us)
{
	struct tcp_conn *c;
	struct tcp_seg g;
	uint32_t hash;
	int local;

	t->now_us = now_us;
	if (tcp_quote_parse(&g, quote, n) || (local = tcp_local(t, &g.src)) < 0)
		return;
	hash = tcp_tuple_hash(t, tcp_tuple_of(t, (unsigned)local, g.sport, &g.dst, g.dport),
			      HASH_TABLE);
	c = tcp_find(t, (unsigned)local, g.sport, &g.dst, g.dport, hash);
	if (!c)
		return;
	if (c->state == TCP_SYN_SENT) {
		/* Later on such news is not believed: it costs an attacker nothing (RFC 5927). */
		if (!mtu && hard && g.seq == c->flight.nxt - 1)
			tcp_finish(c, TCP_END_UNREACHABLE);
		return;
	}
	/* Only about what is in flight (RFC 5927, 4.1). */
	if (mtu && seq_in(g.seq, c->flight.una, tcp_flight_bytes(&c->flight)))
		too_big(c, mtu);
}
