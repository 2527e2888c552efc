/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FLV reader. However the bytes are cut, the same messages come out, and what is kept never
 * exceeds the budget.
 */
#include <stdlib.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/flv.h"

#define MESSAGE_MAX (1 << 20)
#define BUDGET	    (1 << 16)

/* FNV-1a over all that a reader says of its messages. */
static void hash(uint64_t *h, const void *p, size_t n)
{
	for (const uint8_t *c = p; n--; c++)
		*h = (*h ^ *c) * 0x100000001b3ull;
}

/* Pieces of at most `max` bytes; 0 where memory did not suffice, which cuts may decide. */
static uint64_t read_all(const uint8_t *data, size_t size, uint32_t max, uint32_t seed)
{
	struct mem mem = {.max = BUDGET};
	uint64_t h = 0xcbf29ce484222325ull;
	size_t off = 0;
	struct flv_in in;
	int took = 0;

	flv_in_init(&in, &mem, MESSAGE_MAX);
	while (off < size && took >= 0) {
		size_t n = size - off;
		uint8_t *piece;
		struct msg m;

		if (max) {
			seed = seed * 1664525 + 1013904223;
			n = min_of(n, 1 + (seed >> 8) % max);
		}
		piece = malloc(n);
		memcpy(piece, data + off, n);
		took = flv_in_feed(&in, piece, n, &m);
		if (took > 0) {
			must((size_t)took <= n && mem.used <= mem.max);
			off += (size_t)took;
			if (m.type != MSG_NONE) {
				hash(&h, &m.type, sizeof(m.type));
				hash(&h, &m.ts_ms, sizeof(m.ts_ms));
				hash(&h, &m.len, sizeof(m.len));
				hash(&h, m.data, m.len);
			}
		}
		must(took);
		free(piece);
	}
	hash(&h, &in.odd, sizeof(in.odd));
	if (took < 0)
		hash(&h, &took, sizeof(took));
	flv_in_fini(&in);
	must(!mem.used);
	return took == -REASON_MEMORY_BUDGET ? 0 : h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole = read_all(data, size, 0, 0);
	uint32_t seed = size ? data[size - 1] : 0;
	uint64_t cut = read_all(data, size, 1 + seed * 17, seed);

	must(!whole || !cut || whole == cut);
	return 0;
}
