/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of 2 KiB for what a connection needs only in trouble: many ranges, a scoreboard under
 * loss, segments that came out of order.
 *
 * Memory is the caller's, given once. When none is left the taker has a plan without one.
 * Invariant: used <= max. Threads: one owner.
 */
#ifndef NET_TCP_BLOCKS_H
#define NET_TCP_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#define TCP_BLOCK_BYTES 2048

struct tcp_blocks {
	uint8_t *base;
	void *free;	/* a list through the first bytes of free blocks */
	uint32_t fresh; /* blocks never handed out start here */
	uint32_t used, max;
};

void tcp_blocks_init(struct tcp_blocks *b, void *mem, uint32_t max);
/* Any content; NULL when all are in use. */
void *tcp_blocks_get(struct tcp_blocks *b);
/* NULL is fine. */
void tcp_blocks_put(struct tcp_blocks *b, void *block);

#endif
