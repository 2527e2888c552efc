/* SPDX-License-Identifier: Apache-2.0 */
#include "media/amf0.h"

#include <errno.h>

enum marker {
	M_NUMBER = 0x00,
	M_BOOL = 0x01,
	M_STRING = 0x02,
	M_OBJECT = 0x03,
	M_NULL = 0x05,
	M_UNDEFINED = 0x06,
	M_REFERENCE = 0x07,
	M_ECMA_ARRAY = 0x08,
	M_OBJECT_END = 0x09,
	M_STRICT_ARRAY = 0x0a,
	M_DATE = 0x0b,
	M_LONG_STRING = 0x0c,
	M_UNSUPPORTED = 0x0d,
	M_XML = 0x0f,
	M_TYPED_OBJECT = 0x10,
	M_AVMPLUS = 0x11,
};

/* Values of amf0_rd.left that are no count; a real count never exceeds the bytes left. */
#define IN_OBJECT UINT32_MAX
#define IN_ECMA	  (UINT32_MAX - 1)

void amf0_rd_init(struct amf0_rd *a, const void *p, size_t n)
{
	*a = (struct amf0_rd){.r = rd_of(p, n)};
}

static int malformed(struct amf0_rd *a)
{
	a->r.bad = true;
	return -EINVAL;
}

static int enter(struct amf0_rd *a, uint32_t left)
{
	if (a->depth == AMF0_DEPTH_MAX)
		return malformed(a);
	a->left[a->depth++] = left;
	return 1;
}

static int leave(struct amf0_rd *a, struct amf0_token *t)
{
	a->depth--;
	t->kind = AMF0_END;
	return 1;
}

static struct slice take_slice(struct amf0_rd *a, size_t n)
{
	const uint8_t *p = rd_take(&a->r, n);

	return p ? (struct slice){p, n} : (struct slice){0};
}

static double take_double(struct amf0_rd *a)
{
	uint64_t bits = rd_be64(&a->r);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static int begin_object(struct amf0_rd *a, struct amf0_token *t, uint8_t marker)
{
	t->kind = AMF0_OBJECT;
	t->ecma = marker == M_ECMA_ARRAY;
	if (t->ecma)
		rd_be32(&a->r); /* the count is often wrong (interop C8) */
	else if (marker == M_TYPED_OBJECT)
		take_slice(a, rd_be16(&a->r)); /* class name */
	return enter(a, t->ecma ? IN_ECMA : IN_OBJECT);
}

static int begin_array(struct amf0_rd *a, struct amf0_token *t)
{
	uint32_t count = rd_be32(&a->r);

	/* An element has at least its marker byte, so a larger count is a lie. */
	if (count > rd_left(&a->r))
		return malformed(a);
	t->kind = AMF0_ARRAY;
	return enter(a, count);
}

/* The value behind `marker`; its key is already in *t. */
static int read_value(struct amf0_rd *a, struct amf0_token *t, uint8_t marker)
{
	switch (marker) {
	case M_NUMBER:
		t->kind = AMF0_NUMBER;
		t->number = take_double(a);
		return 1;
	case M_BOOL:
		t->kind = AMF0_BOOL;
		t->number = rd_u8(&a->r) != 0;
		return 1;
	case M_STRING:
		t->kind = AMF0_STRING;
		t->str = take_slice(a, rd_be16(&a->r));
		return 1;
	case M_LONG_STRING:
	case M_XML:
		t->kind = AMF0_STRING;
		t->str = take_slice(a, rd_be32(&a->r));
		return 1;
	case M_NULL:
	case M_UNDEFINED:
	case M_UNSUPPORTED:
		t->kind = AMF0_NULL;
		return 1;
	case M_DATE:
		t->kind = AMF0_DATE;
		t->number = take_double(a);
		rd_be16(&a->r); /* time zone: reserved, to be ignored */
		return 1;
	case M_REFERENCE:
		t->kind = AMF0_REFERENCE;
		t->number = rd_be16(&a->r);
		return 1;
	case M_OBJECT:
	case M_ECMA_ARRAY:
	case M_TYPED_OBJECT:
		return begin_object(a, t, marker);
	case M_STRICT_ARRAY:
		return begin_array(a, t);
	case M_AVMPLUS:
		t->kind = AMF0_AMF3;
		t->str = take_slice(a, rd_left(&a->r));
		a->depth = 0;
		return 1;
	default:
		return malformed(a);
	}
}

static int next_member(struct amf0_rd *a, struct amf0_token *t)
{
	uint8_t marker;

	/* Some encoders leave out the end mark of an ECMA array that ends the message. */
	if (a->left[a->depth - 1] == IN_ECMA && !rd_left(&a->r))
		return leave(a, t);
	t->key = take_slice(a, rd_be16(&a->r));
	marker = rd_u8(&a->r);
	if (marker == M_OBJECT_END && !t->key.n)
		return leave(a, t);
	return read_value(a, t, marker);
}

static int next_element(struct amf0_rd *a, struct amf0_token *t)
{
	if (!a->left[a->depth - 1])
		return leave(a, t);
	a->left[a->depth - 1]--;
	return read_value(a, t, rd_u8(&a->r));
}

static int next_top(struct amf0_rd *a, struct amf0_token *t)
{
	uint8_t marker;

	do {
		if (!rd_left(&a->r))
			return 0;
		marker = rd_u8(&a->r);
	} while (marker == M_OBJECT_END); /* one too many, nothing hangs on it (interop C8) */
	return read_value(a, t, marker);
}

int amf0_next(struct amf0_rd *a, struct amf0_token *t)
{
	int r;

	*t = (struct amf0_token){0};
	if (a->r.bad)
		return -EINVAL;
	if (!a->depth)
		r = next_top(a, t);
	else if (a->left[a->depth - 1] >= IN_ECMA)
		r = next_member(a, t);
	else
		r = next_element(a, t);
	return a->r.bad ? -EINVAL : r;
}

int amf0_skip(struct amf0_rd *a, const struct amf0_token *t)
{
	struct amf0_token inner;
	uint8_t depth = a->depth;

	if (t->kind != AMF0_OBJECT && t->kind != AMF0_ARRAY)
		return 0;
	while (a->depth >= depth) {
		if (amf0_next(a, &inner) <= 0)
			return -EINVAL;
	}
	return 0;
}

/* The next value if it has this kind; the reader stays where it was if not. */
static bool read_kind(struct amf0_rd *a, enum amf0_kind kind, struct amf0_token *t)
{
	struct amf0_rd before = *a;

	if (amf0_next(a, t) > 0 && t->kind == kind)
		return true;
	*a = before;
	return false;
}

bool amf0_read_number(struct amf0_rd *a, double *v)
{
	struct amf0_token t;

	if (!read_kind(a, AMF0_NUMBER, &t))
		return false;
	*v = t.number;
	return true;
}

bool amf0_read_string(struct amf0_rd *a, struct slice *v)
{
	struct amf0_token t;

	if (!read_kind(a, AMF0_STRING, &t))
		return false;
	*v = t.str;
	return true;
}

void amf0_number(struct wr *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	wr_u8(w, M_NUMBER);
	wr_be64(w, bits);
}

void amf0_bool(struct wr *w, bool v)
{
	wr_u8(w, M_BOOL);
	wr_u8(w, v);
}

void amf0_string(struct wr *w, const char *p, size_t n)
{
	if (n > UINT32_MAX) {
		w->bad = true;
	} else if (n > UINT16_MAX) {
		wr_u8(w, M_LONG_STRING);
		wr_be32(w, (uint32_t)n);
	} else {
		wr_u8(w, M_STRING);
		wr_be16(w, (uint16_t)n);
	}
	wr_bytes(w, p, n);
}

void amf0_cstring(struct wr *w, const char *text)
{
	amf0_string(w, text, strlen(text));
}

void amf0_null(struct wr *w)
{
	wr_u8(w, M_NULL);
}

void amf0_object(struct wr *w)
{
	wr_u8(w, M_OBJECT);
}

void amf0_ecma_array(struct wr *w, uint32_t count)
{
	wr_u8(w, M_ECMA_ARRAY);
	wr_be32(w, count);
}

void amf0_strict_array(struct wr *w, uint32_t count)
{
	wr_u8(w, M_STRICT_ARRAY);
	wr_be32(w, count);
}

void amf0_key(struct wr *w, const char *name)
{
	amf0_key_n(w, name, strlen(name));
}

void amf0_key_n(struct wr *w, const void *p, size_t n)
{
	if (n > UINT16_MAX) {
		w->bad = true;
		return;
	}
	wr_be16(w, (uint16_t)n);
	wr_bytes(w, p, n);
}

void amf0_end(struct wr *w)
{
	wr_be16(w, 0);
	wr_u8(w, M_OBJECT_END);
}
