/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/splice.h"

#include "base/check.h"

#define STEP_US 1000 /* FLV counts milliseconds: times that grow by less would be equal */

void splice_init(struct splice *s)
{
	*s = (struct splice){0};
	for (int i = 0; i < TRACKS; i++)
		s->track[i].last_us = s->track[i].end_us = s->track[i].pts_end_us = SPLICE_NONE;
}

/* Where the next picture may be decoded, if it is shown delay_us later. */
static int64_t video_end(const struct splice *s, int64_t delay_us)
{
	int64_t shown = s->track[TRACK_VIDEO].pts_end_us;

	if (shown == SPLICE_NONE)
		return SPLICE_NONE;
	return max_of(s->track[TRACK_VIDEO].end_us, shown - delay_us);
}

void splice_begin(struct splice *s, const struct splice_item *item)
{
	int64_t v = item->video_dts_us, a = item->audio_dts_us;
	int64_t audio_end = s->track[TRACK_AUDIO].end_us;
	int64_t end = video_end(s, v == SPLICE_NONE ? 0 : item->video_pts_us - v);
	int64_t grid = s->frame_us ? s->frame_us : item->frame_us, late;

	if (item->frame_us)
		s->frame_us = item->frame_us;
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
	s->offset_us = end - v;
	if (a == SPLICE_NONE)
		late = audio_end == SPLICE_NONE ? 0 : audio_end - end;
	else
		late = audio_end == SPLICE_NONE ? 0 : audio_end - (a + s->offset_us);
	if (late > 0)
		s->offset_us += grid ? (late + grid - 1) / grid * grid : late;
}

void splice_place(struct splice *s, struct unit *u)
{
	int64_t delay = max_of(u->pts_us - u->dts_us, 0), dts = u->dts_us + s->offset_us;
	int64_t last = s->track[u->kind].last_us, duration = u->duration_us;

	if (duration <= 0 || duration > SPLICE_JUMP_US)
		duration = u->kind == TRACK_VIDEO ? s->frame_us : 0;
	if (last != SPLICE_NONE) {
		int64_t jump = dts - last;

		if (jump > SPLICE_JUMP_US || jump < -SPLICE_JUMP_US) {
			s->offset_us += s->track[u->kind].end_us - dts;
			dts = s->track[u->kind].end_us;
		}
		dts = max_of(dts, last + STEP_US);
	}
	dts = max_of(dts, 0);
	u->dts_us = dts;
	u->pts_us = dts + min_of(delay, SPLICE_JUMP_US / 2);
	s->track[u->kind].last_us = dts;
	s->track[u->kind].end_us = dts + max_of(duration, STEP_US);
	s->track[u->kind].pts_end_us =
		max_of(s->track[u->kind].pts_end_us, u->pts_us + max_of(duration, STEP_US));
}
