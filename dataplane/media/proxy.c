/* SPDX-License-Identifier: Apache-2.0 */
#include "media/proxy.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

static const uint8_t v2_signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
					 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
#define V2_FIXED 16u

/* ---- version 1 ---- */

/* The next word of the line, which is cut off; p NULL at the end. */
static struct slice word(struct slice *line)
{
	struct slice w = *line;
	const uint8_t *blank = line->n ? memchr(line->p, ' ', line->n) : NULL;

	if (!line->p)
		return *line;
	if (!blank) {
		*line = (struct slice){0};
		return w;
	}
	w.n = (size_t)(blank - w.p);
	*line = (struct slice){blank + 1, line->n - w.n - 1};
	return w;
}

static bool is(struct slice w, const char *text)
{
	return w.n == strlen(text) && !memcmp(w.p, text, w.n);
}

/* -1: not a port. */
static int port_of(struct slice w)
{
	int port = 0;

	if (!w.p || !w.n || w.n > 5 || (w.n > 1 && w.p[0] == '0'))
		return -1;
	for (size_t i = 0; i < w.n; i++) {
		if (w.p[i] < '0' || w.p[i] > '9')
			return -1;
		port = port * 10 + (w.p[i] - '0');
	}
	return port <= 65535 ? port : -1;
}

static int v1_address(struct slice w, bool v4, struct ip *out)
{
	if (!w.p || (memchr(w.p, ':', w.n) == NULL) != v4)
		return -EINVAL;
	return ip_parse(out, (const char *)w.p, w.n);
}

/* The line without its end and without "PROXY ". */
static int v1_line(struct slice line, struct proxy_head *out)
{
	struct slice family = word(&line);
	bool v4 = is(family, "TCP4");
	int from_port, to_port;

	if (is(family, "UNKNOWN"))
		return 0;
	if (!v4 && !is(family, "TCP6"))
		return -EINVAL;
	if (v1_address(word(&line), v4, &out->from) || v1_address(word(&line), v4, &out->to))
		return -EINVAL;
	from_port = port_of(word(&line));
	to_port = port_of(word(&line));
	if (from_port < 0 || to_port < 0 || line.p)
		return -EINVAL;
	out->known = true;
	out->from_port = (uint16_t)from_port;
	out->to_port = (uint16_t)to_port;
	return 0;
}

static int v1_parse(const uint8_t *p, size_t n, struct proxy_head *out)
{
	const size_t lead = strlen("PROXY ");
	const uint8_t *end = memchr(p, '\n', min_of(n, PROXY_V1_MAX));
	struct slice line;

	if (memcmp(p, "PROXY ", min_of(n, lead)))
		return -EINVAL;
	if (!end)
		return n < PROXY_V1_MAX ? 0 : -EINVAL;
	line = (struct slice){p + lead, (size_t)(end - p)};
	if (line.n < lead + 1 || end[-1] != '\r')
		return -EINVAL;
	line.n -= lead + 1;
	return v1_line(line, out) ? -EINVAL : (int)(end + 1 - p);
}

/* ---- version 2 ---- */

/* The addresses of a stream over IPv4 or IPv6; other families leave *out unknown. */
static int v2_addresses(uint8_t family, struct rd *r, struct proxy_head *out)
{
	const bool v4 = family == 0x11;
	const size_t len = v4 ? 4 : 16;
	const uint8_t *from, *to;

	if (!v4 && family != 0x21)
		return 0;
	from = rd_take(r, len);
	to = rd_take(r, len);
	out->from_port = rd_be16(r);
	out->to_port = rd_be16(r);
	if (r->bad)
		return -EINVAL;
	if (v4) {
		out->from = ip_of_v4(from);
		out->to = ip_of_v4(to);
	} else {
		memcpy(out->from.b, from, len);
		memcpy(out->to.b, to, len);
	}
	out->known = true;
	return 0;
}

static int v2_parse(const uint8_t *p, size_t n, struct proxy_head *out)
{
	size_t len;
	struct rd r;

	if (memcmp(p, v2_signature, min_of(n, sizeof(v2_signature))))
		return -EINVAL;
	/* Version 2; command LOCAL or PROXY; then the family, any. */
	if (n > 12 && (p[12] & 0xfe) != 0x20)
		return -EINVAL;
	if (n < V2_FIXED)
		return 0;
	len = get_be16(p + 14);
	if (V2_FIXED + len > PROXY_V2_MAX)
		return -EINVAL;
	if (n < V2_FIXED + len)
		return 0;
	r = rd_of(p + V2_FIXED, len);
	if ((p[12] & 1) && v2_addresses(p[13], &r, out))
		return -EINVAL;
	return (int)(V2_FIXED + len);
}

int proxy_parse(const uint8_t *p, size_t n, struct proxy_head *out)
{
	struct proxy_head head = {0};
	int took;

	if (!n)
		return 0;
	took = p[0] == v2_signature[0] ? v2_parse(p, n, &head) : v1_parse(p, n, &head);
	if (took > 0)
		*out = head;
	return took;
}
