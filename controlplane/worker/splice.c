/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/splice.h"

#include "base/check.h"

#define STEP_US 1000 /* FLV counts milliseconds: times that grow by less would be equal */

void splice_init(struct splice *s)
{
	*s = (struct splice){0};
	for (int i = 0; i < TRACKS; i++)
		s->track[i].last_us = s->track[i].end_us = s->track[i].pts_us =
			s->track[i].pts_end_us = SPLICE_NONE;
}

void splice_begin(struct splice *s, const struct splice_item *item)
{
	int64_t v = item->video_dts_us, a = item->audio_dts_us;
	int64_t audio_end = s->track[TRACK_AUDIO].end_us;
	int64_t end = s->track[TRACK_VIDEO].pts_end_us;
	int64_t grid = s->frame_us ? s->frame_us : item->frame_us, late;

	if (item->frame_us)
		s->frame_us = item->frame_us;
	s->seam = true;
	s->whole = false;
	if (end == SPLICE_NONE && audio_end == SPLICE_NONE) {
		s->offset_us = v == SPLICE_NONE ? -a : a == SPLICE_NONE ? -v : -min_of(v, a);
		return;
	}
	if (v == SPLICE_NONE || end == SPLICE_NONE) {
		s->offset_us = max_of(audio_end, end) - (v == SPLICE_NONE   ? a
							 : a == SPLICE_NONE ? v
									    : min_of(v, a));
		return;
	}
	s->offset_us = end - item->video_pts_us;
	if (a == SPLICE_NONE)
		late = audio_end == SPLICE_NONE ? 0 : audio_end - end;
	else
		late = audio_end == SPLICE_NONE ? 0 : audio_end - (a + s->offset_us);
	late -= SPLICE_OVERLAP_US;
	if (late > 0)
		s->offset_us += grid ? (late + grid - 1) / grid * grid : late;
}

/* How far a picture is shown after it was decoded. */
static int64_t delay_of(const struct unit *u)
{
	int64_t delay = max_of(u->pts_us - u->dts_us, 0);

	return min_of(delay, SPLICE_JUMP_US / 2);
}

bool splice_place(struct splice *s, struct unit *u)
{
	int64_t dts = u->dts_us + s->offset_us, delay = delay_of(u), pts;
	int64_t last = s->track[u->kind].last_us, duration = u->duration_us;

	if (duration <= 0 || duration > SPLICE_JUMP_US)
		duration = u->kind == TRACK_VIDEO ? s->frame_us : 0;
	duration = max_of(duration, STEP_US);
	if (last != SPLICE_NONE && (dts - last > SPLICE_JUMP_US || dts - last < -SPLICE_JUMP_US)) {
		s->offset_us += s->track[u->kind].end_us - dts;
		dts = s->track[u->kind].end_us;
	}
	if (u->kind == TRACK_AUDIO && s->seam) {
		if (last != SPLICE_NONE && dts + duration / 2 < s->track[u->kind].end_us)
			return false;
		s->seam = false;
	}
	pts = dts + delay;
	/* After a file without reordering the first pictures are decoded in haste, to be shown in time. */
	if (last != SPLICE_NONE)
		dts = max_of(dts, last + STEP_US);
	dts = max_of(dts, 0);
	u->dts_us = dts;
	u->pts_us = max_of(pts, dts);
	s->track[u->kind].last_us = dts;
	s->track[u->kind].end_us = dts + duration;
	s->track[u->kind].pts_us = max_of(s->track[u->kind].pts_us, u->pts_us);
	s->track[u->kind].pts_end_us = max_of(s->track[u->kind].pts_end_us, u->pts_us + duration);
	return true;
}

/* Every picture that was placed is shown before this one: none is missing between them. */
static bool comes_after_all(const struct splice *s, const struct unit *u)
{
	return u->dts_us + s->offset_us + delay_of(u) > s->track[TRACK_VIDEO].pts_us;
}

enum splice_finish splice_finish(struct splice *s, struct unit *u)
{
	int64_t shown = s->track[TRACK_VIDEO].pts_end_us, heard = s->track[TRACK_AUDIO].end_us;
	int64_t rest = max_of(u->duration_us, STEP_US) / 2;

	if (u->kind == TRACK_AUDIO) {
		if (shown == SPLICE_NONE || u->dts_us + s->offset_us + rest >= shown)
			return SPLICE_ENDED;
	} else {
		s->whole = s->whole || comes_after_all(s, u);
		if (s->whole)
			return heard == SPLICE_NONE || heard >= shown ? SPLICE_ENDED
								      : SPLICE_LEFT_OUT;
	}
	return splice_place(s, u) ? SPLICE_PLACED : SPLICE_LEFT_OUT;
}
