/* SPDX-License-Identifier: Apache-2.0 */
/* A stream between two publishers: kept for a while, given another home, taken up again. */
#include "base/check.h"
#include "base/clock.h"
#include "core/stream_writer.h"

static void hold_over(struct timer *t, uint64_t now_us)
{
	struct stream *s = container_of(t, struct stream, hold);

	stream_end(s, s->engine->cores[s->home], (enum reason)s->hold_why);
}

void stream_hold(struct stream *s, struct core *home, enum reason why, uint64_t hold_ms)
{
	must(s->home == home->id && !s->publisher);
	stream_flush(s, home);
	shm_set(&s->shm->publish_wall_ms, 0);
	s->claim = NULL;
	s->hold_why = (uint8_t)why;
	s->hold.fire = hold_over;
	wheel_arm(&home->wheel, &s->hold, home->now_us + hold_ms * 1000);
	atomic_store_explicit(&s->held, true, memory_order_release);
}

void stream_hand_over(struct stream *s, struct core *home, struct core *to, void *claim)
{
	must(s->home == home->id && stream_is_held(s));
	wheel_cancel(&home->wheel, &s->hold);
	core_uncount(home, CTR_LOG_BLOCKS, s->writer->blocks);
	s->writer->blocks = 0;
	s->claim = claim;
	/* Last: whoever sees itself as the home may write. */
	atomic_store_explicit(&s->home, to->id, memory_order_release);
}

void stream_resume(struct stream *s, struct core *home)
{
	struct stream_writer *w = s->writer;

	must(s->home == home->id && stream_is_held(s));
	wheel_cancel(&home->wheel, &s->hold);
	s->claim = NULL;
	timeline_resume(&w->timeline);
	headers_doubt(w);
	w->video_gap = true;
	w->has_video = false;
	w->audio_keys = false;
	w->audio_key_us = 0;
	w->sound_key_us = 0;
	shm_set(&s->shm->video_codec, 0);
	shm_set(&s->shm->audio_codec, 0);
	shm_set(&s->shm->publish_wall_ms, clock_wall_ms());
	atomic_store_explicit(&s->held, false, memory_order_release);
}
