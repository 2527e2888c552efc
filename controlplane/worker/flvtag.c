/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/flvtag.h"

#include "base/bytes.h"

#define TAG_HEAD   11u
#define TAG_AUDIO  8
#define TAG_VIDEO  9
#define TAG_SCRIPT 18

#define FRAME_KEY   0x10
#define FRAME_INTER 0x20
#define ENHANCED    0x80 /* of video; and the packet type in the low bits */
#define EX_AUDIO    0x90 /* the same of audio */

enum { EX_SEQUENCE_START, EX_CODED_FRAMES };

static void tag_head(struct wr *w, uint8_t type, size_t n, int64_t dts_us)
{
	uint32_t ms = (uint32_t)(dts_us / 1000);

	wr_u8(w, type);
	wr_be24(w, (uint32_t)n);
	wr_be24(w, ms & 0xffffff);
	wr_u8(w, (uint8_t)(ms >> 24));
	wr_be24(w, 0);
}

size_t flv_head(uint8_t dst[FLV_HEAD_BYTES], bool video, bool audio)
{
	struct wr w = wr_of(dst, FLV_HEAD_BYTES);

	wr_bytes(&w, "FLV\1", 4);
	wr_u8(&w, (uint8_t)((audio ? 4 : 0) | (video ? 1 : 0)));
	wr_be32(&w, 9);
	wr_be32(&w, 0);
	return wr_len(&w);
}

/* ---- metadata ---- */

static void put_text(struct wr *w, const char *text)
{
	wr_be16(w, (uint16_t)strlen(text));
	wr_bytes(w, text, strlen(text));
}

static void put_number(struct wr *w, const char *name, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	put_text(w, name);
	wr_u8(w, 0);
	wr_be64(w, bits);
}

/* Of the codecs that only Enhanced RTMP has; 0: none. */
static uint32_t fourcc_of(enum track_codec codec)
{
	switch (codec) {
	case CODEC_HEVC:
		return 0x68766331; /* hvc1 */
	case CODEC_AV1:
		return 0x61763031; /* av01 */
	case CODEC_VP9:
		return 0x76703039; /* vp09 */
	case CODEC_OPUS:
		return 0x4f707573; /* Opus */
	case CODEC_FLAC:
		return 0x664c6143; /* fLaC */
	case CODEC_AC3:
		return 0x61632d33; /* ac-3 */
	case CODEC_EAC3:
		return 0x65632d33; /* ec-3 */
	default:
		return 0;
	}
}

static double codec_id(enum track_codec codec)
{
	switch (codec) {
	case CODEC_H264:
		return 7;
	case CODEC_AAC:
		return 10;
	case CODEC_MP3:
		return 2;
	default:
		return fourcc_of(codec);
	}
}

static void put_members(struct wr *w, const struct track tracks[TRACKS])
{
	const struct track *v = &tracks[TRACK_VIDEO], *a = &tracks[TRACK_AUDIO];

	if (v->codec) {
		put_number(w, "width", v->width);
		put_number(w, "height", v->height);
		put_number(w, "videocodecid", codec_id(v->codec));
	}
	if (a->codec) {
		put_number(w, "audiocodecid", codec_id(a->codec));
		put_number(w, "audiosamplerate", a->rate);
		put_number(w, "audiochannels", a->channels);
	}
}

size_t flv_metadata(uint8_t *dst, size_t room, const struct track tracks[TRACKS])
{
	struct wr w = wr_of(dst, room);
	uint32_t members =
		(tracks[TRACK_VIDEO].codec ? 3 : 0) + (tracks[TRACK_AUDIO].codec ? 3 : 0);

	tag_head(&w, TAG_SCRIPT, 0, 0);
	wr_u8(&w, 2);
	put_text(&w, "onMetaData");
	wr_u8(&w, 8);
	wr_be32(&w, members);
	put_members(&w, tracks);
	wr_be24(&w, 9); /* an empty name and the end mark */
	if (w.bad)
		return 0;
	put_be24(dst + 1, (uint32_t)(wr_len(&w) - TAG_HEAD));
	wr_be32(&w, (uint32_t)wr_len(&w));
	return w.bad ? 0 : wr_len(&w);
}

/* ---- media ---- */

static bool is_audio(enum track_codec codec)
{
	return codec == CODEC_OPUS || codec == CODEC_FLAC || codec == CODEC_AC3 ||
	       codec == CODEC_EAC3;
}

/* The bytes between tag head and payload. */
static void put_kind(struct wr *w, enum track_codec codec, bool header, bool key, uint32_t delay_ms)
{
	uint8_t frame = key ? FRAME_KEY : FRAME_INTER;

	switch (codec) {
	case CODEC_H264:
		wr_u8(w, frame | 7);
		wr_u8(w, !header);
		wr_be24(w, delay_ms & 0xffffff);
		break;
	case CODEC_AAC: /* rate and channels are always said like this (interop M20) */
		wr_u8(w, 0xaf);
		wr_u8(w, !header);
		break;
	case CODEC_MP3:
		wr_u8(w, 0x2f);
		break;
	default:
		wr_u8(w, (is_audio(codec) ? EX_AUDIO : ENHANCED | frame) |
				 (header ? EX_SEQUENCE_START : EX_CODED_FRAMES));
		wr_be32(w, fourcc_of(codec));
		if (codec == CODEC_HEVC && !header)
			wr_be24(w, delay_ms & 0xffffff);
		break;
	}
}

static size_t kind_bytes(enum track_codec codec, bool header)
{
	uint8_t room[16];
	struct wr w = wr_of(room, sizeof(room));

	put_kind(&w, codec, header, true, 0);
	return wr_len(&w);
}

size_t flv_header_tag(uint8_t *dst, size_t room, const struct track *t, enum track_kind kind,
		      int64_t dts_us)
{
	struct wr w = wr_of(dst, room);

	if (!t->config_n)
		return 0;
	tag_head(&w, kind == TRACK_VIDEO ? TAG_VIDEO : TAG_AUDIO,
		 kind_bytes(t->codec, true) + t->config_n, dts_us);
	put_kind(&w, t->codec, true, true, 0);
	wr_bytes(&w, t->config, t->config_n);
	wr_be32(&w, (uint32_t)wr_len(&w));
	return w.bad ? 0 : wr_len(&w);
}

size_t flv_unit_tag(uint8_t head[FLV_TAG_ROOM], uint8_t tail[4], const struct track *t,
		    const struct unit *u)
{
	struct wr w = wr_of(head, FLV_TAG_ROOM);
	int64_t delay_ms = u->pts_us / 1000 - u->dts_us / 1000;

	tag_head(&w, u->kind == TRACK_VIDEO ? TAG_VIDEO : TAG_AUDIO,
		 kind_bytes(t->codec, false) + u->n, u->dts_us);
	put_kind(&w, t->codec, false, u->key, (uint32_t)delay_ms);
	put_be32(tail, (uint32_t)(wr_len(&w) + u->n));
	return wr_len(&w);
}
