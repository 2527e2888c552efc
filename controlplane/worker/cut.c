/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/cut.h"

#include "base/check.h"

#define SECOND		1000000
#define ROUNDED_DOWN_US 499000 /* so much over whole seconds is rounded down in a playlist */
#define EARLY_SHARE	20     /* a key frame may come earlier by a twentieth */
#define ROUNDING_US	2000   /* times are milliseconds */
#define STEP_MOST_US	1000000

int64_t cut_target_us(int64_t segment_us, int64_t gop_us)
{
	int64_t us = max_of(segment_us, min_of(gop_us, 3 * segment_us));
	/* A GOP of 4.004 s is one of 4 s in a playlist. */
	int64_t slack = gop_us > segment_us ? ROUNDED_DOWN_US : 0;

	return max_of((us - slack + SECOND - 1) / SECOND, 1) * SECOND;
}

int64_t cut_limit_us(int64_t target_us)
{
	return target_us + ROUNDED_DOWN_US - ROUNDING_US;
}

void cut_init(struct cut *c, bool video, int64_t segment_us, int64_t part_us, int64_t limit_us)
{
	*c = (struct cut){
		.segment_us = segment_us, .part_us = part_us, .limit_us = limit_us, .video = video};
}

int64_t cut_end_us(const struct cut *c)
{
	int64_t end = c->start_us;

	for (int i = 0; i < TRACKS; i++)
		if (c->last_us[i])
			end = max_of(end, c->last_us[i] + c->step_us[i]);
	return end;
}

static bool is_driver(const struct cut *c, enum track_kind kind)
{
	return c->video ? kind == TRACK_VIDEO : kind == TRACK_AUDIO;
}

static enum cut_turn judge(const struct cut *c, enum track_kind kind, bool key, int64_t dts_us)
{
	int64_t elapsed = dts_us - c->start_us, step = c->step_us[kind];

	if (elapsed > c->limit_us && elapsed - step > c->limit_us)
		return CUT_HOLE;
	if (elapsed > 0 && elapsed + step > c->limit_us)
		return CUT_SEGMENT;
	if (!is_driver(c, kind))
		return CUT_NOT;
	if ((key || !c->video) && elapsed > 0 &&
	    (dts_us < c->soon_us || elapsed >= c->segment_us - c->segment_us / EARLY_SHARE ||
	     elapsed + c->gop_us > c->limit_us))
		return CUT_SEGMENT;
	if (c->part_us && dts_us > c->part_start_us &&
	    dts_us + step - c->part_start_us > c->part_us + ROUNDING_US)
		return CUT_PART;
	return CUT_NOT;
}

static void learn(struct cut *c, enum track_kind kind, bool key, int64_t dts_us)
{
	int64_t step = dts_us - c->last_us[kind];

	if (c->last_us[kind] && step > 0)
		c->step_us[kind] = min_of(step, STEP_MOST_US);
	c->last_us[kind] = dts_us;
	if (kind != TRACK_VIDEO || !key)
		return;
	if (c->key_us)
		c->gop_us = dts_us - c->key_us;
	c->key_us = dts_us;
}

enum cut_turn cut_before(struct cut *c, enum track_kind kind, bool key, int64_t dts_us)
{
	enum cut_turn turn = c->open ? judge(c, kind, key, dts_us) : CUT_NOT;

	if (turn != CUT_NOT)
		/* A frame that came later than the one before promised is not counted. */
		c->end_us = min_of(turn == CUT_HOLE ? cut_end_us(c) : dts_us,
				   c->start_us + c->limit_us);
	if (!c->open || turn == CUT_SEGMENT || turn == CUT_HOLE)
		c->start_us = dts_us;
	if (!c->open || turn != CUT_NOT)
		c->part_start_us = dts_us;
	c->open = true;
	if (turn == CUT_HOLE)
		c->key_us = 0;
	learn(c, kind, key, dts_us);
	return turn;
}

int64_t cut_hurry(struct cut *c)
{
	enum track_kind driver = c->video ? TRACK_VIDEO : TRACK_AUDIO;

	c->open = false;
	c->soon_us = c->start_us + 2 * c->segment_us;
	return c->last_us[driver] + c->step_us[driver];
}

void cut_close(struct cut *c)
{
	c->open = false;
	c->key_us = 0;
	for (int i = 0; i < TRACKS; i++)
		c->last_us[i] = 0;
}
