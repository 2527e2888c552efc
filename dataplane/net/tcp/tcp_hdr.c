/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_hdr.h"

#include <errno.h>

#include "base/check.h"
#include "net/tcp/tcp_sum.h"

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8
};

#define IPV6_EXT_MAX 4 /* extension headers before TCP; more is not sensible */

/* Options that are cut short end the list, as RFC 9293, 3.1 (MUST-7) asks: robust, not fatal. */
static void parse_options(struct tcp_seg *g, const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);

	while (rd_left(&r)) {
		uint8_t kind = rd_u8(&r), len;
		const uint8_t *body;

		if (kind == OPT_END)
			return;
		if (kind == OPT_NOP)
			continue;
		len = rd_u8(&r);
		if (len < 2 || !(body = rd_take(&r, len - 2u)))
			return;
		if (kind == OPT_MSS && len == 4) {
			g->mss = get_be16(body);
		} else if (kind == OPT_WSCALE && len == 3) {
			g->wscale = min_of(body[0], TCP_WSCALE_MAX);
		} else if (kind == OPT_SACK_OK && len == 2) {
			g->sack_ok = true;
		} else if (kind == OPT_TS && len == 10) {
			g->has_ts = true;
			g->tsval = get_be32(body);
			g->tsecr = get_be32(body + 4);
		} else if (kind == OPT_SACK && len >= 10 && (len - 2) % 8 == 0) {
			g->sacks = (uint8_t)min_of((len - 2) / 8, TCP_SACKS);
			for (unsigned i = 0; i < g->sacks; i++)
				g->sack[i] = (struct tcp_sack){get_be32(body + 8 * i),
							       get_be32(body + 8 * i + 4)};
		}
	}
}

static int parse_ip4(struct tcp_seg *g, struct rd *r, bool checked)
{
	const uint8_t *h = r->p;
	size_t n = rd_left(r), head, total;
	struct sum sum = {0};

	if (n < 20)
		return -EINVAL;
	head = (h[0] & 15u) * 4;
	total = get_be16(h + 2);
	if (head < 20 || total < head || total > n)
		return -EINVAL;
	sum_add(&sum, h, head);
	if (!checked && sum_end(&sum))
		return -EBADMSG;
	if (get_be16(h + 6) & 0x3fff || h[9] != TCP_PROTO)
		return -EPROTONOSUPPORT;
	g->ttl = h[8];
	g->src = ip_of_v4(h + 12);
	g->dst = ip_of_v4(h + 16);
	*r = rd_of(h + head, total - head);
	return 0;
}

static int parse_ip6(struct tcp_seg *g, struct rd *r)
{
	const uint8_t *h = r->p;
	uint8_t next;

	if (rd_left(r) < 40 || get_be16(h + 4) > rd_left(r) - 40)
		return -EINVAL;
	next = h[6];
	g->ttl = h[7];
	memcpy(g->src.b, h + 8, 16);
	memcpy(g->dst.b, h + 24, 16);
	/* On the wire an IPv6 packet never holds mapped IPv4 addresses (RFC 4038, 4.2). */
	if (ip_is_v4(&g->src) || ip_is_v4(&g->dst))
		return -EINVAL;
	*r = rd_of(h + 40, get_be16(h + 4));
	for (int i = 0; next != TCP_PROTO; i++) {
		/* Hop-by-hop and destination options have one form (RFC 8200, 4.3). */
		if ((next != 0 && next != 60) || i == IPV6_EXT_MAX)
			return -EPROTONOSUPPORT;
		if (rd_left(r) < 8)
			return -EINVAL;
		next = r->p[0];
		rd_take(r, (r->p[1] + 1u) * 8);
	}
	return r->bad ? -EINVAL : 0;
}

static int parse_tcp(struct tcp_seg *g, struct rd *r, bool checked)
{
	const uint8_t *h = r->p;
	size_t n = rd_left(r), head;
	struct sum sum = {0};

	if (n < 20)
		return -EINVAL;
	head = (size_t)(h[12] >> 4) * 4;
	if (head < 20 || head > n)
		return -EINVAL;
	if (!checked) {
		sum_pseudo(&sum, &g->src, &g->dst, TCP_PROTO, (uint32_t)n);
		sum_add(&sum, h, n);
		if (sum_end(&sum))
			return -EBADMSG;
	}
	g->sport = get_be16(h);
	g->dport = get_be16(h + 2);
	g->seq = get_be32(h + 4);
	g->ack = get_be32(h + 8);
	g->flags = h[13];
	g->wnd = get_be16(h + 14);
	g->data = (struct slice){h + head, n - head};
	parse_options(g, h + 20, head - 20);
	return 0;
}

int tcp_seg_parse(struct tcp_seg *g, const uint8_t *p, size_t n, bool checked)
{
	struct rd r = rd_of(p, n);
	int rc;

	*g = (struct tcp_seg){.wscale = TCP_NO_WSCALE};
	if (!n)
		return -EINVAL;
	switch (p[0] >> 4) {
	case 4:
		rc = parse_ip4(g, &r, checked);
		break;
	case 6:
		rc = parse_ip6(g, &r);
		break;
	default:
		rc = -EINVAL;
	}
	return rc ? rc : parse_tcp(g, &r, checked);
}

int tcp_quote_parse(struct tcp_seg *g, const uint8_t *p, size_t n)
{
	size_t head;

	*g = (struct tcp_seg){.wscale = TCP_NO_WSCALE};
	if (n >= 20 && p[0] >> 4 == 4) {
		head = (p[0] & 15u) * 4;
		if (head < 20 || p[9] != TCP_PROTO || get_be16(p + 6) & 0x1fff)
			return -EINVAL;
		g->src = ip_of_v4(p + 12);
		g->dst = ip_of_v4(p + 16);
	} else if (n >= 40 && p[0] >> 4 == 6 && p[6] == TCP_PROTO) {
		head = 40;
		memcpy(g->src.b, p + 8, 16);
		memcpy(g->dst.b, p + 24, 16);
	} else {
		return -EINVAL;
	}
	if (n < head + 8)
		return -EINVAL;
	g->sport = get_be16(p + head);
	g->dport = get_be16(p + head + 2);
	g->seq = get_be32(p + head + 4);
	return 0;
}

unsigned tcp_options_bytes(const struct tcp_seg *g)
{
	unsigned n = 0;

	if (g->mss)
		n += 4;
	if (g->wscale != TCP_NO_WSCALE)
		n += 4;
	if (g->sack_ok)
		n += 4;
	if (g->has_ts)
		n += TCP_TS_BYTES;
	if (g->sacks)
		n += 4 + 8u * g->sacks;
	return n;
}

static void write_options(struct wr *w, const struct tcp_seg *g)
{
	if (g->mss) {
		wr_be16(w, OPT_MSS << 8 | 4);
		wr_be16(w, g->mss);
	}
	if (g->wscale != TCP_NO_WSCALE)
		wr_be32(w, (uint32_t)OPT_NOP << 24 | OPT_WSCALE << 16 | 3 << 8 | g->wscale);
	if (g->sack_ok)
		wr_be32(w, OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK_OK << 8 | 2);
	if (g->has_ts) {
		wr_be32(w, OPT_NOP << 24 | OPT_NOP << 16 | OPT_TS << 8 | 10);
		wr_be32(w, g->tsval);
		wr_be32(w, g->tsecr);
	}
	if (!g->sacks)
		return;
	wr_be32(w, OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK << 8 | (2 + 8u * g->sacks));
	for (unsigned i = 0; i < g->sacks; i++) {
		wr_be32(w, g->sack[i].start);
		wr_be32(w, g->sack[i].end);
	}
}

static void write_ip(struct wr *w, const struct tcp_seg *g, uint32_t n, uint32_t label)
{
	struct sum sum = {0};

	if (!ip_is_v4(&g->src)) {
		wr_be32(w, 6u << 28 | (label & 0xfffff));
		wr_be16(w, (uint16_t)n);
		wr_be16(w, (uint16_t)(TCP_PROTO << 8 | g->ttl));
		wr_bytes(w, g->src.b, 16);
		wr_bytes(w, g->dst.b, 16);
		return;
	}
	wr_be16(w, 0x4500);
	wr_be16(w, (uint16_t)(20 + n));
	wr_be32(w, 0x4000); /* DF */
	wr_be16(w, (uint16_t)(g->ttl << 8 | TCP_PROTO));
	wr_be16(w, 0);
	wr_bytes(w, g->src.b + 12, 4);
	wr_bytes(w, g->dst.b + 12, 4);
	sum_add(&sum, w->start, 20);
	put_be16(w->start + 10, sum_end(&sum));
}

unsigned tcp_hdr_write(uint8_t *dst, const struct tcp_seg *g, uint32_t n, uint32_t label,
		       unsigned *l3)
{
	unsigned options = tcp_options_bytes(g);
	struct wr w = wr_of(dst, TCP_HDR_MAX);

	write_ip(&w, g, 20 + options + n, label);
	*l3 = (unsigned)(w.p - w.start);
	wr_be16(&w, g->sport);
	wr_be16(&w, g->dport);
	wr_be32(&w, g->seq);
	wr_be32(&w, g->ack);
	wr_be16(&w, (uint16_t)((20 + options) / 4 << 12 | g->flags));
	wr_be16(&w, g->wnd);
	wr_be32(&w, 0);
	write_options(&w, g);
	must(!w.bad && options <= 40);
	return (unsigned)(w.p - w.start);
}
