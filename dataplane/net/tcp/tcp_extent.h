/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes a sequence number stands for: the send buffer of a stack that has none.
 *
 * An extent says that from `seq` on, up to the next extent, the bytes are those of `source` from
 * offset `at` on. Source 0 is plain memory, `at` its address; others are logs, whose bytes the
 * owner finds when they are needed, for a retransmission once more. A viewer's stream is a private
 * prefix, then one extent for as long as it follows the log.
 *
 * Invariants
 *   1. extents are in order of seq; the first covers snd_una, the last reaches to snd_nxt
 *   2. neighbours that continue each other are one
 * Threads: one owner.
 */
#ifndef NET_TCP_EXTENT_H
#define NET_TCP_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcp/tcp_blocks.h"

#define TCP_EXTENTS_INLINE 2
#define TCP_MEMORY	   0u /* the source of private bytes */

struct tcp_extent {
	uint64_t at;
	uint32_t seq, source;
};

struct tcp_extents {
	struct tcp_extent *more; /* a block when inl is too small; NULL: inl is used */
	struct tcp_extent inl[TCP_EXTENTS_INLINE];
	uint16_t n;
};

/* The next bytes, from seq on. False: no room for one more extent. */
bool tcp_extents_add(struct tcp_extents *x, struct tcp_blocks *b, uint32_t seq, uint32_t source,
		     uint64_t at);
/* What lies before una was acknowledged; una == nxt empties it. */
void tcp_extents_trim(struct tcp_extents *x, struct tcp_blocks *b, uint32_t una, uint32_t nxt);
/* The extent of seq, which lies in [una, nxt); `to` is where it ends. */
const struct tcp_extent *tcp_extents_find(const struct tcp_extents *x, uint32_t seq, uint32_t nxt,
					  uint32_t *to);
/* The lowest offset of this source that is still needed; false: none. */
bool tcp_extents_oldest(const struct tcp_extents *x, uint32_t source, uint32_t una, uint64_t *at);
void tcp_extents_fini(struct tcp_extents *x, struct tcp_blocks *b);

#endif
