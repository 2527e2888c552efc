/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMF0: reading any bytes ends, stays in bounds and keeps its structure; what was read, written
 * again and read once more is the same.
 */
#include "media/amf0.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "fuzz/fuzz.h"

static void check_slice(struct slice s, const uint8_t *data, size_t size)
{
	must(!s.n || (s.p >= data && s.n <= size && s.p - data <= (ptrdiff_t)(size - s.n)));
}

static bool same(struct slice a, struct slice b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

/* A value has a byte at least, and so has whatever ends. */
static size_t tokens_max(size_t bytes)
{
	return 2 * bytes;
}

static struct amf0_token *tokens_new(size_t bytes)
{
	struct amf0_token *tokens = calloc(tokens_max(bytes) + 1, sizeof(*tokens));

	must(tokens);
	return tokens;
}

/* All tokens up to the end; returns how many, *r is the last result. */
static size_t read_all(const uint8_t *data, size_t size, struct amf0_token *tokens, int *r)
{
	struct amf0_rd a;
	size_t n = 0;
	int depth = 0;

	amf0_rd_init(&a, data, size);
	while ((*r = amf0_next(&a, &tokens[n])) > 0) {
		const struct amf0_token *t = &tokens[n++];

		check_slice(t->key, data, size);
		check_slice(t->str, data, size);
		if (t->kind == AMF0_OBJECT || t->kind == AMF0_ARRAY)
			depth++;
		else if (t->kind == AMF0_END)
			depth--;
		else if (t->kind == AMF0_AMF3)
			depth = 0;
		must(n <= tokens_max(size));
		must(depth >= 0 && depth <= AMF0_DEPTH_MAX && depth == a.depth);
	}
	must(*r == 0 || *r == -EINVAL);
	must(*r < 0 || depth == 0);
	must(amf0_next(&a, &tokens[n]) == *r);
	return n;
}

/* Elements of the strict array whose token is t[0]. */
static uint32_t elements(const struct amf0_token *t, const struct amf0_token *end)
{
	uint32_t count = 0;
	int depth = 1;

	for (t++; t < end; t++) {
		if (t->kind == AMF0_END && !--depth)
			break;
		if (depth == 1 && t->kind != AMF0_END)
			count++;
		if (t->kind == AMF0_OBJECT || t->kind == AMF0_ARRAY)
			depth++;
	}
	return count;
}

/* Writes the tokens; the kinds that have no writer become null. */
static void write_all(struct wr *w, const struct amf0_token *tokens, size_t n)
{
	bool in_object[AMF0_DEPTH_MAX + 1] = {false};
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		const struct amf0_token *t = &tokens[i];

		if (in_object[depth] && t->kind != AMF0_END)
			amf0_key_n(w, t->key.p ? t->key.p : (const uint8_t *)"", t->key.n);
		switch (t->kind) {
		case AMF0_NUMBER:
			amf0_number(w, t->number);
			break;
		case AMF0_BOOL:
			amf0_bool(w, t->number != 0);
			break;
		case AMF0_STRING:
			amf0_string(w, t->str.p ? (const char *)t->str.p : "", t->str.n);
			break;
		case AMF0_OBJECT:
			if (t->ecma)
				amf0_ecma_array(w, 0);
			else
				amf0_object(w);
			in_object[++depth] = true;
			break;
		case AMF0_ARRAY:
			amf0_strict_array(w, elements(t, tokens + n));
			in_object[++depth] = false;
			break;
		case AMF0_END:
			if (in_object[depth--])
				amf0_end(w);
			break;
		default:
			amf0_null(w);
		}
	}
}

static void check_round_trip(const struct amf0_token *before, size_t n, size_t size)
{
	size_t room = size * 4 + 64;
	struct amf0_token *after = tokens_new(room);
	uint8_t *bytes = malloc(room);
	struct wr w = wr_of(bytes, room);
	int r;

	must(bytes);
	write_all(&w, before, n);
	must(!w.bad);
	must(read_all(bytes, wr_len(&w), after, &r) == n && r == 0);
	for (size_t i = 0; i < n; i++) {
		must(same(before[i].key, after[i].key));
		if (before[i].kind != after[i].kind) {
			must(after[i].kind == AMF0_NULL);
			continue;
		}
		must(before[i].ecma == after[i].ecma);
		must(same(before[i].str, after[i].str));
		must(!memcmp(&before[i].number, &after[i].number, sizeof(double)));
	}
	free(bytes);
	free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct amf0_token *tokens = tokens_new(size), t;
	struct amf0_rd a;
	size_t n;
	int r = 0;

	n = read_all(data, size, tokens, &r);
	if (r == 0 && (!n || tokens[n - 1].kind != AMF0_AMF3))
		check_round_trip(tokens, n, size);
	free(tokens);
	/* Stepping over whole top-level values comes to the same end. */
	amf0_rd_init(&a, data, size);
	while (amf0_next(&a, &t) > 0 && !amf0_skip(&a, &t))
		must(!a.depth);
	must(a.r.bad == (r < 0));
	return 0;
}
