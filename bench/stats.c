/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stats.h"

#include <stdio.h>

#include "base/check.h"

/* 32 buckets for each doubling; the first 32 values have their own. */
#define PER_DOUBLING 32u

static unsigned bucket_of(uint64_t us)
{
	unsigned shift;

	if (us < PER_DOUBLING)
		return (unsigned)us;
	shift = 63 - (unsigned)__builtin_clzll(us) - 5;
	return min_of(STATS_BUCKETS - 1u, PER_DOUBLING * shift + (unsigned)(us >> shift));
}

static uint64_t value_of(unsigned bucket)
{
	unsigned shift = bucket < 2 * PER_DOUBLING ? 0 : bucket / PER_DOUBLING - 1;

	return shift ? (uint64_t)(bucket - PER_DOUBLING * shift) << shift : bucket;
}

void stats_add(struct stats *s, uint64_t us)
{
	s->count++;
	s->sum += us;
	s->max = max_of(s->max, us);
	s->bucket[bucket_of(us)]++;
}

uint64_t stats_part(const struct stats *s, double part)
{
	uint64_t want = (uint64_t)((double)s->count * part), seen = 0;

	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		seen += s->bucket[i];
		if (seen > want)
			return value_of(i);
	}
	return s->max;
}

void stats_print(const struct stats *s)
{
	static const struct {
		const char *name;
		double part;
	} parts[] = {{"p1", 0.01}, {"p10", 0.1},  {"p25", 0.25}, {"p50", 0.5},	 {"p75", 0.75},
		     {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};

	printf("{\"count\": %lu, ", (unsigned long)s->count);
	for (unsigned i = 0; i < array_len(parts); i++)
		printf("\"%s\": %lu, ", parts[i].name, (unsigned long)stats_part(s, parts[i].part));
	printf("\"max\": %lu}", (unsigned long)s->max);
}
