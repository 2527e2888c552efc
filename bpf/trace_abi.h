/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What trace.bpf.c and trace.c share: values of the maps.
 */
#ifndef BPF_TRACE_ABI_H
#define BPF_TRACE_ABI_H

#include <linux/types.h>

#define TRACE_BUCKETS 28 /* bucket i: 2^i to 2^(i+1) microseconds; the last: and longer */

struct trace_hist {
	__u64 sum_us;
	__u64 n[TRACE_BUCKETS];
};

/* One per CPU: only the sum is something. */
struct trace_sums {
	struct trace_hist connect; /* from our SYN to the answer */
	struct trace_hist stall;   /* from a send that found no room until there was some */
};

struct trace_conf {
	__u64 cgroup; /* id of the one that is watched */
};

#endif
