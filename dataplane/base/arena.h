/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of one size from one memory region that is reserved at start.
 *
 * Wire logs live in these blocks; whoever sends from them (io_uring registered buffers, DPDK
 * external memory, the kernel module) is shown the whole region once. Memory is touched only when
 * a block is used. A few freed blocks stay resident (warm) and are used again first, so that a
 * steady load makes no system call; beyond these the memory goes back to the system (cold), unless
 * the arena is `fixed`: reserved huge pages, or memory that a NIC or a kernel holds by its pages.
 *
 * Invariant: a block is either with one owner or in one of the two free lists.
 * Threads: arena_get and arena_put from any thread (lock-free stacks); the rest at start and end.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arena_pages { ARENA_NORMAL, ARENA_THP, ARENA_HUGE };

struct arena {
	uint8_t *base;
	size_t bytes;
	uint32_t block_bytes, blocks;
	bool fixed; /* no memory goes back before the end */
	/* Free lists, the top of each: tag << 32 | index + 1; 0 in the low half: empty. */
	_Atomic uint64_t warm, cold;
	_Atomic uint32_t warm_n; /* blocks in the warm list, but for those on their way */
	_Atomic uint32_t fresh;	 /* blocks never handed out start here */
	_Atomic uint32_t used;	 /* blocks with an owner */
	_Atomic uint32_t *next;	 /* next[i]: the block below i in its free list, + 1 */
};

/*
 * Reserves `bytes` (rounded down to whole blocks; at least one). block_bytes: a power of two,
 * 4096..2^30. ARENA_HUGE needs reserved huge pages and fails with -ENOMEM without them.
 * Returns 0 or -errno.
 */
int arena_init(struct arena *a, size_t bytes, uint32_t block_bytes, enum arena_pages pages);
void arena_fini(struct arena *a);
/* A block with any content, or NULL when all are in use. */
uint8_t *arena_get(struct arena *a);
void arena_put(struct arena *a, uint8_t *block);
/* Gives back what stayed resident while more blocks were in use. Any thread, now and then. */
void arena_settle(struct arena *a);
/* Number of a block, 0..blocks-1; must() checks that p points into the arena. */
uint32_t arena_index(const struct arena *a, const uint8_t *p);
static inline uint32_t arena_used(const struct arena *a)
{
	return atomic_load_explicit(&((struct arena *)a)->used, memory_order_relaxed);
}

#endif
