/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/numbers.h"

int64_t numbers_age_ms(uint64_t moment_us, uint64_t now_us)
{
	if (!moment_us)
		return -1;
	return now_us > moment_us ? (int64_t)((now_us - moment_us) / 1000) : 0;
}

bool numbers_of_leg(const struct shm *shm, const struct relay *r, unsigned leg,
		    struct shm_relay_view *v)
{
	const struct leg *g = legs_seen(&r->legs, leg);
	char id[128];

	return shm && g && g->slot >= 0 &&
	       shm_relay_at(shm, (uint32_t)g->slot, leg_id(id, r->task->id, leg), v);
}

void numbers_of(const struct shm *shm, const struct relay *r, uint64_t now_us,
		struct task_numbers *out)
{
	struct shm_relay_view v;

	*out = (struct task_numbers){.last_media_age_ms = -1};
	if (task_uses_worker(r->task)) {
		const struct job_progress *p = &r->legs.leg[LEG_PULL].progress;

		out->first_media_ms = p->first_media_ms;
		out->last_media_age_ms = numbers_age_ms(p->last_media_us, now_us);
		out->in_bps = (int64_t)p->bps;
	} else if (numbers_of_leg(shm, r, LEG_PULL, &v)) {
		out->first_media_ms = (int64_t)v.first_media_ms;
		out->last_media_age_ms = numbers_age_ms(v.last_media_us, now_us);
		out->in_bps = (int64_t)v.bps;
	}
	for (unsigned i = 0; i < dests_count(r->task); i++) {
		const struct leg *g = legs_seen(&r->legs, LEG_PUSH + i);

		if (g && leg_uses_worker(r->task, LEG_PUSH + i))
			out->dest_bps[i] = (int64_t)g->progress.bps;
		else if (numbers_of_leg(shm, r, LEG_PUSH + i, &v))
			out->dest_bps[i] = (int64_t)v.bps;
		out->out_bps += out->dest_bps[i];
	}
}
