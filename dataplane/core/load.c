/* SPDX-License-Identifier: Apache-2.0 */
#include "core/load.h"

#include "base/log.h"

static const char *const names[] = {
	[LOAD_FINE] = "fine", [LOAD_HIGH] = "high", [LOAD_FULL] = "full"};

/* limit 0: never above it. */
static bool is_above(uint64_t percent, int64_t limit, bool already)
{
	if (already)
		limit = limit > LOAD_EASE ? limit - LOAD_EASE : limit;
	return limit && percent >= (uint64_t)limit;
}

static enum load judge(const struct config *conf, enum load was, uint64_t percent)
{
	if (!is_above(percent, conf->overload_stretch, was >= LOAD_HIGH))
		return LOAD_FINE;
	/* Stretching comes first, and gets a window to help. */
	if (was == LOAD_FINE || !is_above(percent, conf->overload_refuse, was == LOAD_FULL))
		return LOAD_HIGH;
	return LOAD_FULL;
}

void load_judge(struct core *c)
{
	uint64_t passed_us = c->now_us - c->load_at_us, busy_us, percent;
	enum load was = (enum load)c->load;

	if (passed_us < LOAD_WINDOW_US)
		return;
	busy_us = shm_get(&c->ctr->ctr[CTR_BUSY_US]);
	percent = (busy_us - c->load_busy_us) * 100 / passed_us;
	c->load_busy_us = busy_us;
	c->load_at_us = c->now_us;
	c->load = (uint8_t)judge(engine_conf(c->engine), was, percent);
	if (c->load != was)
		log_warn("load", "core=%u level=%s was=%s busy_percent=%u", c->id, names[c->load],
			 names[was], (unsigned)percent);
}
