/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quiet.h"

#include "base/bytes.h"
#include "base/check.h"

#define ASLEEP UINT64_MAX

void quiet_init(struct quiet *q, unsigned cores)
{
	must(cores >= 1 && cores <= QUIET_CORES_MAX);
	atomic_init(&q->now, 1);
	q->cores = cores;
	for (unsigned i = 0; i < QUIET_CORES_MAX; i++)
		atomic_init(&q->core[i].seen, ASLEEP);
}

/*
 * What this core read before is ordered before the store (release); what it reads from here on is
 * ordered after every stamp that it has seen (acquire). No stamp since last time: nothing to say.
 */
void quiet_pass(struct quiet *q, unsigned core)
{
	quiet_pass_to(q, core, UINT64_MAX);
}

void quiet_pass_to(struct quiet *q, unsigned core, uint64_t most)
{
	uint64_t now = min_of(quiet_now(q), most);

	if (atomic_load_explicit(&q->core[core].seen, memory_order_relaxed) != now)
		atomic_store_explicit(&q->core[core].seen, now, memory_order_release);
}

uint64_t quiet_now(struct quiet *q)
{
	return atomic_load_explicit(&q->now, memory_order_acquire);
}

void quiet_sleep(struct quiet *q, unsigned core)
{
	atomic_store_explicit(&q->core[core].seen, ASLEEP, memory_order_release);
}

/*
 * Read-modify-writes of `now` have one order. If a stamp comes after this one, whoever asks
 * quiet_passed() for it sees that the core is in; if it came before, this core sees what was
 * unpublished. A plain store of `seen` would promise neither.
 */
void quiet_wake(struct quiet *q, unsigned core)
{
	uint64_t now;

	if (atomic_load_explicit(&q->core[core].seen, memory_order_relaxed) != ASLEEP)
		return;
	now = atomic_load_explicit(&q->now, memory_order_relaxed);
	atomic_store_explicit(&q->core[core].seen, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&q->now, 0, memory_order_acq_rel);
}

uint64_t quiet_stamp(struct quiet *q)
{
	return atomic_fetch_add_explicit(&q->now, 1, memory_order_acq_rel) + 1;
}

bool quiet_passed(const struct quiet *q, uint64_t stamp)
{
	struct quiet *w = (struct quiet *)q;

	for (unsigned i = 0; i < q->cores; i++)
		if (atomic_load_explicit(&w->core[i].seen, memory_order_acquire) < stamp)
			return false;
	return true;
}
