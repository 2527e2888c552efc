/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_sum.h"

#include "base/bytes.h"

void sum_add(struct sum *s, const void *p, size_t n)
{
	const uint8_t *b = p;

	if (n && s->odd) {
		s->total += *b++;
		s->odd = false;
		n--;
	}
	for (; n >= 8; n -= 8, b += 8)
		s->total += (uint64_t)get_be32(b) + get_be32(b + 4);
	for (; n >= 2; n -= 2, b += 2)
		s->total += get_be16(b);
	if (n) {
		s->total += (uint64_t)*b << 8;
		s->odd = true;
	}
}

void sum_pseudo(struct sum *s, const struct ip *src, const struct ip *dst, uint8_t proto,
		uint32_t n)
{
	size_t skip = ip_is_v4(src) ? 12 : 0;

	sum_add(s, src->b + skip, 16 - skip);
	sum_add(s, dst->b + skip, 16 - skip);
	s->total += (uint64_t)proto + n;
}

uint16_t sum_fold(const struct sum *s)
{
	uint64_t t = s->total;

	while (t >> 16)
		t = (t & 0xffff) + (t >> 16);
	return (uint16_t)t;
}
