/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tcpstat.bpf.c and tcpstat.c share: keys and values of the maps.
 */
#ifndef BPF_TCPSTAT_ABI_H
#define BPF_TCPSTAT_ABI_H

#include <linux/types.h>

#define TCPSTAT_RTT_BUCKETS   24 /* bucket i: 2^i to 2^(i+1) microseconds; the last: and longer */
#define TCPSTAT_RATIO_BUCKETS 8	 /* upper bounds: tcpstat_ratio_bounds */

/* Retransmitted of sent segments, per 10,000; the last bucket has no bound. */
#define TCPSTAT_RATIO_BOUNDS                   \
	{                                      \
		0, 10, 50, 100, 200, 500, 1000 \
	}

/* Whose numbers: a tagged connection's stream, otherwise 0. */
struct tcpstat_key {
	__u32 stream;
	__u16 port;  /* local port of connections that came; 0 of those made from here */
	__u8 active; /* 1: made from here */
	__u8 pad;
};

/* One per key and CPU; `connections` goes up on one CPU and down on another: only the sum is one. */
struct tcpstat_sums {
	__u64 connections; /* open now */
	__u64 opened;
	__u64 samples; /* of the round-trip time, at most one per connection and interval */
	__u64 srtt_us; /* their sum */
	__u64 segments_sent, segments_retransmitted, segments_delivered, bytes_acked;
	__u64 segments_duplicate; /* retransmitted, but the peer had them: not lost */
	__u64 wire_bytes;	  /* sent, with IP and TCP headers and what was retransmitted */
	__u64 rtt[TCPSTAT_RTT_BUCKETS];
	__u64 ratio[TCPSTAT_RATIO_BUCKETS]; /* by connection and interval */
};

struct tcpstat_conf {
	__u64 interval_ns;
};

#endif
