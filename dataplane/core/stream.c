/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stream.h"

#include <errno.h>

#include "base/check.h"
#include "core/stream_writer.h"

#define SERVER_NAME	"Millrace/" MILLRACE_VERSION
#define MESSAGE_MAX	0xffffffu
#define AUDIO_KEY_US	1000000u  /* between two places where audio alone can be joined (M10) */
#define VIDEO_SILENT_US 10000000u /* after which audio counts as alone, once no key is left */
#define METADATA_ROOM	256u	  /* what rewriting may add */

/* ---- what all kinds share ---- */

/* The time that viewers see (interop M1-M3). */
static struct msg placed(struct stream *s, struct core *home, const struct msg *m, bool frame)
{
	struct timeline *t = &s->writer->timeline;
	uint64_t jumps = t->jumps, outliers = t->outliers;
	struct msg out = *m;

	out.ts_ms = frame ? timeline_frame(t, m, home->now_us) : timeline_other(t, m);
	if (t->jumps != jumps)
		core_count(home, CTR_TIME_JUMPS, t->jumps - jumps);
	if (t->outliers != outliers)
		core_count(home, CTR_TIME_OUTLIERS, t->outliers - outliers);
	return out;
}

static int put(struct stream *s, struct core *home, const struct msg *m, bool key)
{
	return stream_write(s, home, m, key ? KEY_EVERYWHERE : KEY_NOWHERE);
}

static int odd(struct core *home)
{
	core_count(home, CTR_ODD_MESSAGES, 1);
	return 0;
}

static int dropped(struct core *home)
{
	core_count(home, CTR_MESSAGES_DROPPED, 1);
	return 0;
}

/* Who goes on with a stream repeats its headers; viewers get only those that are new to them. */
static bool is_known(const struct stream *s, enum header_change change)
{
	return change == HEADER_SAME && s->writer->resuming;
}

/* ---- data ---- */

static int append_metadata(struct stream *s, struct core *home, const struct msg *m,
			   struct slice payload)
{
	uint8_t room[STREAM_HEADER_BYTES_MAX];
	struct wr w = wr_of(room, sizeof(room));
	enum header_change change;
	struct msg out = placed(s, home, m, false);

	if (payload.n > sizeof(room) - METADATA_ROOM)
		return dropped(home);
	if (!codec_metadata_for_players(payload, SERVER_NAME, &w))
		return odd(home);
	out.type = MSG_DATA;
	out.data = room;
	out.len = (uint32_t)wr_len(&w);
	change = headers_keep(s->writer, home, HEADER_METADATA, 0, &out);
	if (change == HEADER_REFUSED)
		return dropped(home);
	return is_known(s, change) ? 0 : put(s, home, &out, false);
}

static int append_data(struct stream *s, struct core *home, const struct msg *m)
{
	struct msg out = placed(s, home, m, false);
	struct slice payload;

	shm_add(&s->shm->msgs_data, 1);
	if (codec_data(m, &payload) == DATA_METADATA)
		return append_metadata(s, home, m, payload);
	/* FLV knows type 18 only, and real AMF3 cannot be shown as that (interop C7). */
	if (!payload.n || (m->type == MSG_DATA_AMF3 && payload.p == m->data))
		return odd(home);
	out.type = MSG_DATA;
	out.data = payload.p;
	out.len = (uint32_t)payload.n;
	return put(s, home, &out, false);
}

/* ---- video ---- */

/* There are pictures (again): from here on a joiner must begin with one. */
static void video_is_there(struct stream *s, const struct codec_info *info)
{
	struct stream_writer *w = s->writer;

	if (!w->has_video)
		w->key_track = info->track;
	w->has_video = true;
	if (w->audio_keys)
		stream_drop_keys(s, MSG_VIDEO);
	w->audio_keys = false;
}

/* Whoever came back has begun. Key frames whose header he did not repeat cannot be decoded now. */
static void settle(struct stream *s)
{
	if (headers_settle(s->writer))
		stream_drop_keys(s, MSG_VIDEO);
}

static int append_video_header(struct stream *s, struct core *home, const struct msg *m,
			       const struct codec_info *info)
{
	struct stream_writer *w = s->writer;
	enum header_kind kind = info->header ? HEADER_VIDEO : HEADER_VIDEO_METADATA;
	enum header_change change = headers_keep_tracks(w, home, kind, info->track, m);
	uint32_t width, height;

	if (change == HEADER_REFUSED)
		return dropped(home);
	if (info->header) {
		video_is_there(s, info);
		stream_flow_header(s, home, MSG_VIDEO);
		/* Who joins now needs the new header and a key frame that goes with it (M8, M7). */
		if (change == HEADER_CHANGED)
			stream_drop_keys(s, MSG_VIDEO);
		if (change != HEADER_SAME && !info->track && codec_video_size(m, &width, &height)) {
			shm_set(&s->shm->width, width);
			shm_set(&s->shm->height, height);
		}
	}
	return is_known(s, change) ? 0 : put(s, home, m, false);
}

static int append_video_frame(struct stream *s, struct core *home, const struct msg *m,
			      const struct codec_info *info)
{
	struct stream_writer *w = s->writer;
	bool undecodable = info->needs_header && !headers_have(w, HEADER_VIDEO);
	bool key = info->keyframe && (!w->has_video || info->track == w->key_track);
	int64_t gop_ms = m->ts_ms - w->last_key_ms;

	if (undecodable || (w->video_gap && !key)) {
		w->video_gap = true;
		return dropped(home);
	}
	video_is_there(s, info);
	stream_flow_frame(s, home, m);
	if (!key)
		return put(s, home, m, false);
	if (shm_get(&s->shm->keyframes) && gop_ms > 0)
		shm_set(&s->shm->gop_ms, (uint64_t)gop_ms);
	shm_add(&s->shm->keyframes, 1);
	w->last_key_ms = m->ts_ms;
	w->video_gap = false;
	if (w->resuming)
		settle(s);
	return put(s, home, m, true);
}

static int append_video(struct stream *s, struct core *home, const struct msg *m)
{
	struct stream_writer *w = s->writer;
	struct codec_info info;
	struct msg at;

	if (!codec_inspect(m, &info))
		return odd(home);
	at = placed(s, home, m, info.frame);
	m = &at;
	shm_add(&s->shm->msgs_video, 1);
	shm_set(&s->shm->last_media_us, home->now_us);
	if (info.codec != CODEC_NONE && !info.track)
		shm_set(&s->shm->video_codec, info.codec);
	w->last_video_us = home->now_us;
	if (info.header || info.metadata)
		return append_video_header(s, home, m, &info);
	if (info.frame)
		return append_video_frame(s, home, m, &info);
	return put(s, home, m, false);
}

/* ---- audio ---- */

static bool audio_is_alone(const struct stream *s, const struct core *home)
{
	const struct stream_writer *w = s->writer;
	struct wlog_key newest;

	return !w->has_video || w->audio_keys ||
	       (home->now_us - w->last_video_us > VIDEO_SILENT_US &&
		!wlog_newest_key(stream_own_log(s, WIRE_RTMP), &newest));
}

static bool is_due(uint64_t *last_us, uint64_t now_us)
{
	if (*last_us && now_us - *last_us < AUDIO_KEY_US)
		return false;
	*last_us = now_us;
	return true;
}

/* Where this sound can be joined at, about once a second (interop M10). */
static enum put_key sound_key(const struct stream *s, const struct core *home,
			      const struct codec_info *info)
{
	struct stream_writer *w = s->writer;

	if (!info->frame || (info->needs_header && !headers_have(w, HEADER_AUDIO)))
		return KEY_NOWHERE;
	if (audio_is_alone(s, home) && is_due(&w->audio_key_us, home->now_us)) {
		w->audio_keys = true;
		return KEY_EVERYWHERE;
	}
	return is_due(&w->sound_key_us, home->now_us) ? KEY_WITHOUT_VIDEO : KEY_NOWHERE;
}

/* What was cached for joiners is new, and must be there before the next key (M8). */
static int append_audio_header(struct stream *s, struct core *home, const struct msg *m,
			       const struct codec_info *info)
{
	enum header_kind kind = info->header ? HEADER_AUDIO : HEADER_AUDIO_CONFIG;
	enum header_change change = headers_keep_tracks(s->writer, home, kind, info->track, m);

	if (change == HEADER_REFUSED)
		return dropped(home);
	stream_flow_header(s, home, MSG_AUDIO);
	if (change == HEADER_CHANGED) {
		stream_drop_keys(s, MSG_AUDIO);
		s->writer->audio_key_us = s->writer->sound_key_us = 0;
	}
	return is_known(s, change) ? 0 : put(s, home, m, false);
}

static int append_audio(struct stream *s, struct core *home, const struct msg *m)
{
	struct stream_writer *w = s->writer;
	struct codec_info info;
	enum put_key key;
	struct msg at;

	if (!codec_inspect(m, &info))
		return odd(home);
	at = placed(s, home, m, info.frame);
	shm_add(&s->shm->msgs_audio, 1);
	shm_set(&s->shm->last_media_us, home->now_us);
	if (info.codec != CODEC_NONE && !info.track)
		shm_set(&s->shm->audio_codec, info.codec);
	if (info.header || info.config)
		return append_audio_header(s, home, &at, &info);
	if (info.frame)
		stream_flow_frame(s, home, &at);
	key = sound_key(s, home, &info);
	if (key == KEY_EVERYWHERE && w->resuming)
		settle(s);
	return stream_write(s, home, &at, key);
}

/* ---- the home core's calls ---- */

int stream_append(struct stream *s, struct core *home, const struct msg *m)
{
	core_count(home, CTR_MESSAGES_IN, 1);
	core_count(home, CTR_MESSAGE_BYTES_IN, m->len);
	shm_add(&s->shm->bytes_in, m->len);
	if (!m->len)
		return odd(home);
	if (m->len > MESSAGE_MAX)
		return dropped(home);
	switch (m->type) {
	case MSG_AUDIO:
		return append_audio(s, home, m);
	case MSG_VIDEO:
		return append_video(s, home, m);
	case MSG_DATA:
	case MSG_DATA_AMF3:
		return append_data(s, home, m);
	}
	return odd(home);
}

/* The headers first: whoever sees a key frame finds what it needs. */
void stream_flush(struct stream *s, struct core *home)
{
	struct stream_writer *w = s->writer;
	uint32_t blocks = 0;

	if (w->dirty || w->retired)
		headers_publish(s, home);
	for (unsigned i = 0; i < w->open_n; i++) {
		struct wlog *log = stream_own_log(s, w->open[i]);

		wlog_publish(log);
		wlog_trim(log, home->now_us);
		blocks += wlog_blocks(log);
	}
	if (blocks == w->blocks)
		return;
	core_count(home, CTR_LOG_BLOCKS, (uint64_t)blocks - w->blocks);
	w->blocks = blocks;
	shm_set(&s->shm->log_bytes, (uint64_t)blocks * s->engine->arena->block_bytes);
}
