/* SPDX-License-Identifier: Apache-2.0 */
#include "media/codec.h"

#include "base/check.h"
#include "media/bits.h"
#include "media/codec_tag.h"
#include "media/sps.h"

#define NALS_LOOKED_AT 32 /* before the first slice; more is not a picture that anybody sends */

static const char *const names[] = {
	[CODEC_NONE] = "none",	 [CODEC_H264] = "h264",	  [CODEC_HEVC] = "hevc",
	[CODEC_AV1] = "av1",	 [CODEC_VP8] = "vp8",	  [CODEC_VP9] = "vp9",
	[CODEC_VVC] = "vvc",	 [CODEC_H263] = "h263",	  [CODEC_SCREEN] = "screen",
	[CODEC_VP6] = "vp6",	 [CODEC_AAC] = "aac",	  [CODEC_MP3] = "mp3",
	[CODEC_OPUS] = "opus",	 [CODEC_FLAC] = "flac",	  [CODEC_AC3] = "ac3",
	[CODEC_EAC3] = "eac3",	 [CODEC_SPEEX] = "speex", [CODEC_G711A] = "g711a",
	[CODEC_G711U] = "g711u", [CODEC_PCM] = "pcm",	  [CODEC_OTHER] = "other",
};
static_assert(array_len(names) == CODEC_MAX, "one name per codec");

const char *codec_name(unsigned id)
{
	return id < CODEC_MAX ? names[id] : "other";
}

/* Ids 12 and 13 are what encoders and servers agreed on before Enhanced RTMP (interop M18). */
static enum codec_id video_codec(uint8_t id)
{
	static const uint8_t codecs[16] = {
		[2] = CODEC_H263,   [3] = CODEC_SCREEN, [4] = CODEC_VP6,   [5] = CODEC_VP6,
		[6] = CODEC_SCREEN, [7] = CODEC_H264,	[12] = CODEC_HEVC, [13] = CODEC_AV1,
	};

	return codecs[id & 15] ? codecs[id & 15] : CODEC_OTHER;
}

static enum codec_id audio_codec(uint8_t id)
{
	static const uint8_t codecs[16] = {
		[0] = CODEC_PCM,    [2] = CODEC_MP3,   [3] = CODEC_PCM,
		[7] = CODEC_G711A,  [8] = CODEC_G711U, [10] = CODEC_AAC,
		[11] = CODEC_SPEEX, [13] = CODEC_OPUS, [14] = CODEC_MP3,
	};

	return codecs[id & 15] ? codecs[id & 15] : CODEC_OTHER;
}

static enum codec_id fourcc_codec(uint32_t fourcc)
{
	switch (fourcc) {
	case FOURCC('a', 'v', 'c', '1'):
		return CODEC_H264;
	case FOURCC('h', 'v', 'c', '1'):
		return CODEC_HEVC;
	case FOURCC('v', 'v', 'c', '1'):
		return CODEC_VVC;
	case FOURCC('a', 'v', '0', '1'):
		return CODEC_AV1;
	case FOURCC('v', 'p', '0', '8'):
		return CODEC_VP8;
	case FOURCC('v', 'p', '0', '9'):
		return CODEC_VP9;
	case FOURCC('m', 'p', '4', 'a'):
		return CODEC_AAC;
	case FOURCC('.', 'm', 'p', '3'):
		return CODEC_MP3;
	case FOURCC('O', 'p', 'u', 's'):
		return CODEC_OPUS;
	case FOURCC('f', 'L', 'a', 'C'):
		return CODEC_FLAC;
	case FOURCC('a', 'c', '-', '3'):
		return CODEC_AC3;
	case FOURCC('e', 'c', '-', '3'):
		return CODEC_EAC3;
	}
	return CODEC_OTHER;
}

static bool cannot_do_without_header(enum codec_id codec)
{
	return codec == CODEC_H264 || codec == CODEC_HEVC || codec == CODEC_VVC ||
	       codec == CODEC_AAC;
}

static int32_t si24(uint32_t v)
{
	return (int32_t)(v << 8) >> 8;
}

/* Whether a recovery point (payload type 6) is among the messages of an SEI NAL unit. */
static bool sei_recovery_point(struct slice sei)
{
	struct rd r = rd_of(sei.p, sei.n);

	while (rd_left(&r) >= 2) {
		uint32_t type = 0, size = 0;
		uint8_t b;

		do {
			b = rd_u8(&r);
			type += b;
		} while (b == 0xff);
		do {
			b = rd_u8(&r);
			size += b;
		} while (b == 0xff);
		if (type == 6 && !r.bad)
			return true;
		rd_take(&r, size);
	}
	return false;
}

/*
 * Whether decoding can start at this picture (interop M14). The first slice decides: an IDR or
 * IRAP slice says yes, another one says no unless a recovery point stands before it. Where no
 * slice is found (lengths that are not 4 bytes wide, start codes), the tag's flag is believed.
 */
static bool picture_is_key(struct slice picture, bool hevc, bool flag)
{
	struct rd r = rd_of(picture.p, picture.n);
	bool recovery = false;

	for (int i = 0; i < NALS_LOOKED_AT; i++) {
		uint32_t len = rd_be32(&r);
		const uint8_t *nal = rd_take(&r, len);
		uint8_t type, head = hevc ? 2 : 1;

		if (!nal || len < 2)
			return flag;
		type = hevc ? nal[0] >> 1 & 0x3f : nal[0] & 0x1f;
		if (hevc ? type <= 31 : type >= 1 && type <= 5)
			return (hevc ? type >= 16 && type <= 23 : type == 5) || (flag && recovery);
		if (type == (hevc ? 39 : 6))
			recovery |= sei_recovery_point((struct slice){nal + head, len - head});
	}
	return flag;
}

static void set_keyframe(struct codec_info *c, uint8_t frame_type, struct slice picture)
{
	bool flag = frame_type == FRAME_KEY || frame_type == FRAME_GENERATED_KEY;

	if (c->codec == CODEC_H264 || c->codec == CODEC_HEVC)
		c->keyframe = picture_is_key(picture, c->codec == CODEC_HEVC, flag);
	else
		c->keyframe = flag;
}

static struct slice rest(struct rd *r)
{
	size_t n = rd_left(r);

	return (struct slice){rd_take(r, n), n};
}

/* The FourCC and, with several tracks, the head of the first one. *body is that track's. */
static void ex_first_track(struct rd *r, uint8_t *type, uint8_t multitrack, struct codec_info *c,
			   struct slice *body)
{
	uint8_t kind = EX_ONE_TRACK;
	uint32_t n;

	c->multitrack = *type == multitrack;
	if (c->multitrack) {
		uint8_t b = rd_u8(r);

		kind = b >> 4;
		*type = b & 15;
	}
	c->fourcc = rd_be32(r);
	if (c->multitrack)
		c->track = rd_u8(r);
	if (kind == EX_ONE_TRACK) {
		*body = rest(r);
	} else {
		n = rd_be24(r);
		*body = (struct slice){rd_take(r, n), n};
	}
	c->codec = fourcc_codec(c->fourcc);
}

static bool ex_has_composition_time(enum codec_id codec)
{
	return codec == CODEC_H264 || codec == CODEC_HEVC || codec == CODEC_VVC;
}

static bool ex_video(struct rd *r, uint8_t first, struct codec_info *c, struct slice *body)
{
	uint8_t type = first & 15, frame_type = first >> 4 & 7;

	c->enhanced = true;
	ex_skip_mods(r, &type);
	if (frame_type == FRAME_COMMAND && type != EX_VIDEO_METADATA)
		return !r->bad; /* one command byte follows, and no codec is named */
	ex_first_track(r, &type, EX_VIDEO_MULTITRACK, c, body);
	if (r->bad)
		return false;
	switch (type) {
	case EX_SEQUENCE_START:
	case EX_VIDEO_MPEG2TS_SEQUENCE_START:
		c->header = body->n > 0;
		break;
	case EX_CODED_FRAMES:
		if (ex_has_composition_time(c->codec)) {
			if (body->n < 3)
				return false;
			c->cts_ms = si24(get_be24(body->p));
			*body = (struct slice){body->p + 3, body->n - 3};
		}
		c->frame = body->n > 0;
		break;
	case EX_VIDEO_CODED_FRAMES_X:
		c->frame = body->n > 0;
		break;
	case EX_SEQUENCE_END:
		c->end = true;
		break;
	case EX_VIDEO_METADATA:
		c->metadata = true;
		break;
	}
	if (c->frame)
		set_keyframe(c, frame_type, *body);
	return true;
}

static bool legacy_video(struct rd *r, uint8_t first, struct codec_info *c, struct slice *body)
{
	uint8_t frame_type = first >> 4, packet;
	uint32_t cts;

	c->codec = video_codec(first & 15);
	if (frame_type == FRAME_COMMAND)
		return true;
	if (c->codec != CODEC_H264 && c->codec != CODEC_HEVC && c->codec != CODEC_AV1) {
		c->frame = true;
		*body = rest(r);
		set_keyframe(c, frame_type, *body);
		return true;
	}
	packet = rd_u8(r);
	if (packet == AVC_END) {
		c->end = true;
		return !r->bad; /* some leave its composition time out */
	}
	cts = rd_be24(r);
	*body = rest(r);
	if (r->bad)
		return false;
	c->header = packet == AVC_SEQUENCE_HEADER && body->n > 0;
	c->frame = packet == AVC_NALU && body->n > 0;
	if (c->frame) {
		c->cts_ms = si24(cts);
		set_keyframe(c, frame_type, *body);
	}
	return true;
}

static bool ex_audio(struct rd *r, uint8_t first, struct codec_info *c, struct slice *body)
{
	uint8_t type = first & 15;

	c->enhanced = true;
	ex_skip_mods(r, &type);
	ex_first_track(r, &type, EX_AUDIO_MULTITRACK, c, body);
	c->header = type == EX_SEQUENCE_START && body->n > 0;
	c->frame = type == EX_CODED_FRAMES;
	c->end = type == EX_SEQUENCE_END;
	c->config = type == EX_AUDIO_MULTICHANNEL_CONFIG;
	return !r->bad;
}

static bool legacy_audio(struct rd *r, uint8_t first, struct codec_info *c, struct slice *body)
{
	uint8_t packet = 1;

	c->codec = audio_codec(first >> 4);
	if (first >> 4 == AUDIO_AAC)
		packet = rd_u8(r);
	*body = rest(r);
	c->header = packet == 0 && body->n > 0;
	c->frame = packet == 1;
	return !r->bad;
}

bool codec_body(const struct msg *m, struct codec_info *c, struct slice *body)
{
	struct rd r;
	uint8_t first;
	bool good;

	*c = (struct codec_info){.codec = CODEC_NONE};
	*body = (struct slice){m->data, 0};
	if (!m->len || !msg_is_media(m))
		return false;
	r = rd_of(m->data, m->len);
	first = rd_u8(&r);
	if (m->type == MSG_VIDEO)
		good = first & VIDEO_EX_HEADER ? ex_video(&r, first, c, body)
					       : legacy_video(&r, first, c, body);
	else
		good = first >> 4 == AUDIO_EX_HEADER ? ex_audio(&r, first, c, body)
						     : legacy_audio(&r, first, c, body);
	c->needs_header = cannot_do_without_header(c->codec);
	return good;
}

bool codec_inspect(const struct msg *m, struct codec_info *out)
{
	struct slice body;

	return codec_body(m, out, &body);
}

/* First sequence parameter set of an AVCDecoderConfigurationRecord. */
static struct slice avcc_sps(struct slice record)
{
	struct rd r = rd_of(record.p, record.n);
	uint16_t n;

	rd_take(&r, 5); /* version, profile, compatibility, level, length size */
	if (!(rd_u8(&r) & 0x1f))
		return (struct slice){record.p, 0};
	n = rd_be16(&r);
	return rd_left(&r) >= n ? (struct slice){r.p, n} : (struct slice){record.p, 0};
}

/* First sequence parameter set of an HEVCDecoderConfigurationRecord. */
static struct slice hvcc_sps(struct slice record)
{
	struct rd r = rd_of(record.p, record.n);
	uint8_t arrays;

	rd_take(&r, 22);
	arrays = rd_u8(&r);
	while (arrays-- && !r.bad) {
		uint8_t type = rd_u8(&r) & 0x3f;
		uint16_t nals = rd_be16(&r);

		while (nals-- && !r.bad) {
			uint16_t n = rd_be16(&r);
			const uint8_t *nal = rd_take(&r, n);

			if (type == 33 && nal)
				return (struct slice){nal, n};
		}
	}
	return (struct slice){record.p, 0};
}

bool codec_video_size(const struct msg *header, uint32_t *width, uint32_t *height)
{
	struct codec_info c;
	struct slice body;

	if (header->type != MSG_VIDEO || !codec_body(header, &c, &body) || !c.header)
		return false;
	if (c.codec == CODEC_H264)
		return sps_h264_size(avcc_sps(body), width, height);
	if (c.codec == CODEC_HEVC)
		return sps_hevc_size(hvcc_sps(body), width, height);
	return false;
}

static uint32_t aac_rate(struct bits *b)
{
	static const uint32_t rates[16] = {96000, 88200, 64000, 48000, 44100, 32000, 24000,
					   22050, 16000, 12000, 11025, 8000,  7350};
	uint32_t index = bits_u(b, 4);

	return index == 15 ? bits_u(b, 24) : rates[index];
}

static uint32_t aac_object_type(struct bits *b)
{
	uint32_t type = bits_u(b, 5);

	return type == 31 ? 32 + bits_u(b, 6) : type;
}

static uint32_t aac_channels(uint32_t configuration)
{
	static const uint8_t channels[16] = {0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8};

	return channels[configuration & 15];
}

/* SBR and PS signalled behind the configuration, where old decoders do not look. */
static void aac_extension(struct bits *b, uint32_t *rate, uint32_t *channels)
{
	uint32_t hz;

	bits_u1(b); /* frameLengthFlag */
	if (bits_u1(b))
		bits_skip(b, 14); /* coreCoderDelay */
	bits_u1(b);		  /* extensionFlag */
	if (bits_left(b) < 17 || bits_u(b, 11) != 0x2b7 || aac_object_type(b) != 5 || !bits_u1(b))
		return;
	hz = aac_rate(b);
	if (b->bad)
		return;
	*rate = hz;
	if (bits_left(b) >= 12 && bits_u(b, 11) == 0x548 && bits_u1(b) && *channels == 1)
		*channels = 2;
}

bool codec_aac_config(const struct msg *header, uint32_t *rate, uint32_t *channels)
{
	enum { AAC_LC = 2, AAC_SBR = 5, AAC_PS = 29 };
	struct codec_info c;
	struct slice body;
	struct bits b;
	uint32_t type, hz, n;

	if (header->type != MSG_AUDIO || !codec_body(header, &c, &body) || !c.header ||
	    c.codec != CODEC_AAC)
		return false;
	b = bits_of(body, false);
	if (body.n >= 7 && get_be16(body.p) >> 4 == 0xfff) { /* an ADTS header instead */
		bits_skip(&b, 18);
		hz = aac_rate(&b);
		bits_u1(&b);
		n = aac_channels(bits_u(&b, 3));
	} else {
		type = aac_object_type(&b);
		hz = aac_rate(&b);
		n = aac_channels(bits_u(&b, 4));
		if (type == AAC_SBR || type == AAC_PS)
			hz = aac_rate(&b);
		if (type == AAC_PS && n == 1)
			n = 2;
		if (b.bad)
			return false;
		if (type == AAC_LC)
			aac_extension(&b, &hz, &n);
	}
	if (!hz || !n)
		return false;
	*rate = hz;
	*channels = n;
	return true;
}
