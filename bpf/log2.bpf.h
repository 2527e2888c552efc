/* SPDX-License-Identifier: GPL-2.0 */
/* The bucket of a histogram whose bounds are powers of two. */
#ifndef BPF_LOG2_BPF_H
#define BPF_LOG2_BPF_H

#include <linux/types.h>

/* The highest bit that is set; 0 for 0. */
static __u32 log2_of(__u32 v)
{
	__u32 r = 0;

	if (v >> 16)
		r += 16, v >>= 16;
	if (v >> 8)
		r += 8, v >>= 8;
	if (v >> 4)
		r += 4, v >>= 4;
	if (v >> 2)
		r += 2, v >>= 2;
	return r + (v >> 1);
}

#endif
