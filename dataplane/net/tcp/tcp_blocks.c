/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_blocks.h"

#include <string.h>

#include "base/check.h"

void tcp_blocks_init(struct tcp_blocks *b, void *mem, uint32_t max)
{
	*b = (struct tcp_blocks){.base = mem, .max = max};
}

void *tcp_blocks_get(struct tcp_blocks *b)
{
	void *p = b->free;

	if (p)
		memcpy(&b->free, p, sizeof(b->free));
	else if (b->fresh < b->max)
		p = b->base + (size_t)b->fresh++ * TCP_BLOCK_BYTES;
	else
		return NULL;
	b->used++;
	return p;
}

void tcp_blocks_put(struct tcp_blocks *b, void *block)
{
	if (!block)
		return;
	must((uint8_t *)block >= b->base &&
	     (uint8_t *)block < b->base + (size_t)b->max * TCP_BLOCK_BYTES && b->used);
	memcpy(block, &b->free, sizeof(b->free));
	b->free = block;
	b->used--;
}
