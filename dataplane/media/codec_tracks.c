/* SPDX-License-Identifier: Apache-2.0 */
/* The tracks of an Enhanced RTMP message that carries several. */
#include "media/codec.h"

#include <string.h>

#include "media/codec_tag.h"

bool codec_tracks_begin(struct codec_tracks *t, const struct msg *m)
{
	bool video = m->type == MSG_VIDEO;
	uint8_t first, type;

	*t = (struct codec_tracks){.r = rd_of(m->data, m->len)};
	first = rd_u8(&t->r);
	if (!msg_is_media(m) ||
	    (video ? !(first & VIDEO_EX_HEADER) : first >> 4 != AUDIO_EX_HEADER))
		return false;
	type = first & 15;
	ex_skip_mods(&t->r, &type);
	if (type != (video ? EX_VIDEO_MULTITRACK : EX_AUDIO_MULTITRACK))
		return false;
	t->first = (uint8_t)((first & 0xf0) | type);
	t->kind = rd_u8(&t->r);
	t->type = t->kind & 15;
	t->kind >>= 4;
	if (t->kind != EX_MANY_TRACKS_MANY_CODECS)
		t->fourcc = rd_be32(&t->r);
	return !t->r.bad;
}

bool codec_tracks_next(struct codec_tracks *t, struct codec_track *out)
{
	uint32_t n;

	if (!rd_left(&t->r))
		return false;
	if (t->kind == EX_MANY_TRACKS_MANY_CODECS)
		t->fourcc = rd_be32(&t->r);
	out->track = rd_u8(&t->r);
	n = t->kind == EX_ONE_TRACK ? (uint32_t)rd_left(&t->r) : rd_be24(&t->r);
	out->body = (struct slice){rd_take(&t->r, n), n};
	out->head[0] = t->first;
	out->head[1] = EX_ONE_TRACK << 4 | t->type;
	put_be32(out->head + 2, t->fourcc);
	out->head[6] = out->track;
	return !t->r.bad;
}
