/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMF0 values: reading them in place and writing them.
 *
 * Reading is by tokens: amf0_next() steps to the next value or structure mark; strings point into
 * the input. Counts of ECMA arrays are not believed, structures end at their end mark (an ECMA
 * array also at the end of the input), an end mark at top level is stepped over, the AVM+ (AMF3)
 * marker 0x11 is reported for one value and ends the reading (interop C7, C8).
 * Bounds: nesting AMF0_DEPTH_MAX, and as many values as the input has bytes.
 * Source: Action Message Format AMF 0, 2.1-2.18. Threads: pure, any.
 */
#ifndef MEDIA_AMF0_H
#define MEDIA_AMF0_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define AMF0_DEPTH_MAX 16

enum amf0_kind {
	AMF0_NUMBER = 1,
	AMF0_BOOL,
	AMF0_STRING, /* long strings and XML documents too */
	AMF0_NULL,   /* undefined and unsupported too */
	AMF0_DATE,   /* number: milliseconds since 1970 */
	AMF0_REFERENCE,
	AMF0_OBJECT, /* members follow, until AMF0_END; typed objects and ECMA arrays too */
	AMF0_ARRAY,  /* strict array: elements follow, until AMF0_END */
	AMF0_END,    /* of the innermost object or array */
	AMF0_AMF3,   /* the rest of the input is AMF3 */
};

struct amf0_token {
	enum amf0_kind kind;
	struct slice key; /* name of an object member; empty at top level and in arrays */
	bool ecma;	  /* AMF0_OBJECT that is an ECMA array */
	double number;	  /* AMF0_NUMBER, AMF0_DATE, AMF0_REFERENCE; 0 or 1 for AMF0_BOOL */
	struct slice str; /* AMF0_STRING; AMF0_AMF3: the rest of the input */
};

struct amf0_rd {
	struct rd r;
	uint8_t depth;
	uint32_t
		left[AMF0_DEPTH_MAX]; /* elements left of a strict array, or which kind of object */
};

void amf0_rd_init(struct amf0_rd *a, const void *p, size_t n);
/* >0: *t is the next token; 0: end of input at top level; <0: malformed (-EINVAL). */
int amf0_next(struct amf0_rd *a, struct amf0_token *t);
/* After an AMF0_OBJECT or AMF0_ARRAY token: past its end. 0 or -EINVAL. */
int amf0_skip(struct amf0_rd *a, const struct amf0_token *t);

/*
 * One scalar. false where the next value is of another kind or malformed: the reader then stays
 * before it.
 */
bool amf0_read_number(struct amf0_rd *a, double *v);
bool amf0_read_string(struct amf0_rd *a, struct slice *v);

void amf0_number(struct wr *w, double v);
void amf0_bool(struct wr *w, bool v);
/* Up to 65535 bytes as a string, more as a long string. */
void amf0_string(struct wr *w, const char *p, size_t n);
void amf0_cstring(struct wr *w, const char *text);
void amf0_null(struct wr *w);
void amf0_object(struct wr *w);
void amf0_ecma_array(struct wr *w, uint32_t count);
/* Exactly count values follow; there is no end mark. */
void amf0_strict_array(struct wr *w, uint32_t count);
/* Name of the next member; at most 65535 bytes. */
void amf0_key(struct wr *w, const char *name);
void amf0_key_n(struct wr *w, const void *p, size_t n);
/* Ends an object or ECMA array. */
void amf0_end(struct wr *w);

#endif
