/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/nal.h"

#include "base/check.h"

#define SETS_MAX 16 /* of one kind */

/* Where a start code begins, or the end. */
static const uint8_t *find_start(const uint8_t *p, const uint8_t *end)
{
	for (; end - p >= 3; p++) {
		p = memchr(p, 0, (size_t)(end - p - 2));
		if (!p)
			return end;
		if (p[1] == 0 && p[2] == 1)
			return p;
	}
	return end;
}

bool nal_is_annexb(const uint8_t *p, size_t n)
{
	size_t zeros = 0;

	while (zeros < n && p[zeros] == 0)
		zeros++;
	return zeros >= 2 && zeros < n && p[zeros] == 1;
}

bool nal_next(struct slice *rest, struct slice *unit)
{
	const uint8_t *end = rest->p + rest->n, *start, *next;

	for (;;) {
		start = find_start(rest->p, end);
		if (start == end)
			return false;
		start += 3;
		next = find_start(start, end);
		*rest = (struct slice){next, (size_t)(end - next)};
		/* Zeros before a start code belong to it. */
		while (next > start && next[-1] == 0)
			next--;
		*unit = (struct slice){start, (size_t)(next - start)};
		if (unit->n)
			return true;
	}
}

size_t nal_lengths_room(size_t n)
{
	/* A unit of one byte grows from 4 bytes to 5. */
	return n + n / 4 + 8;
}

size_t nal_to_lengths(uint8_t *dst, const uint8_t *p, size_t n)
{
	struct slice rest = {p, n}, unit;
	uint8_t *at = dst;

	while (nal_next(&rest, &unit)) {
		put_be32(at, (uint32_t)unit.n);
		memcpy(at + 4, unit.p, unit.n);
		at += 4 + unit.n;
	}
	return (size_t)(at - dst);
}

/* ---- configuration records --------------------------------------------------------------------- */

struct sets {
	struct slice set[SETS_MAX];
	unsigned n;
};

static unsigned type_of(enum nal_codec codec, struct slice unit)
{
	return codec == NAL_H264 ? unit.p[0] & 0x1f : unit.p[0] >> 1 & 0x3f;
}

/* The different units of one type, in order. */
static void collect(struct sets *out, enum nal_codec codec, unsigned type, const uint8_t *p,
		    size_t n)
{
	struct slice rest = {p, n}, unit;

	out->n = 0;
	while (nal_next(&rest, &unit)) {
		bool known = false;

		if (type_of(codec, unit) != type || unit.n > UINT16_MAX || out->n == SETS_MAX)
			continue;
		for (unsigned i = 0; i < out->n; i++)
			known = known ||
				(out->set[i].n == unit.n && !memcmp(out->set[i].p, unit.p, unit.n));
		if (!known)
			out->set[out->n++] = unit;
	}
}

static void put_sets(struct wr *w, const struct sets *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		wr_be16(w, (uint16_t)s->set[i].n);
		wr_bytes(w, s->set[i].p, s->set[i].n);
	}
}

/* ISO/IEC 14496-15 5.3.3.1 */
static void put_avcc(struct wr *w, const struct sets *sps, const struct sets *pps,
		     const struct nal_picture *pic)
{
	const uint8_t *first = sps->set[0].p;
	uint8_t profile = first[1];

	wr_u8(w, 1);
	wr_bytes(w, first + 1, 3);
	wr_u8(w, 0xff);
	wr_u8(w, (uint8_t)(0xe0 | sps->n));
	put_sets(w, sps);
	wr_u8(w, (uint8_t)pps->n);
	put_sets(w, pps);
	if (profile == 100 || profile == 110 || profile == 122 || profile == 144) {
		wr_u8(w, (uint8_t)(0xfc | pic->chroma));
		wr_u8(w, (uint8_t)(0xf8 | (pic->bits - 8)));
		wr_u8(w, (uint8_t)(0xf8 | (pic->bits - 8)));
		wr_u8(w, 0);
	}
}

/* The first bytes of a unit without emulation prevention; how many. */
static size_t unescape(uint8_t *dst, size_t room, struct slice unit)
{
	size_t n = 0;

	for (size_t i = 0; i < unit.n && n < room; i++) {
		bool escape = i >= 2 && unit.p[i] == 3 && !unit.p[i - 1] && !unit.p[i - 2];

		if (!escape)
			dst[n++] = unit.p[i];
	}
	return n;
}

#define HEVC_PTL_AT 3 /* unit header, then ids and sub-layers in one byte */
#define HEVC_PTL_N  12

/* ISO/IEC 14496-15 8.3.3.1 */
static void put_hvcc(struct wr *w, const struct sets all[3], const uint8_t *sps,
		     const struct nal_picture *pic)
{
	static const uint8_t types[3] = {32, 33, 34};
	unsigned layers = (sps[2] >> 1 & 7) + 1, nested = sps[2] & 1;

	wr_u8(w, 1);
	wr_bytes(w, sps + HEVC_PTL_AT, HEVC_PTL_N);
	wr_be16(w, 0xf000);
	wr_u8(w, 0xfc);
	wr_u8(w, (uint8_t)(0xfc | pic->chroma));
	wr_u8(w, (uint8_t)(0xf8 | (pic->bits - 8)));
	wr_u8(w, (uint8_t)(0xf8 | (pic->bits - 8)));
	wr_be16(w, 0);
	wr_u8(w, (uint8_t)(layers << 3 | nested << 2 | 3));
	wr_u8(w, 3);
	for (int i = 0; i < 3; i++) {
		wr_u8(w, 0x80 | types[i]);
		wr_be16(w, (uint16_t)all[i].n);
		put_sets(w, &all[i]);
	}
}

size_t nal_record(uint8_t dst[NAL_RECORD_MAX], enum nal_codec codec, const struct nal_picture *pic,
		  const uint8_t *p, size_t n)
{
	struct wr w = wr_of(dst, NAL_RECORD_MAX);
	uint8_t sps[HEVC_PTL_AT + HEVC_PTL_N];
	struct sets all[3];

	if (codec == NAL_H264) {
		collect(&all[1], codec, 7, p, n);
		collect(&all[2], codec, 8, p, n);
		if (!all[1].n || !all[2].n || all[1].set[0].n < 4)
			return 0;
		put_avcc(&w, &all[1], &all[2], pic);
		return w.bad ? 0 : wr_len(&w);
	}
	for (unsigned i = 0; i < array_len(all); i++) {
		collect(&all[i], codec, 32 + i, p, n);
		if (!all[i].n)
			return 0;
	}
	if (unescape(sps, sizeof(sps), all[1].set[0]) < sizeof(sps))
		return 0;
	put_hvcc(&w, all, sps, pic);
	return w.bad ? 0 : wr_len(&w);
}
