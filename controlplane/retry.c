/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/retry.h"

#include <string.h>

#include "base/check.h"

static bool is_exponential(const struct task *t)
{
	return !strcmp(t->retry_policy, "exponential");
}

bool retry_left(const struct task *t, int64_t used)
{
	return t->retry_count < 0 || used < t->retry_count;
}

int64_t retry_longest_ms(const struct task *t)
{
	int64_t most = is_exponential(t) ? t->retry_max_s : 0;

	return max_of(most, t->retry_interval_s) * 1000;
}

/* 0 to n - 1, the same for the same task and retry (FNV-1a). */
static int64_t spread(const struct task *t, int64_t used, int64_t n)
{
	uint64_t h = 14695981039346656037u ^ (uint64_t)used;

	for (const char *p = t->id; *p; p++)
		h = (h ^ (uint8_t)*p) * 1099511628211u;
	return (int64_t)((h >> 20) % (uint64_t)n);
}

int64_t retry_wait_ms(const struct task *t, int64_t used, enum reason reason)
{
	int64_t most = retry_longest_ms(t), wait = t->retry_interval_s * 1000;

	if (!is_exponential(t))
		return wait;
	if (reason_is_final(reason))
		wait = most;
	for (int64_t i = 0; i < used && wait < most; i++)
		wait *= 2;
	wait = min_of(wait, most);
	return wait - spread(t, used, wait / 4 + 1);
}
