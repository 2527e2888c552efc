/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/flvread.h"

#include "base/bytes.h"
#include "base/check.h"

#define TAG_HEAD  11
#define TAG_AUDIO 8
#define TAG_VIDEO 9
#define TAG_DATA  18

#define EX_VIDEO    0x80 /* in the first byte of a video tag */
#define EX_AUDIO    9	 /* sound format */
#define FRAME_KEY   1
#define FRAME_OTHER 5 /* a command, no picture */

/* Packet types of Enhanced RTMP; those of audio have the same numbers where both have them. */
enum { EX_START, EX_FRAMES, EX_END, EX_FRAMES_X, EX_MULTITRACK_AUDIO = 5, EX_MULTITRACK, EX_MODEX };
enum { TRACKS_ONE, TRACKS_MANY, TRACKS_MANY_CODECS };

ssize_t flvread_head(const uint8_t *p, size_t n)
{
	uint64_t head;

	if (n >= 3 && memcmp(p, "FLV", 3) != 0)
		return -1;
	if (n < 9)
		return 0;
	head = get_be32(p + 5);
	if (head < 9 || head > 1024)
		return -1;
	return n >= head + 4 ? (ssize_t)(head + 4) : 0;
}

static enum track_codec codec_of(const uint8_t fourcc[4])
{
	static const struct {
		char name[5];
		enum track_codec codec;
	} known[] = {
		{"avc1", CODEC_H264}, {"hvc1", CODEC_HEVC}, {"av01", CODEC_AV1},
		{"vp09", CODEC_VP9},  {"mp4a", CODEC_AAC},  {".mp3", CODEC_MP3},
		{"Opus", CODEC_OPUS}, {"fLaC", CODEC_FLAC}, {"ac-3", CODEC_AC3},
		{"ec-3", CODEC_EAC3},
	};

	for (size_t i = 0; i < array_len(known); i++)
		if (!memcmp(known[i].name, fourcc, 4))
			return known[i].codec;
	return CODEC_OTHER;
}

/* What changes the packets (nanoseconds and the like) is passed over; the real type is behind it. */
static uint8_t skip_modex(struct rd *r, uint8_t type)
{
	while (type == EX_MODEX && !r->bad) {
		size_t n = (size_t)rd_u8(r) + 1;

		if (n == 256)
			n = (size_t)rd_be16(r) + 1;
		rd_take(r, n);
		type = rd_u8(r) & 0x0f;
	}
	return type;
}

/* Type and codec behind an enhanced tag's first byte, of its first track. */
static uint8_t enhanced(struct rd *r, uint8_t type, uint8_t multitrack, struct flv_item *out)
{
	uint8_t tracks = TRACKS_ONE, word;
	const uint8_t *fourcc;
	bool many;
	size_t n;

	type = skip_modex(r, type);
	many = type == multitrack;
	if (many) {
		word = rd_u8(r);
		tracks = word >> 4;
		type = word & 0x0f;
	}
	fourcc = rd_take(r, 4);
	out->codec = fourcc ? codec_of(fourcc) : CODEC_OTHER;
	if (many)
		rd_u8(r); /* which track it is */
	if (many && tracks != TRACKS_ONE) {
		n = rd_be24(r);
		if (n > rd_left(r))
			r->bad = true;
		else
			r->end = r->p + n;
	}
	return type;
}

static int32_t signed24(uint32_t v)
{
	return (int32_t)(v << 8) >> 8;
}

static void read_video(struct rd *r, struct flv_item *out)
{
	uint8_t first = rd_u8(r), frame = first >> 4 & 7, type = first & 0x0f;
	bool nal;

	out->kind = TRACK_VIDEO;
	out->key = frame == FRAME_KEY;
	if (first & EX_VIDEO) {
		type = enhanced(r, type, EX_MULTITRACK, out);
		nal = out->codec == CODEC_H264 || out->codec == CODEC_HEVC;
		if (type == EX_FRAMES && nal)
			out->delay_ms = signed24(rd_be24(r));
	} else {
		out->codec = type == 7 ? CODEC_H264 : type == 12 ? CODEC_HEVC : CODEC_OTHER;
		type = rd_u8(r);
		out->delay_ms = signed24(rd_be24(r));
	}
	if (frame == FRAME_OTHER)
		return;
	if (type == EX_START)
		out->what = FLV_HEADER;
	else if (type == EX_FRAMES || (first & EX_VIDEO && type == EX_FRAMES_X))
		out->what = FLV_FRAME;
}

static void read_audio(struct rd *r, struct flv_item *out)
{
	uint8_t first = rd_u8(r), format = first >> 4, type = EX_FRAMES;

	out->kind = TRACK_AUDIO;
	out->key = true;
	if (format == EX_AUDIO) {
		type = enhanced(r, first & 0x0f, EX_MULTITRACK_AUDIO, out);
	} else if (format == 10) {
		out->codec = CODEC_AAC;
		type = rd_u8(r);
	} else {
		out->codec = format == 2 || format == 14 ? CODEC_MP3 : CODEC_OTHER;
	}
	if (type == EX_START)
		out->what = FLV_HEADER;
	else if (type == EX_FRAMES)
		out->what = FLV_FRAME;
}

ssize_t flvread_tag(const uint8_t *p, size_t n, struct flv_item *out)
{
	struct rd r;
	size_t body;

	*out = (struct flv_item){0};
	if (n < TAG_HEAD)
		return 0;
	if (p[0] & 0xc0)
		return -1;
	body = get_be24(p + 1);
	if (n < TAG_HEAD + body + 4)
		return 0;
	out->time_ms = get_be24(p + 4) | (uint32_t)p[7] << 24;
	r = rd_of(p + TAG_HEAD, body);
	if (p[0] == TAG_VIDEO && body)
		read_video(&r, out);
	else if (p[0] == TAG_AUDIO && body)
		read_audio(&r, out);
	else if (p[0] == TAG_DATA)
		out->what = FLV_DATA;
	out->data = r.p;
	out->n = rd_left(&r);
	if (r.bad || !out->n)
		out->what = FLV_NOTHING;
	return (ssize_t)(TAG_HEAD + body + 4);
}

double flvread_number(const uint8_t *p, size_t n, const char *name)
{
	size_t len = strlen(name);
	double value;
	uint64_t bits;

	/* The name, its length before it, a number's mark and 8 bytes behind it. */
	for (size_t i = 2; i + len + 9 <= n; i++) {
		if (get_be16(p + i - 2) != len || memcmp(p + i, name, len) != 0 || p[i + len])
			continue;
		bits = get_be64(p + i + len + 1);
		memcpy(&value, &bits, sizeof(value));
		return value >= 0 && value < 1e9 ? value : 0;
	}
	return 0;
}
