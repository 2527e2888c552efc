/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms, and what TCP says of the paths to peers, as they lie in shared memory.
 *
 * The counters of a path are filled by the control thread from the program bpf/tcpstat, which sees
 * every connection; or, where that is not loaded, by each core from TCP_INFO of its connections in
 * turn and of each at its end. Writers have a place each; readers sum.
 */
#ifndef API_PATHS_H
#define API_PATHS_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t shm_u64;

enum shm_role {
#define ROLE(sym, protocol, direction) ROLE_##sym,
#include "api/roles.def"
#undef ROLE
	SHM_ROLES,
};

enum shm_way { WAY_IN, WAY_OUT, SHM_WAYS };

/* Bucket 0 holds values below 2^shift, bucket i those below 2^(shift + i), the last one the rest. */
#define SHM_HIST_BUCKETS 16
struct shm_hist {
	shm_u64 sum_us;
	shm_u64 n[SHM_HIST_BUCKETS];
};
#define SHM_LOOP_SHIFT	4  /* 16 us .. 0.26 s */
#define SHM_JOIN_SHIFT	10 /* 1 ms .. 17 s */
#define SHM_LAG_SHIFT	12 /* 4 ms .. 67 s */
#define SHM_RTT_SHIFT	8  /* 0.26 ms .. 4.2 s */
#define SHM_STALL_SHIFT 10 /* 1 ms .. 17 s */

/* Retransmitted of sent segments in one look at a connection, per 10,000; the last has no bound. */
#define SHM_RATIO_BUCKETS 8
#define SHM_RATIO_BOUNDS                       \
	{                                      \
		0, 10, 50, 100, 200, 500, 1000 \
	}

struct shm_path {
	shm_u64 connections;	     /* open now; from the program only */
	shm_u64 sent, retransmitted; /* segments with data */
	shm_u64 duplicate;	     /* of those retransmitted, not needed: the peer said so */
	shm_u64 delivered;	     /* segments acknowledged */
	shm_u64 acked_bytes;	     /* payload acknowledged */
	shm_u64 wire_bytes;	     /* with headers and repeats; from the program only */
};

struct shm_paths {
	struct shm_path role[SHM_ROLES];
	struct shm_hist rtt[SHM_WAYS]; /* smoothed, once per look */
	shm_u64 ratio[SHM_WAYS][SHM_RATIO_BUCKETS];
};

static inline unsigned shm_bucket(uint64_t value, unsigned shift)
{
	unsigned i = value >> shift ? 64u - (unsigned)__builtin_clzll(value >> shift) : 0;

	return i < SHM_HIST_BUCKETS ? i : SHM_HIST_BUCKETS - 1;
}

static inline unsigned shm_ratio_bucket(uint64_t sent, uint64_t again)
{
	static const uint32_t bounds[] = SHM_RATIO_BOUNDS;
	unsigned i = 0;

	while (i < SHM_RATIO_BUCKETS - 1 && again * 10000 > sent * bounds[i])
		i++;
	return i;
}

static inline const char *role_protocol(unsigned role)
{
	static const char *const words[] = {
#define ROLE(sym, protocol, direction) protocol,
#include "api/roles.def"
#undef ROLE
	};

	return role < SHM_ROLES ? words[role] : "unknown";
}

static inline const char *role_direction(unsigned role)
{
	static const char *const words[] = {
#define ROLE(sym, protocol, direction) direction,
#include "api/roles.def"
#undef ROLE
	};

	return role < SHM_ROLES ? words[role] : "unknown";
}

/* Both ways of OTHER are unknown: it counts as out, which is what a server mostly does. */
static inline enum shm_way role_way(unsigned role)
{
	return role == ROLE_PUBLISH || role == ROLE_PULL ? WAY_IN : WAY_OUT;
}

#endif
