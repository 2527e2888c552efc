/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP and TCP headers: from bytes to struct tcp_seg and back.
 *
 * A packet begins with its IP header (the link layer is the caller's) and is whole: fragments are
 * not ours to put together. What is parsed points into the packet. Threads: any, pure.
 */
#ifndef NET_TCP_HDR_H
#define NET_TCP_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cidr.h"

enum {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
	TCP_URG = 32,
};

#define TCP_SACKS      4    /* blocks in one segment (RFC 2018, 3) */
#define TCP_HDR_MAX    120  /* IPv6 or IPv4 without options, TCP with its 60 bytes at most */
#define TCP_NO_WSCALE  0xff /* the option was not there */
#define TCP_WSCALE_MAX 14   /* RFC 7323, 2.3 */
#define TCP_PROTO      6
#define TCP_TS_BYTES   12 /* the timestamp option as everybody pads it */

struct tcp_sack {
	uint32_t start, end;
};

/* One segment as it came or as it shall leave. */
struct tcp_seg {
	struct ip src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags, ttl;
	uint16_t wnd; /* as in the header: not scaled */
	struct slice data;

	uint16_t mss; /* 0: no such option */
	uint8_t wscale;
	bool sack_ok, has_ts;
	uint32_t tsval, tsecr;
	uint8_t sacks;
	struct tcp_sack sack[TCP_SACKS];
};

/* Sequence numbers that it takes: SYN and FIN count (RFC 9293, 3.4). */
static inline uint32_t tcp_seg_len(const struct tcp_seg *g)
{
	return (uint32_t)g->data.n + !!(g->flags & TCP_SYN) + !!(g->flags & TCP_FIN);
}

/*
 * checked: the NIC found both checksums right. 0; -EINVAL: malformed; -EBADMSG: a checksum is
 * wrong; -EPROTONOSUPPORT: a fragment, or not TCP.
 */
int tcp_seg_parse(struct tcp_seg *g, const uint8_t *p, size_t n, bool checked);

/*
 * The ports and the sequence number of the segment that an ICMP error quotes: src is ours. p begins
 * with the quoted IP header; everything after its first 8 bytes of TCP may be missing. 0 or -EINVAL.
 */
int tcp_quote_parse(struct tcp_seg *g, const uint8_t *p, size_t n);

/*
 * Writes IP and TCP header of g into dst[TCP_HDR_MAX] for n bytes of payload, its checksum field
 * being 0; returns the bytes written, of which *l3 are IP's. g->data is not looked at. IPv4 has DF
 * set and identification 0 (RFC 6864, 4.1); IPv6 carries `label` (RFC 6437).
 */
unsigned tcp_hdr_write(uint8_t *dst, const struct tcp_seg *g, uint32_t n, uint32_t label,
		       unsigned *l3);
/* Bytes of the TCP options of g, padded. */
unsigned tcp_options_bytes(const struct tcp_seg *g);

#endif
