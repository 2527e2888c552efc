/* SPDX-License-Identifier: Apache-2.0 */
#include "media/convert.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "media/codec_tag.h"
#include "media/url.h"

#define LEGACY_HEAD    5 /* frame type and codec, packet type, composition time */
#define ENHANCED_HEAD  5 /* frame type and packet type, FourCC */
#define CTS_BYTES      3
#define MESSAGE_MAX    0xffffffu
#define METADATA_GROWS 32 /* an object becomes an array with a count and an end */
#define METADATA_BYTES 65536u

/* ---- what is asked for ---- */

/* The value of a parameter that is one of two words; -1: not given, -EINVAL: another one. */
static int choice(const char *params, const char *name, const char *zero, const char *one)
{
	char word[16];

	if (!params_get(params, name, word, sizeof(word)))
		return -1;
	return !strcmp(word, zero) ? 0 : !strcmp(word, one) ? 1 : -EINVAL;
}

int variant_of_params(const char *params, unsigned *variant, const char **field, const char **rule)
{
	int hevc = choice(params, "hevc", "legacy", "enhanced");
	int audio = choice(params, "audio", "0", "1"), video = choice(params, "video", "0", "1");

	*variant = VARIANT_SOURCE;
	*field = hevc == -EINVAL ? "hevc" : audio == -EINVAL ? "audio" : "video";
	*rule = hevc == -EINVAL ? "must be legacy or enhanced" : "must be 0 or 1";
	if (hevc == -EINVAL || audio == -EINVAL || video == -EINVAL)
		return -EINVAL;
	*rule = "audio=0 and video=0 together leave nothing";
	if (!audio && !video)
		return -EINVAL;
	if (!audio)
		*variant |= VARIANT_NO_AUDIO;
	if (!video)
		*variant |= VARIANT_NO_VIDEO;
	else if (hevc >= 0)
		*variant |= hevc ? VARIANT_HEVC_ENHANCED : VARIANT_HEVC_LEGACY;
	return 0;
}

unsigned variant_needed(unsigned variant, const struct codec_info *video)
{
	if (video && (video->codec != CODEC_HEVC || video->enhanced))
		variant &= ~(unsigned)VARIANT_HEVC_ENHANCED;
	if (video && (video->codec != CODEC_HEVC || !video->enhanced))
		variant &= ~(unsigned)VARIANT_HEVC_LEGACY;
	return variant;
}

bool variant_has(unsigned variant, uint8_t type)
{
	return !(type == MSG_AUDIO && variant & VARIANT_NO_AUDIO) &&
	       !(type == MSG_VIDEO && variant & VARIANT_NO_VIDEO);
}

/* ---- HEVC ---- */

static enum convert to_enhanced(const struct msg *m, struct converted *out)
{
	uint8_t frame_type, packet, type;
	const uint8_t *cts;

	if ((m->data[0] & 15) != VIDEO_HEVC || m->len < 2)
		return CONVERT_SAME;
	frame_type = m->data[0] >> 4 & 7;
	packet = m->data[1];
	if (frame_type == FRAME_COMMAND || packet > AVC_END)
		return CONVERT_SAME;
	if (m->len < LEGACY_HEAD && packet != AVC_END)
		return CONVERT_SAME;
	cts = m->data + 2;
	type = packet == AVC_SEQUENCE_HEADER ? EX_SEQUENCE_START
	       : packet == AVC_END	     ? EX_SEQUENCE_END
					     : EX_CODED_FRAMES;
	if (type == EX_CODED_FRAMES && !get_be24(cts))
		type = EX_VIDEO_CODED_FRAMES_X;
	out->head[0] = (uint8_t)(VIDEO_EX_HEADER | frame_type << 4 | type);
	put_be32(out->head + 1, FOURCC('h', 'v', 'c', '1'));
	out->head_n = ENHANCED_HEAD;
	if (type == EX_CODED_FRAMES) {
		memcpy(out->head + ENHANCED_HEAD, cts, CTS_BYTES);
		out->head_n += CTS_BYTES;
	}
	out->body = (struct slice){m->data + min_of(m->len, LEGACY_HEAD),
				   m->len - min_of(m->len, LEGACY_HEAD)};
	return CONVERT_DONE;
}

static enum convert to_legacy(const struct msg *m, struct converted *out)
{
	struct codec_info info;
	struct slice body;
	uint8_t packet;

	if (!(m->data[0] & VIDEO_EX_HEADER) || !codec_body(m, &info, &body) ||
	    info.codec != CODEC_HEVC)
		return CONVERT_SAME;
	if (info.multitrack || !(info.header || info.frame || info.end))
		return CONVERT_LEAVE_OUT;
	packet = info.header ? AVC_SEQUENCE_HEADER : info.end ? AVC_END : AVC_NALU;
	out->head[0] = (uint8_t)((m->data[0] >> 4 & 7) << 4 | VIDEO_HEVC);
	out->head[1] = packet;
	put_be24(out->head + 2, (uint32_t)info.cts_ms & 0xffffff);
	out->head_n = LEGACY_HEAD;
	out->body = body;
	return CONVERT_DONE;
}

enum convert convert_video(const struct msg *m, bool enhanced, struct converted *out)
{
	if (m->type != MSG_VIDEO || !m->len)
		return CONVERT_SAME;
	if (m->data[0] & VIDEO_EX_HEADER)
		return enhanced ? CONVERT_SAME : to_legacy(m, out);
	return enhanced ? to_enhanced(m, out) : CONVERT_SAME;
}

/* ---- whole messages ---- */

static enum convert in_room(struct buf *room, const struct msg *m, struct msg *out)
{
	if (room->bad || room->n > MESSAGE_MAX)
		return CONVERT_LEAVE_OUT;
	*out = *m;
	out->data = room->p;
	out->len = (uint32_t)room->n;
	return CONVERT_DONE;
}

static enum convert hevc(unsigned variant, const struct msg *m, struct buf *room, struct msg *out)
{
	struct converted c;
	enum convert r = convert_video(m, variant & VARIANT_HEVC_ENHANCED, &c);

	if (r != CONVERT_DONE)
		return r;
	buf_reset(room, SIZE_MAX);
	buf_write(room, c.head, c.head_n);
	buf_write(room, c.body.p, c.body.n);
	return in_room(room, m, out);
}

/* Metadata must not promise what is left out: mpegts.js believes its hasAudio and waits (M12). */
static enum convert metadata(unsigned variant, const struct msg *m, struct buf *room,
			     struct msg *out)
{
	struct slice payload;
	struct wr w;

	if (codec_data(m, &payload) != DATA_METADATA || payload.n > METADATA_BYTES)
		return CONVERT_SAME;
	buf_reset(room, SIZE_MAX);
	if (buf_reserve(room, payload.n + METADATA_GROWS)) {
		room->bad = true;
		return CONVERT_LEAVE_OUT;
	}
	w = wr_of(room->p, room->cap);
	if (!codec_metadata_without(payload, variant & VARIANT_NO_AUDIO, variant & VARIANT_NO_VIDEO,
				    &w))
		return CONVERT_SAME;
	room->n = wr_len(&w);
	return in_room(room, m, out);
}

enum convert convert_msg(unsigned variant, const struct msg *m, struct buf *room, struct msg *out)
{
	if (!variant_has(variant, m->type))
		return CONVERT_LEAVE_OUT;
	if (m->type == MSG_VIDEO && variant & (VARIANT_HEVC_LEGACY | VARIANT_HEVC_ENHANCED))
		return hevc(variant, m, room, out);
	if (m->type == MSG_DATA && variant & (VARIANT_NO_AUDIO | VARIANT_NO_VIDEO))
		return metadata(variant, m, room, out);
	return CONVERT_SAME;
}
