/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A budget of heap memory: what one connection, parser or cache may make the process keep.
 *
 * Every growable thing takes its memory from a struct mem, so that a peer can never make it grow
 * beyond `max` bytes (interop T14) and every allocation is counted. Pure code (media/, net/tcp/)
 * allocates only through one. Threads: one owner.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct mem {
	size_t used, max; /* bytes */
	uint64_t *allocs; /* counted up at each allocation; may be NULL */
};

/*
 * Resizes p from `old` to `want` bytes as realloc does (NULL and 0 to begin, want 0 frees).
 * NULL when the budget or the machine has no more: p stays as it was. After want 0: NULL.
 */
void *mem_resize(struct mem *m, void *p, size_t old, size_t want);

static inline void mem_free(struct mem *m, void *p, size_t old)
{
	mem_resize(m, p, old, 0);
}

/* A growable run of bytes within a budget; also a sink. */
struct buf {
	struct sink sink;
	struct mem *mem;
	uint8_t *p;
	size_t n, cap;
	bool bad; /* a write did not fit the budget; sticky until buf_reset */
};

void buf_init(struct buf *b, struct mem *m);
void buf_fini(struct buf *b);
/* Room for n more bytes at p + n; 0 or -ENOMEM. */
int buf_reserve(struct buf *b, size_t n);
void buf_write(struct buf *b, const void *p, size_t n);
/* Empties it; memory above `keep` bytes goes back. */
void buf_reset(struct buf *b, size_t keep);

#endif
