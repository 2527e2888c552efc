/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies between an Ethernet device and our own TCP: who we are there, the way to a destination,
 * its link address, and the small protocols that a host must speak: ARP, Neighbour Discovery, ICMP echo.
 *
 * A link has fixed addresses and routes (struct link_conf) and a table of neighbours that it fills by
 * asking and by what they say. Frames in, frames out by `emit`; no I/O, no clock, no allocation.
 *
 *   neighbour: unknown --needed--> asked --answer--> known --old, and needed--> asked again, kept meanwhile
 *              asked, LINK_TRIES without an answer --> unknown            fixed: by configuration
 *
 * A frame from a neighbour with another link address than the one we know makes us ask again; only an
 * answer, or the neighbour's own question to us, changes what we know.
 *
 * Threads: one owner. Cores have a link each, and hear the same ARP, ND and ICMP.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cidr.h"

#define LINK_MAC_BYTES	6
#define LINK_LOCALS	16
#define LINK_ROUTES	32
#define LINK_FIXED	32
#define LINK_NEIGHBOURS 2048 /* a power of two */
#define LINK_HEAD_MAX	18   /* Ethernet with a VLAN tag */
#define LINK_ASKING	256  /* at a time; others are asked when they are needed again */
#define LINK_TRIES	3
#define LINK_TRY_MS	1000u
#define LINK_FRESH_MS	5000u /* an answer is believed without asking again */
#define LINK_FRAME_MAX	1600  /* of what emit gets */

struct link_route {
	struct cidr to;
	struct ip via; /* all zeros: the destination itself, on an own network */
};

struct link_conf {
	unsigned locals, routes, fixed;
	struct ip local[LINK_LOCALS];
	struct link_route route[LINK_ROUTES]; /* the longest prefix first */
	struct {
		struct ip ip;
		uint8_t mac[LINK_MAC_BYTES];
	} neighbour[LINK_FIXED];
	uint8_t mac[LINK_MAC_BYTES]; /* ours */
	uint16_t vlan;		     /* 0: untagged */
};

/*
 * Addresses, gateways, routes and neighbours as dpdk.* of the configuration have them. 0, or -EINVAL
 * and a sentence that names the key. mac and vlan are the caller's.
 */
int link_conf_parse(struct link_conf *c, const char *addresses, const char *gateways,
		    const char *routes, const char *neighbours, char *err, size_t n);
bool link_is_local(const struct link_conf *c, const struct ip *a);
/* Where packets to dst go next, dst itself or a router. False: there is no way. */
bool link_next_hop(const struct link_conf *c, const struct ip *dst, struct ip *via);
/* The own address that connections to dst come from; NULL: there is no way. */
const struct ip *link_source(const struct link_conf *c, const struct ip *dst);

enum link_state { LINK_FREE, LINK_ASKED, LINK_KNOWN, LINK_FIX };

struct link_neighbour {
	struct ip ip;
	uint8_t mac[LINK_MAC_BYTES];
	uint8_t state, tries; /* tries: questions since the last answer */
	bool has_mac;
	uint32_t answered_ms, asked_ms;
};

struct link {
	const struct link_conf *conf;
	void (*emit)(void *owner, const uint8_t *frame, size_t n);
	void *owner;
	unsigned asking; /* who is asked, and has not answered */
	uint16_t asked[LINK_ASKING];
	struct link_neighbour neighbour[LINK_NEIGHBOURS];
};

void link_init(struct link *l, const struct link_conf *c,
	       void (*emit)(void *owner, const uint8_t *frame, size_t n), void *owner);
/* The link address for packets to dst, good until the next call. NULL: not known yet, and asked for;
 * or there is no way. */
const uint8_t *link_lookup(struct link *l, const struct ip *dst, uint32_t now_ms);
/* Asks those again who have not answered; every 100 ms or so. */
void link_poll(struct link *l, uint32_t now_ms);
/* The Ethernet header of a packet of ours; its length. */
unsigned link_head(const struct link_conf *c, uint8_t dst[LINK_HEAD_MAX], const uint8_t *to,
		   bool v6);

enum link_verdict {
	LINK_DROP,    /* dealt with, or good for nothing */
	LINK_TCP,     /* an IP packet to an own address */
	LINK_ERROR,   /* ICMP: `quote` is what it is about */
	LINK_FOREIGN, /* for others */
	LINK_ALL,     /* dealt with; every core's link, and others, want to hear it too */
};

struct link_packet {
	const uint8_t *p; /* TCP: the IP packet without padding */
	size_t n;
	uint32_t mtu; /* ERROR: it was too big; 0: unreachable */
	bool hard;
};

/* One frame. answer: false where another core's link has answered it already. */
enum link_verdict link_input(struct link *l, const uint8_t *frame, size_t n, bool answer,
			     uint32_t now_ms, struct link_packet *out);
/* Says where we are, to whoever listens: when the link has come up. */
void link_announce(struct link *l);

#endif
