/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading bits, most significant first, as codec configurations need it.
 *
 * As struct rd: a sticky `bad` flag after the first step out of bounds, zeros from then on.
 * With `rbsp` set, emulation prevention bytes (00 00 03) of H.264 and HEVC are left out.
 * Source: ISO/IEC 14496-10, 7.3.1 and 9.1. Threads: pure, any.
 */
#ifndef MEDIA_BITS_H
#define MEDIA_BITS_H

#include "base/bytes.h"

struct bits {
	const uint8_t *p, *end;
	uint8_t cur, left; /* the byte being read, and how many of its bits are left */
	uint8_t zeros;	   /* zero bytes just before p */
	bool rbsp, bad;
};

static inline struct bits bits_of(struct slice s, bool rbsp)
{
	return (struct bits){.p = s.p, .end = s.p + s.n, .rbsp = rbsp};
}

static inline bool bits_fill(struct bits *b)
{
	if (b->rbsp && b->zeros >= 2 && b->p < b->end && *b->p == 3) {
		b->p++;
		b->zeros = 0;
	}
	if (b->bad || b->p >= b->end) {
		b->bad = true;
		return false;
	}
	b->cur = *b->p++;
	b->zeros = b->cur ? 0 : (uint8_t)(b->zeros < 2 ? b->zeros + 1 : 2);
	b->left = 8;
	return true;
}

static inline uint32_t bits_u1(struct bits *b)
{
	if (!b->left && !bits_fill(b))
		return 0;
	b->left--;
	return b->cur >> b->left & 1;
}

/* n at most 32. */
static inline uint32_t bits_u(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 1 | bits_u1(b);
	return v;
}

static inline void bits_skip(struct bits *b, unsigned n)
{
	while (n--)
		bits_u1(b);
}

/* Exp-Golomb, unsigned; more than 31 leading zeros are bad. */
static inline uint32_t bits_ue(struct bits *b)
{
	unsigned zeros = 0;

	while (!b->bad && !bits_u1(b)) {
		if (++zeros > 31)
			b->bad = true;
	}
	return b->bad ? 0 : (1u << zeros) - 1 + bits_u(b, zeros);
}

/* Exp-Golomb, signed. */
static inline int32_t bits_se(struct bits *b)
{
	uint32_t k = bits_ue(b);

	return k & 1 ? (int32_t)(k / 2 + 1) : -(int32_t)(k / 2);
}

/* Bits not yet read (without rbsp). */
static inline size_t bits_left(const struct bits *b)
{
	return b->bad ? 0 : (size_t)(b->end - b->p) * 8 + b->left;
}

#endif
