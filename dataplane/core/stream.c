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

/* ---- into the logs ---- */

static void drop_keys(struct stream *s)
{
	for (unsigned f = 0; f < WIRE_MAX; f++) {
		struct wlog *log = stream_own_log(s, f);

		if (log)
			wlog_drop_keys(log);
	}
}

static int put(struct stream *s, struct core *home, const struct msg *m, bool key)
{
	int rc = 0;

	for (unsigned f = 0; f < WIRE_MAX; f++) {
		struct wlog *log = stream_own_log(s, f);

		if (!log)
			continue;
		if (key)
			wlog_begin_key(log, m->ts_ms, home->now_us, s->writer->gen);
		if (wlog_append(log, m, home->now_us) < 0)
			rc = -ENOMEM;
	}
	if (rc) {
		/* What follows a hole cannot be decoded before the next key frame. */
		s->writer->video_gap = true;
		core_count(home, CTR_LOG_FULL, 1);
	}
	return rc;
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

/* ---- data ---- */

static int append_metadata(struct stream *s, struct core *home, const struct msg *m,
			   struct slice payload)
{
	uint8_t room[STREAM_HEADER_BYTES_MAX];
	struct wr w = wr_of(room, sizeof(room));
	struct msg out = *m;

	if (payload.n > sizeof(room) - METADATA_ROOM)
		return dropped(home);
	if (!codec_metadata_for_players(payload, SERVER_NAME, &w))
		return odd(home);
	out.type = MSG_DATA;
	out.data = room;
	out.len = (uint32_t)wr_len(&w);
	if (headers_keep(s->writer, home, HEADER_METADATA, 0, &out) == HEADER_REFUSED)
		return dropped(home);
	return put(s, home, &out, false);
}

static int append_data(struct stream *s, struct core *home, const struct msg *m)
{
	struct msg out = *m;
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
static void video_is_there(struct stream *s)
{
	struct stream_writer *w = s->writer;

	w->has_video = true;
	if (w->audio_keys)
		drop_keys(s);
	w->audio_keys = false;
}

static int append_video_header(struct stream *s, struct core *home, const struct msg *m,
			       const struct codec_info *info)
{
	struct stream_writer *w = s->writer;
	enum header_kind kind = info->header ? HEADER_VIDEO : HEADER_VIDEO_METADATA;
	enum header_change change = headers_keep(w, home, kind, info->track, m);
	uint32_t width, height;

	if (change == HEADER_REFUSED)
		return dropped(home);
	if (info->header) {
		video_is_there(s);
		/* Who joins now needs the new header and a key frame that goes with it (M8, M7). */
		if (change == HEADER_CHANGED)
			drop_keys(s);
		if (change != HEADER_SAME && !info->track && codec_video_size(m, &width, &height)) {
			shm_set(&s->shm->width, width);
			shm_set(&s->shm->height, height);
		}
	}
	return put(s, home, m, false);
}

static int append_video_frame(struct stream *s, struct core *home, const struct msg *m,
			      const struct codec_info *info)
{
	struct stream_writer *w = s->writer;
	bool undecodable = info->needs_header && !headers_have(w, HEADER_VIDEO);
	int64_t gop_ms = m->ts_ms - w->last_key_ms;

	if (undecodable || (w->video_gap && !info->keyframe)) {
		w->video_gap = true;
		return dropped(home);
	}
	video_is_there(s);
	if (!info->keyframe)
		return put(s, home, m, false);
	if (shm_get(&s->shm->keyframes) && gop_ms > 0)
		shm_set(&s->shm->gop_ms, (uint64_t)gop_ms);
	shm_add(&s->shm->keyframes, 1);
	w->last_key_ms = m->ts_ms;
	w->video_gap = false;
	return put(s, home, m, true);
}

static int append_video(struct stream *s, struct core *home, const struct msg *m)
{
	struct stream_writer *w = s->writer;
	struct codec_info info;

	if (!codec_inspect(m, &info))
		return odd(home);
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

/* Whether somebody should be able to join at this sound (interop M10). */
static bool is_audio_key(struct stream *s, const struct core *home, const struct codec_info *info)
{
	struct stream_writer *w = s->writer;
	struct wlog_key newest;

	if (!info->frame || (info->needs_header && !headers_have(w, HEADER_AUDIO)))
		return false;
	if (w->audio_key_us && home->now_us - w->audio_key_us < AUDIO_KEY_US)
		return false;
	if (!w->has_video || w->audio_keys)
		return true;
	return home->now_us - w->last_video_us > VIDEO_SILENT_US &&
	       !wlog_newest_key(stream_own_log(s, WIRE_RTMP), &newest);
}

static int append_audio(struct stream *s, struct core *home, const struct msg *m)
{
	struct stream_writer *w = s->writer;
	enum header_change change;
	struct codec_info info;
	bool key;

	if (!codec_inspect(m, &info))
		return odd(home);
	shm_add(&s->shm->msgs_audio, 1);
	shm_set(&s->shm->last_media_us, home->now_us);
	if (info.codec != CODEC_NONE && !info.track)
		shm_set(&s->shm->audio_codec, info.codec);
	if (info.header || info.config) {
		change = headers_keep(w, home, info.header ? HEADER_AUDIO : HEADER_AUDIO_CONFIG,
				      info.track, m);
		if (change == HEADER_REFUSED)
			return dropped(home);
		if (change == HEADER_CHANGED) {
			drop_keys(s);
			w->audio_key_us = 0;
		}
		return put(s, home, m, false);
	}
	key = is_audio_key(s, home, &info);
	if (key) {
		w->audio_keys = true;
		w->audio_key_us = home->now_us;
	}
	return put(s, home, m, key);
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
	for (unsigned f = 0; f < WIRE_MAX; f++) {
		struct wlog *log = stream_own_log(s, f);

		if (!log)
			continue;
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
