/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of one size from slabs, up to a maximum.
 *
 * Slabs come from the system as the pool grows and go back when all of a slab's objects are free and
 * another whole slab is spare, so that memory follows use down again. A fresh object is zeroed.
 * Under AddressSanitizer free objects are poisoned: use after pool_put() is reported.
 * Invariant: used <= max. Threads: one owner (a pool per core).
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct pool_slab;
LIST_HEAD(pool_slabs, pool_slab);

struct pool {
	const char *name;
	uint32_t object_bytes, per_slab;
	uint32_t used, peak, max; /* objects */
	uint32_t slabs;
	size_t slab_bytes; /* a power of two; slabs are aligned to it */
	uint64_t *allocs;  /* counted up when a slab is taken from the system; may be NULL */
	struct pool_slabs partial, full;
	struct pool_slab *spare; /* the one slab kept with no object in use, or NULL */
};

/* object_bytes 1..65536, max 1..2^31. `name` must outlive the pool. */
void pool_init(struct pool *p, const char *name, size_t object_bytes, uint32_t max);
/* Frees every slab; objects still in use become invalid. */
void pool_fini(struct pool *p);
/* A zeroed, 64-byte aligned object, or NULL at the maximum or without memory. */
void *pool_get(struct pool *p);
/* NULL is fine. */
void pool_put(struct pool *p, void *object);

#endif
