/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded reading and writing of bytes, and slices.
 *
 * struct rd and struct wr carry a sticky `bad` flag: after the first step out of bounds every
 * read gives zero and every write does nothing, so a parser checks once at the end.
 * Byte order is in the name; lengths are bytes. Threads: any, pure.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that somebody else owns. */
struct slice {
	const uint8_t *p;
	size_t n;
};

/* Where serialised bytes go; write() takes all n bytes or remembers its failure itself. */
struct sink {
	void (*write)(struct sink *, const void *p, size_t n);
};

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	put_be24(p + 1, v & 0xffffff);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

/* ---- reader ---- */
struct rd {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct rd rd_of(const void *p, size_t n)
{
	return (struct rd){(const uint8_t *)p, (const uint8_t *)p + n, false};
}

static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* n bytes in place, or NULL and bad. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_take(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rd_be16(struct rd *r)
{
	const uint8_t *p = rd_take(r, 2);

	return p ? get_be16(p) : 0;
}

static inline uint32_t rd_be24(struct rd *r)
{
	const uint8_t *p = rd_take(r, 3);

	return p ? get_be24(p) : 0;
}

static inline uint32_t rd_be32(struct rd *r)
{
	const uint8_t *p = rd_take(r, 4);

	return p ? get_be32(p) : 0;
}

static inline uint32_t rd_le32(struct rd *r)
{
	const uint8_t *p = rd_take(r, 4);

	return p ? get_le32(p) : 0;
}

static inline uint64_t rd_be64(struct rd *r)
{
	const uint8_t *p = rd_take(r, 8);

	return p ? get_be64(p) : 0;
}

/* ---- writer into fixed memory ---- */
struct wr {
	struct sink sink; /* writes go to the same place: usable wherever a sink is wanted */
	uint8_t *start, *p, *end;
	bool bad;
};

static inline void wr_bytes(struct wr *w, const void *p, size_t n)
{
	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return;
	}
	if (n)
		memcpy(w->p, p, n);
	w->p += n;
}

static inline void wr_sink_write(struct sink *s, const void *p, size_t n)
{
	wr_bytes((struct wr *)s, p, n);
}

static inline struct wr wr_of(void *p, size_t n)
{
	return (struct wr){{wr_sink_write}, (uint8_t *)p, (uint8_t *)p, (uint8_t *)p + n, false};
}

static inline size_t wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_bytes(w, &v, 1);
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
	uint8_t b[2];

	put_be16(b, v);
	wr_bytes(w, b, sizeof(b));
}

static inline void wr_be24(struct wr *w, uint32_t v)
{
	uint8_t b[3];

	put_be24(b, v);
	wr_bytes(w, b, sizeof(b));
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	wr_bytes(w, b, sizeof(b));
}

static inline void wr_le32(struct wr *w, uint32_t v)
{
	uint8_t b[4];

	put_le32(b, v);
	wr_bytes(w, b, sizeof(b));
}

static inline void wr_be64(struct wr *w, uint64_t v)
{
	uint8_t b[8];

	put_be64(b, v);
	wr_bytes(w, b, sizeof(b));
}

#endif
