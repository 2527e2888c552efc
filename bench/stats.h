/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of times in microseconds: exact to 2 %, fixed size. Threads: one owner. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdint.h>

#define STATS_BUCKETS 1024

struct stats {
	uint64_t count, max, sum;
	uint64_t bucket[STATS_BUCKETS];
};

void stats_add(struct stats *s, uint64_t us);
/* part: 0.5, 0.99; 0 when empty. */
uint64_t stats_part(const struct stats *s, double part);
/* {"count": .., "p1": .., .., "p50": .., .., "p999": .., "max": ..} to standard output */
void stats_print(const struct stats *s);

#endif
