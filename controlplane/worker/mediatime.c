/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/mediatime.h"

#include "base/check.h"

#define STEP_MIN_US 100	 /* more than a tick of every muxer's time base */
#define ROUNDING_US 3000 /* sent times are milliseconds, some encoders cut them twice */
#define REJOIN_US   20000
#define WINDOW_US   10000000
#define DRIFT_SHARE 1000 /* a thousandth */

void mediatime_init(struct mediatime *m, int64_t start_us)
{
	*m = (struct mediatime){.offset_us = start_us, .end_us = start_us};
}

void mediatime_rejoin(struct mediatime *m)
{
	m->offset_us = m->begun ? m->end_us + REJOIN_US : m->end_us;
	m->begun = false;
}

static void begin(struct mediatime *m, uint32_t sent_ms)
{
	m->begun = true;
	m->sent_ms = sent_ms;
	m->line_ms = 0;
	for (int i = 0; i < TRACKS; i++)
		m->track[i].counted = false;
}

static bool follow(struct mediatime *m, uint32_t sent_ms)
{
	int32_t step;

	if (!m->begun) {
		begin(m, sent_ms);
		return true;
	}
	step = (int32_t)(sent_ms - m->sent_ms);
	if (step < -MEDIATIME_BACK_MS || step > MEDIATIME_AHEAD_MS) {
		mediatime_rejoin(m);
		begin(m, sent_ms);
		return false;
	}
	m->sent_ms = sent_ms;
	m->line_ms += step;
	return true;
}

static int64_t count(struct mediatime_track *t, int64_t sent_us, int samples, int rate)
{
	int64_t us = t->anchor_us + t->samples * 1000000 / rate;

	if (!t->counted || us - sent_us > ROUNDING_US || sent_us - us > ROUNDING_US) {
		t->anchor_us = us = sent_us;
		t->samples = 0;
		t->counted = true;
	}
	t->samples += samples;
	return us;
}

bool mediatime_take(struct mediatime *m, enum track_kind kind, uint32_t sent_ms, int samples,
		    int rate, int64_t *dts_us)
{
	struct mediatime_track *t = &m->track[kind];
	bool smooth = follow(m, sent_ms);
	int64_t us = m->line_ms * 1000 + m->offset_us;

	if (samples > 0 && rate > 0)
		us = count(t, us, samples, rate);
	if (t->begun && us < t->dts_us + STEP_MIN_US) {
		us = t->dts_us + STEP_MIN_US;
		t->counted = false;
	}
	t->begun = true;
	t->dts_us = us;
	m->end_us = max_of(m->end_us, us);
	*dts_us = us;
	return smooth;
}

/* ---- the wall clock -------------------------------------------------------------------------------- */

void wall_hear(struct wall *w, int64_t media_us, int64_t now_us)
{
	int64_t distance = now_us - media_us;

	if (!w->window) {
		w->window = true;
		w->window_us = media_us;
		w->least_us = distance;
	}
	w->least_us = min_of(w->least_us, distance);
	if (!w->known)
		w->offset_us = w->least_us;
}

/* By how much what is said may move between two answers. */
static void slew(struct wall *w, int64_t media_us)
{
	int64_t most = max_of(media_us - w->said_us, 0) / DRIFT_SHARE;
	int64_t off = w->least_us - w->offset_us;

	w->offset_us += off > most ? most : off < -most ? -most : off;
}

int64_t wall_ms(struct wall *w, int64_t media_us)
{
	if (w->known)
		slew(w, media_us);
	w->known = true;
	w->said_us = media_us;
	if (media_us - w->window_us >= WINDOW_US)
		w->window = false;
	return (media_us + w->offset_us) / 1000;
}

void wall_anew(struct wall *w)
{
	*w = (struct wall){0};
}
