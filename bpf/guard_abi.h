/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guard.bpf.c and guard.c share: keys and values of the maps.
 */
#ifndef BPF_GUARD_ABI_H
#define BPF_GUARD_ABI_H

#include <linux/types.h>

#define GUARD_PORTS 16

enum guard_count {
#define GUARD(sym, name, drops, help) GUARD_##sym,
#include "bpf/guard.def"
#undef GUARD
	GUARD_COUNTS,
};

enum guard_verdict { GUARD_NONE, GUARD_ALLOW, GUARD_DENY };

struct guard_conf {
	__u64 syn_cost_ns;	  /* what a new connection takes from its prefix; 0: no limit */
	__u64 syn_burst_ns;	  /* how much a prefix may be in debt */
	__u32 only_listed;	  /* 1: addresses of no list are dropped */
	__u32 ports_n;		  /* 0: every port is guarded */
	__u16 ports[GUARD_PORTS]; /* network byte order */
};

/* Keys of the tries; bits counts from the first byte of the address. */
struct guard_v4 {
	__u32 bits;
	__u8 addr[4];
};
struct guard_v6 {
	__u32 bits;
	__u8 addr[16];
};

/* Source prefix of a bucket: an IPv4 /24 (the rest 0, family 4) or an IPv6 /56 (family 6). */
struct guard_prefix {
	__u8 addr[7];
	__u8 family;
};

#endif
