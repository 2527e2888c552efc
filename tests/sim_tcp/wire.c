/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_tcp/wire.h"

#include <stdio.h>

#include "base/check.h"
#include "net/tcp/tcp_sum.h"

static unsigned l3_bytes(const uint8_t *packet)
{
	return packet[0] >> 4 == 4 ? (packet[0] & 15u) * 4 : 40;
}

void wire_sum(uint8_t *packet, size_t n)
{
	unsigned l3 = l3_bytes(packet);
	struct sum sum = {0};

	put_be16(packet + l3 + 16, 0);
	if (packet[0] >> 4 == 4) {
		struct sum head = {0};

		put_be16(packet + 10, 0);
		sum_add(&head, packet, l3);
		put_be16(packet + 10, sum_end(&head));
		sum_add(&sum, packet + 12, 8);
	} else {
		sum_add(&sum, packet + 8, 32);
	}
	sum.total += TCP_PROTO + n - l3;
	sum_add(&sum, packet + l3, n - l3);
	put_be16(packet + l3 + 16, sum_end(&sum));
}

static size_t copy_payload(uint8_t *dst, const struct tcp_packet *p, size_t from, size_t n)
{
	size_t at = 0, done = 0;

	for (unsigned i = 0; i < p->slices && done < n; i++) {
		const struct slice *s = &p->slice[i];
		size_t skip = from + done > at ? from + done - at : 0;

		if (skip < s->n) {
			size_t part = min_of(s->n - skip, n - done);

			memcpy(dst + done, s->p + skip, part);
			done += part;
		}
		at += s->n;
	}
	return done;
}

void wire_send(const struct tcp_packet *p, void (*each)(void *arg, uint8_t *packet, size_t n),
	       void *arg)
{
	size_t part = p->seg_bytes ? p->seg_bytes : p->bytes, off = 0;
	uint8_t packet[WIRE_BYTES];

	do {
		size_t n = min_of(part, p->bytes - off), total = p->hdr_bytes + n;
		uint8_t *tcp = packet + p->l3_bytes;

		must(total <= sizeof(packet));
		memcpy(packet, p->hdr, p->hdr_bytes);
		must(copy_payload(packet + p->hdr_bytes, p, off, n) == n);
		put_be32(tcp + 4, get_be32(tcp + 4) + (uint32_t)off);
		if (off + n < p->bytes)
			tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		put_be16(packet + (p->v6 ? 4 : 2), (uint16_t)(total - (p->v6 ? 40 : 0)));
		wire_sum(packet, total);
		each(arg, packet, total);
		off += n;
	} while (off < p->bytes);
}

void wire_strip(uint8_t *packet, size_t n, uint32_t kinds)
{
	uint8_t *tcp = packet + l3_bytes(packet);
	unsigned head = (tcp[12] >> 4) * 4u;

	for (unsigned i = 20; i < head && tcp[i];) {
		unsigned len = tcp[i] == 1 ? 1 : tcp[i + 1];

		if (tcp[i] < 32 && kinds >> tcp[i] & 1)
			memset(tcp + i, 1, len);
		i += len;
	}
	wire_sum(packet, n);
}

void wire_window(uint8_t *packet, size_t n, uint16_t wnd)
{
	put_be16(packet + l3_bytes(packet) + 14, wnd);
	wire_sum(packet, n);
}

void wire_lie(uint8_t *packet, size_t n, uint32_t chance)
{
	static const uint32_t off[] = {1, 2000, 40000, 1u << 20, 1u << 31};
	uint8_t *tcp = packet + l3_bytes(packet);
	uint32_t by = off[chance / 16 % 5] * (chance & 8 ? 1 : UINT32_MAX);

	switch (chance % 8) {
	case 0: /* an optimistic or an old ACK */
		put_be32(tcp + 8, get_be32(tcp + 8) + by);
		break;
	case 1:
		put_be32(tcp + 4, get_be32(tcp + 4) + by);
		break;
	case 2: /* a window that shrinks */
		put_be16(tcp + 14, (uint16_t)(chance / 128));
		break;
	case 3:
		tcp[13] ^= (uint8_t)(1u << chance / 128 % 6);
		break;
	default: /* blocks that were never sent, timestamps from elsewhere */
		if ((tcp[12] >> 4) > 5) {
			unsigned at = 20 + chance / 128 % ((tcp[12] >> 4) * 4u - 20);

			tcp[at] = (uint8_t)(chance >> 20);
		}
	}
	wire_sum(packet, n);
}

size_t wire_build(uint8_t *packet, const struct tcp_seg *g)
{
	unsigned l3, n = tcp_hdr_write(packet, g, (uint32_t)g->data.n, 0, &l3);

	if (g->data.n)
		memcpy(packet + n, g->data.p, g->data.n);
	wire_sum(packet, n + g->data.n);
	return n + g->data.n;
}

void wire_print(const char *who, double at, const uint8_t *packet, size_t n)
{
	struct tcp_seg g;

	if (tcp_seg_parse(&g, packet, n, true)) {
		printf("# %.6f %s something of %zu bytes\n", at, who, n);
		return;
	}
	printf("# %.6f %s %s%s%s%s%s %u:%u(%zu) ack %u win %u", at, who,
	       g.flags & TCP_SYN ? "S" : "", g.flags & TCP_FIN ? "F" : "",
	       g.flags & TCP_RST ? "R" : "", g.flags & TCP_PSH ? "P" : "",
	       g.flags & TCP_ACK ? "." : "", g.seq, g.seq + (uint32_t)g.data.n, g.data.n, g.ack,
	       g.wnd);
	for (unsigned i = 0; i < g.sacks; i++)
		printf(" sack %u:%u", g.sack[i].start, g.sack[i].end);
	if (g.has_ts)
		printf(" ts %u %u", g.tsval, g.tsecr);
	printf("\n");
}
