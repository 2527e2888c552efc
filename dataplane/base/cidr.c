/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cidr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_BITS 96u
#define GROUPS	    8u

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* ---- numbers ---- */

/* 1..digits characters, no sign, no needless zero in front; -1: not such a number. */
static int decimal(const char *p, size_t n, int max)
{
	int v = 0;

	if (!n || n > 3 || (n > 1 && p[0] == '0'))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v <= max ? v : -1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of an IPv6 address; -1: not one. */
static int group(const char *p, size_t n)
{
	int v = 0;

	if (!n || n > 4)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int d = hex_digit(p[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static size_t until(const char *p, size_t n, char stop)
{
	const char *at = memchr(p, stop, n);

	return at ? (size_t)(at - p) : n;
}

/* ---- addresses ---- */

struct ip ip_of_v4(const uint8_t b[4])
{
	struct ip a;

	memcpy(a.b, mapped, sizeof(mapped));
	memcpy(a.b + sizeof(mapped), b, 4);
	return a;
}

bool ip_is_loopback(const struct ip *a)
{
	static const struct ip v6 = {{[15] = 1}};

	return ip_is_v4(a) ? a->b[12] == 127 : !memcmp(a, &v6, sizeof(v6));
}

bool ip_is_v4(const struct ip *a)
{
	return !memcmp(a->b, mapped, sizeof(mapped));
}

static int v4_parse(uint8_t b[4], const char *p, size_t n)
{
	for (unsigned i = 0; i < 4; i++) {
		size_t len = i < 3 ? until(p, n, '.') : n;
		int v = decimal(p, len, 255);

		if (v < 0 || (i < 3 && len == n))
			return -EINVAL;
		b[i] = (uint8_t)v;
		p += len + (i < 3);
		n -= len + (i < 3);
	}
	return 0;
}

/*
 * Groups of a part without "::" into g; the last one may be an IPv4 address. How many, or -EINVAL.
 */
static int groups_parse(uint16_t g[GROUPS], const char *p, size_t n, bool last_part)
{
	unsigned k = 0;

	for (;;) {
		size_t len = until(p, n, ':');
		int v = group(p, len);
		uint8_t v4[4];

		if (v < 0 && last_part && len == n && k + 2 <= GROUPS && !v4_parse(v4, p, n)) {
			g[k++] = (uint16_t)(v4[0] << 8 | v4[1]);
			g[k++] = (uint16_t)(v4[2] << 8 | v4[3]);
			return (int)k;
		}
		if (v < 0 || k == GROUPS)
			return -EINVAL;
		g[k++] = (uint16_t)v;
		if (len == n)
			return (int)k;
		p += len + 1;
		n -= len + 1;
	}
}

static int v6_parse(uint8_t b[16], const char *p, size_t n)
{
	const char *gap = n ? memmem(p, n, "::", 2) : NULL;
	size_t head_n = gap ? (size_t)(gap - p) : n, tail_n = gap ? n - head_n - 2 : 0;
	uint16_t head[GROUPS], tail[GROUPS], all[GROUPS] = {0};
	int h = head_n ? groups_parse(head, p, head_n, !gap) : 0;
	int t = tail_n ? groups_parse(tail, p + head_n + 2, tail_n, true) : 0;

	if (h < 0 || t < 0 || (gap ? h + t >= (int)GROUPS : h != (int)GROUPS))
		return -EINVAL;
	memcpy(all, head, (size_t)h * sizeof(*all));
	memcpy(all + GROUPS - t, tail, (size_t)t * sizeof(*all));
	for (unsigned i = 0; i < GROUPS; i++) {
		b[2 * i] = (uint8_t)(all[i] >> 8);
		b[2 * i + 1] = (uint8_t)all[i];
	}
	return 0;
}

int ip_parse(struct ip *out, const char *text, size_t n)
{
	struct ip a = {0};
	uint8_t v4[4];

	if (!v4_parse(v4, text, n))
		a = ip_of_v4(v4);
	else if (v6_parse(a.b, text, n))
		return -EINVAL;
	*out = a;
	return 0;
}

/* ---- ranges ---- */

int cidr_parse(struct cidr *out, const char *text, size_t n)
{
	size_t host = until(text, n, '/');
	bool v4_text = until(text, host, ':') == host;
	int bits = v4_text ? 32 : 128;
	struct ip net;

	if (ip_parse(&net, text, host))
		return -EINVAL;
	if (host < n)
		bits = decimal(text + host + 1, n - host - 1, bits);
	if (bits < 0)
		return -EINVAL;
	*out = (struct cidr){net, (uint8_t)((v4_text ? MAPPED_BITS : 0) + (unsigned)bits)};
	return 0;
}

bool cidr_holds(const struct cidr *c, const struct ip *a)
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;

	if (ip_is_v4(a) && c->bits < MAPPED_BITS)
		return false;
	if (memcmp(c->net.b, a->b, whole))
		return false;
	return !rest || !((c->net.b[whole] ^ a->b[whole]) >> (8 - rest));
}

int cidr_set_parse(struct cidr_set *out, const char *text, char *bad, size_t bad_n)
{
	static const char between[] = " ,\t";
	size_t n;

	out->n = 0;
	for (text += strspn(text, between); *text; text += n, text += strspn(text, between)) {
		int r = out->n < CIDR_RANGES_MAX ? 0 : -E2BIG;

		n = strcspn(text, between);
		if (!r)
			r = cidr_parse(&out->range[out->n], text, n);
		if (r) {
			snprintf(bad, bad_n, "%.*s", (int)n, text);
			out->n = 0;
			return r;
		}
		out->n++;
	}
	return 0;
}

bool cidr_set_holds(const struct cidr_set *s, const struct ip *a)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (cidr_holds(&s->range[i], a))
			return true;
	}
	return false;
}
