/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
/* Freed blocks that stay resident: so many, and one for each WARM_SHARE in use. */
#define WARM_MIN   4u
#define WARM_SHARE 8u

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Address space aligned to a huge page; memory follows when it is touched. */
static uint8_t *map_aligned(size_t bytes)
{
	size_t wide = bytes + HUGE_PAGE_BYTES, head;
	uint8_t *p = mmap(NULL, wide, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	head = round_up((uintptr_t)p, HUGE_PAGE_BYTES) - (uintptr_t)p;
	if (head)
		munmap(p, head);
	if (wide > head + bytes)
		munmap(p + head + bytes, wide - head - bytes);
	return p + head;
}

static uint8_t *map_huge(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int arena_init(struct arena *a, size_t bytes, uint32_t block_bytes, enum arena_pages pages)
{
	size_t blocks = bytes / block_bytes;

	must(block_bytes >= 4096 && block_bytes <= 1u << 30);
	must((block_bytes & (block_bytes - 1)) == 0);
	if (!blocks)
		blocks = 1;
	if (blocks >= UINT32_MAX || bytes > SIZE_MAX - 2 * HUGE_PAGE_BYTES)
		return -EINVAL;

	*a = (struct arena){.block_bytes = block_bytes,
			    .blocks = (uint32_t)blocks,
			    .fixed = pages == ARENA_HUGE};
	a->bytes = round_up(blocks * block_bytes, pages == ARENA_HUGE ? HUGE_PAGE_BYTES : 4096);
	a->next = calloc(blocks, sizeof(*a->next));
	if (!a->next)
		return -ENOMEM;
	a->base = pages == ARENA_HUGE ? map_huge(a->bytes) : map_aligned(a->bytes);
	if (!a->base) {
		free(a->next);
		a->next = NULL;
		return -ENOMEM;
	}
	/* Both are advice: a kernel without transparent huge pages refuses, and all still works. */
	if (pages != ARENA_HUGE)
		madvise(a->base, a->bytes, pages == ARENA_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return 0;
}

void arena_fini(struct arena *a)
{
	if (a->base)
		munmap(a->base, a->bytes);
	free(a->next);
	*a = (struct arena){0};
}

/* The tag changes with every change of the top, so that a stale top never compares equal. */
static uint64_t top_of(uint64_t old, uint32_t index1)
{
	return ((old >> 32) + 1) << 32 | index1;
}

static uint8_t *take_freed(struct arena *a, _Atomic uint64_t *list)
{
	uint64_t top = atomic_load_explicit(list, memory_order_acquire);
	uint32_t below;

	do {
		if (!(uint32_t)top)
			return NULL;
		below = atomic_load_explicit(&a->next[(uint32_t)top - 1], memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		list, &top, top_of(top, below), memory_order_acquire, memory_order_acquire));
	return a->base + (size_t)((uint32_t)top - 1) * a->block_bytes;
}

static void put_freed(struct arena *a, _Atomic uint64_t *list, uint32_t i)
{
	uint64_t top = atomic_load_explicit(list, memory_order_relaxed);

	do {
		atomic_store_explicit(&a->next[i], (uint32_t)top, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		list, &top, top_of(top, i + 1), memory_order_release, memory_order_relaxed));
}

static uint8_t *take_fresh(struct arena *a)
{
	uint32_t i = atomic_load_explicit(&a->fresh, memory_order_relaxed);

	do {
		if (i == a->blocks)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(&a->fresh, &i, i + 1, memory_order_relaxed,
							memory_order_relaxed));
	return a->base + (size_t)i * a->block_bytes;
}

uint8_t *arena_get(struct arena *a)
{
	uint8_t *block = take_freed(a, &a->warm);

	if (block)
		atomic_fetch_sub_explicit(&a->warm_n, 1, memory_order_relaxed);
	else
		block = take_freed(a, &a->cold);
	if (!block)
		block = take_fresh(a);
	if (block)
		atomic_fetch_add_explicit(&a->used, 1, memory_order_relaxed);
	return block;
}

static bool too_warm(const struct arena *a, uint32_t warm, uint32_t used)
{
	return !a->fixed && warm >= WARM_MIN + used / WARM_SHARE;
}

static void put_cold(struct arena *a, uint8_t *block)
{
	madvise(block, a->block_bytes, MADV_DONTNEED);
	put_freed(a, &a->cold, arena_index(a, block));
}

void arena_settle(struct arena *a)
{
	while (too_warm(a, atomic_load_explicit(&a->warm_n, memory_order_relaxed), arena_used(a))) {
		uint8_t *block = take_freed(a, &a->warm);

		if (!block)
			return;
		atomic_fetch_sub_explicit(&a->warm_n, 1, memory_order_relaxed);
		put_cold(a, block);
	}
}

void arena_put(struct arena *a, uint8_t *block)
{
	uint32_t i = arena_index(a, block), used, warm;

	must(block == a->base + (size_t)i * a->block_bytes);
	used = atomic_fetch_sub_explicit(&a->used, 1, memory_order_relaxed);
	must(used != 0);
	/* Counted before it is there to be taken, so that the number never falls below zero. */
	warm = atomic_fetch_add_explicit(&a->warm_n, 1, memory_order_relaxed);
	if (!too_warm(a, warm, used)) {
		put_freed(a, &a->warm, i);
		return;
	}
	atomic_fetch_sub_explicit(&a->warm_n, 1, memory_order_relaxed);
	put_cold(a, block);
}

uint32_t arena_index(const struct arena *a, const uint8_t *p)
{
	must(p >= a->base && p < a->base + (size_t)a->blocks * a->block_bytes);
	return (uint32_t)((size_t)(p - a->base) / a->block_bytes);
}
