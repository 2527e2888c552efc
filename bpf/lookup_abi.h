/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lookup.bpf.c and lookup.c share: keys of the maps.
 */
#ifndef BPF_LOOKUP_ABI_H
#define BPF_LOOKUP_ABI_H

#include <linux/types.h>

#define LOOKUP_LISTENERS 256
#define LOOKUP_PORT_BITS 16 /* the port stands first and counts whole */

/* bits: LOOKUP_PORT_BITS and the bits of the address behind it; port in network byte order. */
struct lookup_v4 {
	__u32 bits;
	__u16 port;
	__u8 addr[4];
} __attribute__((packed));

struct lookup_v6 {
	__u32 bits;
	__u16 port;
	__u8 addr[16];
} __attribute__((packed));

#endif
