/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4: a keyed hash that an outsider cannot predict, for initial sequence numbers
 * (RFC 6528), SYN cookies, timestamp offsets and the place in the connection table.
 *
 * Threads: any, pure.
 */
#ifndef NET_TCP_SIP_H
#define NET_TCP_SIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/cidr.h"

#define SIP_KEY_BYTES 16

struct sip_key {
	uint64_t k[2];
};

struct sip_key sip_key_of(const uint8_t bytes[SIP_KEY_BYTES]);
uint64_t sip_hash(const struct sip_key *k, const void *p, size_t n);

/* Who talks to whom: what connections, cookies and ISNs are hashed by. No padding. */
struct tcp_tuple {
	struct ip remote, local;
	uint16_t rport, lport;
	uint32_t extra; /* makes several hashes from one tuple */
};

static inline uint64_t sip_tuple(const struct sip_key *k, const struct tcp_tuple *t)
{
	return sip_hash(k, t, sizeof(*t));
}

#endif
