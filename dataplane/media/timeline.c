/* SPDX-License-Identifier: Apache-2.0 */
#include "media/timeline.h"

#include "base/check.h"

#define FIRST_STEP_MS 10000 /* nothing is known of a kind's frame rate before its second frame */
#define STEP_FADE     8
#define ELAPSED_MAX   ((uint64_t)1 << 40)

void timeline_init(struct timeline *t, bool from_zero)
{
	*t = (struct timeline){.from_zero = from_zero};
}

/* Sound may begin a little before the picture that came first: no time is below zero. */
static int64_t shown(const struct timeline *t, int64_t ms)
{
	return t->from_zero ? max_of(ms, 0) : ms;
}

static int64_t elapsed_ms(uint64_t since_us, uint64_t now_us)
{
	return now_us > since_us ? (int64_t)(min_of(now_us - since_us, ELAPSED_MAX) / 1000) : 0;
}

/* Where the line is by now. */
static int64_t line_at(const struct timeline *t, uint64_t now_us)
{
	return t->ms + elapsed_ms(t->at_us, now_us);
}

static void advance(struct timeline *t, int64_t ms, uint64_t now_us)
{
	t->ms = max_of(t->ms, ms);
	t->at_us = now_us;
}

/*
 * Whether a frame follows on the last one of its kind: not far back, and not further ahead than
 * the time that went by and the kind's own pace explain (one picture in two seconds, sent in a
 * burst, is no jump).
 */
static bool follows(const struct timeline_kind *k, int64_t ms, uint64_t now_us)
{
	int64_t step = ms - k->ms, slack = k->stepped ? 2 * k->step_ms : FIRST_STEP_MS;

	return step >= -TIMELINE_JUMP_MS &&
	       step <= TIMELINE_JUMP_MS + slack + elapsed_ms(k->at_us, now_us);
}

static int64_t on_the_line(struct timeline *t, struct timeline_kind *k, int64_t ms, uint64_t now_us)
{
	int64_t step = ms - k->ms;

	if (k->begun && step > 0) {
		k->step_ms =
			step >= k->step_ms ? step : k->step_ms - (k->step_ms - step) / STEP_FADE;
		k->stepped = true;
	}
	t->outliers += t->doubted;
	t->doubted = 0;
	k->begun = true;
	k->ms = ms;
	k->at_us = now_us;
	advance(t, ms, now_us);
	return ms;
}

/* All frames from here on are placed by the new offset; both kinds begin anew. */
static void jump(struct timeline *t, int64_t offset_ms)
{
	t->offset_ms = offset_ms;
	t->audio.begun = t->video.begun = false;
	t->audio.stepped = t->video.stepped = false;
	t->doubted = 0;
	t->jumps++;
}

static bool agrees(const struct timeline *t, int64_t raw_ms, uint64_t now_us)
{
	int64_t step = raw_ms - t->doubted_raw_ms;

	return step >= -TIMELINE_JUMP_MS &&
	       step <= TIMELINE_JUMP_MS + elapsed_ms(t->doubted_at_us, now_us);
}

static int64_t doubt(struct timeline *t, struct timeline_kind *k, int64_t raw_ms, uint64_t now_us)
{
	if (!t->doubted || !agrees(t, raw_ms, now_us)) {
		t->outliers += t->doubted;
		t->doubted = 0;
		t->doubted_offset_ms = line_at(t, now_us) - raw_ms;
	}
	t->doubted++;
	t->doubted_raw_ms = raw_ms;
	t->doubted_at_us = now_us;
	if (t->doubted == TIMELINE_PROOF) {
		jump(t, t->doubted_offset_ms);
		return on_the_line(t, k, raw_ms + t->offset_ms, now_us);
	}
	advance(t, raw_ms + t->doubted_offset_ms, now_us);
	return raw_ms + t->doubted_offset_ms;
}

/* A kind's first frame on this line: it is compared with the other's, if that is there. */
static bool begins_near(const struct timeline *t, int64_t ms, uint64_t now_us)
{
	int64_t off = ms - line_at(t, now_us);

	return (!t->audio.begun && !t->video.begun) ||
	       (off <= FIRST_STEP_MS && off >= -FIRST_STEP_MS);
}

static int64_t place(struct timeline *t, const struct msg *m, uint64_t now_us)
{
	struct timeline_kind *k = m->type == MSG_AUDIO ? &t->audio : &t->video;
	int64_t ms = m->ts_ms + t->offset_ms;

	if (t->resuming && t->begun) {
		jump(t, line_at(t, now_us) - m->ts_ms);
		ms = m->ts_ms + t->offset_ms;
	}
	t->resuming = false;
	if (!t->begun) {
		t->begun = true;
		t->offset_ms = t->from_zero ? -m->ts_ms : 0;
		ms = m->ts_ms + t->offset_ms;
		t->ms = ms;
		return on_the_line(t, k, ms, now_us);
	}
	if (k->begun ? follows(k, ms, now_us) : begins_near(t, ms, now_us))
		return on_the_line(t, k, ms, now_us);
	return doubt(t, k, m->ts_ms, now_us);
}

int64_t timeline_frame(struct timeline *t, const struct msg *m, uint64_t now_us)
{
	return shown(t, place(t, m, now_us));
}

int64_t timeline_other(const struct timeline *t, const struct msg *m)
{
	int64_t ms = m->ts_ms + t->offset_ms;

	if (!t->begun)
		return t->from_zero ? 0 : m->ts_ms;
	if (t->resuming || ms < t->ms - TIMELINE_JUMP_MS || ms > t->ms + TIMELINE_JUMP_MS)
		ms = t->ms;
	return shown(t, ms);
}

void timeline_resume(struct timeline *t)
{
	t->resuming = t->begun;
	t->outliers += t->doubted;
	t->doubted = 0;
}
