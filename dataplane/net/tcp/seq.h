/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serial arithmetic on 32-bit sequence numbers and clock readings that wrap (RFC 9293, 3.4;
 * RFC 7323, 5.2).
 *
 * a is before b when b is less than 2^31 ahead of it. Threads: any, pure.
 */
#ifndef NET_TCP_SEQ_H
#define NET_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool seq_ge(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_gt(a, b) ? a : b;
}

/* Whether x lies in the n numbers that begin with `from`. */
static inline bool seq_in(uint32_t x, uint32_t from, uint32_t n)
{
	return x - from < n;
}

#endif
