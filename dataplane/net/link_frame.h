/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of ARP, Neighbour Discovery and ICMP, read and written; for link.c.
 *
 * Readers check every length and checksum. Writers return the frame's length; the caller's memory
 * has LINK_FRAME_MAX bytes. RFC 826, 4861, 792, 4443, 5227 (announcements). Threads: pure, any.
 */
#ifndef NET_LINK_FRAME_H
#define NET_LINK_FRAME_H

#include "net/link.h"

enum link_kind { LINK_KIND_OTHER, LINK_KIND_ARP, LINK_KIND_ND, LINK_KIND_ICMP, LINK_KIND_TCP };

struct link_frame {
	enum link_kind kind;
	bool v6, foreign;
	const uint8_t *from;	   /* link address */
	const uint8_t *l3, *l4;	   /* ARP: l3 only */
	size_t l3_bytes, l4_bytes; /* without padding */
	struct ip src, dst;
	uint8_t ttl;
};

struct link_arp {
	bool reply;
	struct ip sender, target;
	uint8_t mac[LINK_MAC_BYTES];
};

struct link_nd {
	bool answer, has_mac;
	struct ip target;
	uint8_t mac[LINK_MAC_BYTES];
};

/* False: nothing that we understand; foreign then says whether others may. */
bool link_frame_parse(struct link_frame *f, const struct link_conf *c, const uint8_t *p, size_t n);
bool link_arp_parse(struct link_arp *a, const struct link_frame *f);
bool link_nd_parse(struct link_nd *nd, const struct link_frame *f);
/* Of ICMP and ICMPv6: long enough, and the checksum is right. */
bool link_icmp_good(const struct link_frame *f);
/* True: it is an error about a packet; out says which. */
bool link_icmp_error(const struct link_frame *f, struct link_packet *out);

/* mac: asked alone; NULL: everybody. */
size_t link_question(const struct link_conf *c, uint8_t *dst, const struct ip *from,
		     const struct ip *target, const uint8_t *mac);
size_t link_arp_reply(const struct link_conf *c, uint8_t *dst, const struct link_arp *a);
size_t link_nd_reply(const struct link_conf *c, uint8_t *dst, const struct link_frame *f,
		     const struct link_nd *nd);
/* 0: not an echo request, or too long to be answered. */
size_t link_echo_reply(const struct link_conf *c, uint8_t *dst, const struct link_frame *f);
size_t link_announcement(const struct link_conf *c, uint8_t *dst, const struct ip *own);

#endif
