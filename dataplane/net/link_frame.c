/* SPDX-License-Identifier: Apache-2.0 */
#include "net/link_frame.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "net/tcp/tcp_sum.h"

enum { TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_VLAN = 0x8100, TYPE_IPV6 = 0x86dd };
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_ICMP6 = 58 };
enum { ND_ASK = 135, ND_ANSWER = 136, ND_OPT_SOURCE = 1, ND_OPT_TARGET = 2 };
enum { ECHO_REPLY = 0, UNREACHABLE = 3, ECHO = 8 };
enum { UNREACHABLE6 = 1, TOO_BIG6 = 2, ECHO6 = 128, ECHO_REPLY6 = 129 };
#define ETHER_BYTES 14u
#define ARP_BYTES   28u
#define IPV4_BYTES  20u
#define IPV6_BYTES  40u
#define ND_BYTES    24u

static const uint8_t everybody[LINK_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* ---- reading ---- */

static void parse_ipv4(struct link_frame *f)
{
	const uint8_t *p = f->l3;
	size_t head = f->l3_bytes ? (p[0] & 15u) * 4 : 0, total;

	if (f->l3_bytes < IPV4_BYTES || p[0] >> 4 != 4 || head < IPV4_BYTES)
		return;
	total = get_be16(p + 2);
	if (total < head || total > f->l3_bytes)
		return;
	f->l3_bytes = total;
	f->src = ip_of_v4(p + 12);
	f->dst = ip_of_v4(p + 16);
	f->ttl = p[8];
	f->l4 = p + head;
	f->l4_bytes = total - head;
	/* Pieces of a packet are for nobody here; what is TCP is checked by whoever takes it. */
	if (get_be16(p + 6) & 0x3fff)
		return;
	if (p[9] == PROTO_TCP)
		f->kind = LINK_KIND_TCP;
	else if (p[9] == PROTO_ICMP)
		f->kind = LINK_KIND_ICMP;
}

static void parse_ipv6(struct link_frame *f)
{
	const uint8_t *p = f->l3;
	size_t n;

	f->v6 = true;
	if (f->l3_bytes < IPV6_BYTES || p[0] >> 4 != 6)
		return;
	n = get_be16(p + 4);
	if (n > f->l3_bytes - IPV6_BYTES)
		return;
	f->l3_bytes = IPV6_BYTES + n;
	memcpy(f->src.b, p + 8, 16);
	memcpy(f->dst.b, p + 24, 16);
	f->ttl = p[7];
	f->l4 = p + IPV6_BYTES;
	f->l4_bytes = n;
	if (p[6] == PROTO_TCP)
		f->kind = LINK_KIND_TCP;
	else if (p[6] == PROTO_ICMP6)
		f->kind = n && (f->l4[0] == ND_ASK || f->l4[0] == ND_ANSWER) ? LINK_KIND_ND
									     : LINK_KIND_ICMP;
}

bool link_frame_parse(struct link_frame *f, const struct link_conf *c, const uint8_t *p, size_t n)
{
	unsigned head = ETHER_BYTES, type;

	memset(f, 0, sizeof(*f));
	if (n < ETHER_BYTES + 4)
		return false;
	if (!(p[0] & 1) && memcmp(p, c->mac, LINK_MAC_BYTES))
		return false; /* the device hears more than it should */
	type = get_be16(p + 12);
	f->foreign = true;
	if (c->vlan) {
		if (type != TYPE_VLAN || (get_be16(p + 14) & 0xfff) != c->vlan || n < LINK_HEAD_MAX)
			return false;
		type = get_be16(p + 16);
		head = LINK_HEAD_MAX;
	}
	f->from = p + 6;
	f->l3 = p + head;
	f->l3_bytes = n - head;
	if (type == TYPE_ARP)
		f->kind = LINK_KIND_ARP;
	else if (type == TYPE_IPV4)
		parse_ipv4(f);
	else if (type == TYPE_IPV6)
		parse_ipv6(f);
	return f->kind != LINK_KIND_OTHER;
}

bool link_arp_parse(struct link_arp *a, const struct link_frame *f)
{
	static const uint8_t ether_ipv4[] = {0, 1, 8, 0, 6, 4};
	const uint8_t *p = f->l3;
	uint16_t op;

	if (f->l3_bytes < ARP_BYTES || memcmp(p, ether_ipv4, sizeof(ether_ipv4)))
		return false;
	op = get_be16(p + 6);
	a->reply = op == 2;
	memcpy(a->mac, p + 8, LINK_MAC_BYTES);
	a->sender = ip_of_v4(p + 14);
	a->target = ip_of_v4(p + 24);
	return op == 1 || op == 2;
}

bool link_nd_parse(struct link_nd *nd, const struct link_frame *f)
{
	const uint8_t *p = f->l4, *end = p + f->l4_bytes;

	/* RFC 4861, 7.1: nobody sends it from beyond a router. */
	if (f->ttl != 255 || f->l4_bytes < ND_BYTES || p[1] != 0)
		return false;
	memset(nd, 0, sizeof(*nd));
	nd->answer = p[0] == ND_ANSWER;
	memcpy(nd->target.b, p + 8, 16);
	for (p += ND_BYTES; end - p >= 8; p += p[1] * 8) {
		if (!p[1] || end - p < p[1] * 8)
			return false;
		if (p[0] == (nd->answer ? ND_OPT_TARGET : ND_OPT_SOURCE) && p[1] == 1) {
			memcpy(nd->mac, p + 2, LINK_MAC_BYTES);
			nd->has_mac = true;
		}
	}
	return true;
}

static uint16_t icmp_sum(const struct ip *src, const struct ip *dst, bool v6, const uint8_t *p,
			 size_t n)
{
	struct sum s = {0};

	if (v6)
		sum_pseudo(&s, src, dst, PROTO_ICMP6, (uint32_t)n);
	sum_add(&s, p, n);
	return sum_end(&s);
}

bool link_icmp_good(const struct link_frame *f)
{
	return f->l4_bytes >= 8 && icmp_sum(&f->src, &f->dst, f->v6, f->l4, f->l4_bytes) == 0;
}

bool link_icmp_error(const struct link_frame *f, struct link_packet *out)
{
	const uint8_t *p = f->l4;
	uint8_t type = p[0], code = p[1];

	out->p = p + 8;
	out->n = f->l4_bytes - 8;
	out->mtu = 0;
	if (f->v6) {
		if (type == TOO_BIG6)
			out->mtu = get_be32(p + 4);
		out->hard = code == 1 || code == 4; /* prohibited, port */
		return type == UNREACHABLE6 || type == TOO_BIG6;
	}
	if (type == UNREACHABLE && code == 4)
		out->mtu = max_of(get_be16(p + 6), 68);
	out->hard = code == 2 || code == 3; /* protocol, port */
	return type == UNREACHABLE;
}

/* ---- writing ---- */

unsigned link_head(const struct link_conf *c, uint8_t dst[LINK_HEAD_MAX], const uint8_t *to,
		   bool v6)
{
	uint8_t *type = dst + 12;

	memcpy(dst, to, LINK_MAC_BYTES);
	memcpy(dst + 6, c->mac, LINK_MAC_BYTES);
	if (c->vlan) {
		put_be16(type, TYPE_VLAN);
		put_be16(type + 2, c->vlan);
		type += 4;
	}
	put_be16(type, v6 ? TYPE_IPV6 : TYPE_IPV4);
	return (unsigned)(type + 2 - dst);
}

static size_t write_arp(const struct link_conf *c, uint8_t *dst, const uint8_t *to, uint16_t op,
			const struct ip *from, const struct ip *target, const uint8_t *target_mac)
{
	unsigned head = link_head(c, dst, to, false);
	uint8_t *p = dst + head;

	put_be16(p - 2, TYPE_ARP);
	put_be16(p, 1);
	put_be16(p + 2, TYPE_IPV4);
	put_be16(p + 4, 6 << 8 | 4);
	put_be16(p + 6, op);
	memcpy(p + 8, c->mac, LINK_MAC_BYTES);
	memcpy(p + 14, from->b + 12, 4);
	memcpy(p + 18, target_mac, LINK_MAC_BYTES);
	memcpy(p + 24, target->b + 12, 4);
	return head + ARP_BYTES;
}

static uint8_t *write_ipv6(uint8_t *p, const struct ip *src, const struct ip *dst, size_t n,
			   uint8_t hops)
{
	put_be32(p, 6u << 28);
	put_be16(p + 4, (uint16_t)n);
	p[6] = PROTO_ICMP6;
	p[7] = hops;
	memcpy(p + 8, src->b, 16);
	memcpy(p + 24, dst->b, 16);
	return p + IPV6_BYTES;
}

/* A question or an answer with one option, our link address. */
static size_t write_nd(const struct link_conf *c, uint8_t *dst, const uint8_t *to, uint8_t type,
		       uint32_t flags, const struct ip *from, const struct ip *ip_to,
		       const struct ip *target)
{
	unsigned head = link_head(c, dst, to, true);
	uint8_t *p = write_ipv6(dst + head, from, ip_to, ND_BYTES + 8, 255);

	p[0] = type;
	p[1] = 0;
	put_be16(p + 2, 0);
	put_be32(p + 4, flags);
	memcpy(p + 8, target->b, 16);
	p[24] = type == ND_ANSWER ? ND_OPT_TARGET : ND_OPT_SOURCE;
	p[25] = 1;
	memcpy(p + 26, c->mac, LINK_MAC_BYTES);
	put_be16(p + 2, icmp_sum(from, ip_to, true, p, ND_BYTES + 8));
	return head + IPV6_BYTES + ND_BYTES + 8;
}

/* RFC 4291, 2.7.1 */
static struct ip solicited_node(const struct ip *a)
{
	struct ip g = {{0xff, 0x02, [11] = 1, [12] = 0xff}};

	memcpy(g.b + 13, a->b + 13, 3);
	return g;
}

size_t link_question(const struct link_conf *c, uint8_t *dst, const struct ip *from,
		     const struct ip *target, const uint8_t *mac)
{
	static const uint8_t unknown[LINK_MAC_BYTES];
	struct ip group = solicited_node(target);
	uint8_t to[LINK_MAC_BYTES] = {0x33, 0x33};

	if (ip_is_v4(target))
		return write_arp(c, dst, mac ? mac : everybody, 1, from, target, unknown);
	memcpy(to + 2, group.b + 12, 4);
	return write_nd(c, dst, mac ? mac : to, ND_ASK, 0, from, mac ? target : &group, target);
}

size_t link_arp_reply(const struct link_conf *c, uint8_t *dst, const struct link_arp *a)
{
	return write_arp(c, dst, a->mac, 2, &a->target, &a->sender, a->mac);
}

size_t link_nd_reply(const struct link_conf *c, uint8_t *dst, const struct link_frame *f,
		     const struct link_nd *nd)
{
	static const struct ip all_nodes = {{0xff, 0x02, [15] = 1}}, unspecified;
	bool checking = !memcmp(&f->src, &unspecified, sizeof(f->src));
	uint8_t to_all[LINK_MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1};

	/* Solicited and override; whoever checks for duplicates (RFC 4862) has no address yet. */
	if (checking)
		return write_nd(c, dst, to_all, ND_ANSWER, 1u << 29, &nd->target, &all_nodes,
				&nd->target);
	return write_nd(c, dst, f->from, ND_ANSWER, 3u << 29, &nd->target, &f->src, &nd->target);
}

size_t link_echo_reply(const struct link_conf *c, uint8_t *dst, const struct link_frame *f)
{
	unsigned head = link_head(c, dst, f->from, f->v6);
	size_t ip = f->v6 ? IPV6_BYTES : IPV4_BYTES;
	uint8_t *p = dst + head;

	if (f->l4[0] != (f->v6 ? ECHO6 : ECHO) || f->l4_bytes > LINK_FRAME_MAX - head - ip)
		return 0;
	if (f->v6) {
		p = write_ipv6(p, &f->dst, &f->src, f->l4_bytes, 64);
	} else {
		struct sum s = {0};

		memset(p, 0, IPV4_BYTES);
		p[0] = 0x45;
		put_be16(p + 2, (uint16_t)(IPV4_BYTES + f->l4_bytes));
		p[8] = 64;
		p[9] = PROTO_ICMP;
		memcpy(p + 12, f->dst.b + 12, 4);
		memcpy(p + 16, f->src.b + 12, 4);
		sum_add(&s, p, IPV4_BYTES);
		put_be16(p + 10, sum_end(&s));
		p += IPV4_BYTES;
	}
	memcpy(p, f->l4, f->l4_bytes);
	p[0] = f->v6 ? ECHO_REPLY6 : ECHO_REPLY;
	put_be16(p + 2, 0);
	put_be16(p + 2, icmp_sum(&f->dst, &f->src, f->v6, p, f->l4_bytes));
	return head + ip + f->l4_bytes;
}

size_t link_announcement(const struct link_conf *c, uint8_t *dst, const struct ip *own)
{
	static const struct ip all_nodes = {{0xff, 0x02, [15] = 1}};
	static const uint8_t unknown[LINK_MAC_BYTES];
	uint8_t to_all[LINK_MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1};

	if (ip_is_v4(own))
		return write_arp(c, dst, everybody, 1, own, own, unknown);
	return write_nd(c, dst, to_all, ND_ANSWER, 1u << 29, own, &all_nodes, own);
}
