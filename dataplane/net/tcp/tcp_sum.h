/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Internet checksum (RFC 1071) as a running sum over pieces of any length and alignment.
 *
 * sum_add() may be called again and again: a piece of odd length is remembered in `odd`, so that
 * the slices of a segment give the same sum as their bytes in one row. Threads: any, pure.
 */
#ifndef NET_TCP_SUM_H
#define NET_TCP_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cidr.h"

struct sum {
	uint64_t total; /* of big-endian 16-bit words, unfolded */
	bool odd;	/* the next byte is the low half of a word */
};

void sum_add(struct sum *s, const void *p, size_t n);
/* The pseudo header of TCP (RFC 9293, 3.1); n: bytes of header and payload. */
void sum_pseudo(struct sum *s, const struct ip *src, const struct ip *dst, uint8_t proto,
		uint32_t n);
/* Folded into 16 bits, not complemented: what a NIC that finishes the checksum wants to find. */
uint16_t sum_fold(const struct sum *s);
/* The checksum field; over bytes that contain a right one it is 0. */
static inline uint16_t sum_end(const struct sum *s)
{
	return (uint16_t)~sum_fold(s);
}

#endif
