/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/segmenter.h"

#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>

#include "base/bytes.h"
#include "base/check.h"

#define BUFFER_BYTES   32768
#define VIDEO_HZ       90000
#define DECODE_DELAY   300000 /* how far TS's clock is behind its times, microseconds */
#define STREAMINFO_N   34     /* of FLAC */
#define STREAMINFO_OFF 8      /* "fLaC" and a block's head before it */

struct segmenter {
	bool fmp4;
	AVFormatContext *av;
	AVPacket *packet;
	AVStream *stream[TRACKS];
	struct segmenter_sink sink;
	struct annexb annexb;
	struct aac_config aac;
	bool adts;
	uint8_t *room; /* for a frame as TS wants it */
	size_t room_n;
};

/* What players of HLS take in which container; MPEG-TS itself carries more. */
static const struct {
	enum AVCodecID id;
	bool ts, fmp4;
} codecs[] = {
	[CODEC_H264] = {AV_CODEC_ID_H264, true, true},
	[CODEC_HEVC] = {AV_CODEC_ID_HEVC, true, true},
	[CODEC_AAC] = {AV_CODEC_ID_AAC, true, true},
	[CODEC_MP3] = {AV_CODEC_ID_MP3, true, true},
	[CODEC_AV1] = {AV_CODEC_ID_AV1, false, true},
	[CODEC_VP9] = {AV_CODEC_ID_VP9, false, true},
	[CODEC_OPUS] = {AV_CODEC_ID_OPUS, false, true},
	[CODEC_FLAC] = {AV_CODEC_ID_FLAC, false, true},
	[CODEC_AC3] = {AV_CODEC_ID_AC3, false, false},
	[CODEC_EAC3] = {AV_CODEC_ID_EAC3, false, false},
};

bool segmenter_takes(bool fmp4, enum track_codec codec)
{
	return codec < array_len(codecs) && (fmp4 ? codecs[codec].fmp4 : codecs[codec].ts);
}

/* ---- pictures ------------------------------------------------------------------------------------ */

/* VP9's uncompressed header of a key frame, profile 0 and 2; FFmpeg's parser does not say the size. */
static void vp9_picture(struct track *t, const uint8_t *p, size_t n)
{
	static const uint8_t sync[] = {0x49, 0x83, 0x42};
	uint64_t bits = 0;
	unsigned at;

	/* frame marker, profile bits, not shown again, key frame */
	if (n < 10 || (p[0] & 0xd4) != 0x80 || (p[0] & 0x20 && p[0] & 0x10))
		return;
	if (memcmp(p + 1, sync, sizeof(sync)) != 0)
		return;
	for (int i = 4; i < 10; i++)
		bits = bits << 8 | p[i];
	at = p[0] & 0x10 ? 5 : 4; /* bit depth of profile 2; color space, range */
	t->width = (int)(bits >> (48 - at - 16) & 0xffff) + 1;
	t->height = (int)(bits >> (48 - at - 32) & 0xffff) + 1;
}

static const uint8_t *parsed_text(const struct track *t, struct annexb *a, const uint8_t *frame,
				  size_t n, uint8_t **room, size_t *out_n)
{
	if (t->codec != CODEC_H264 && t->codec != CODEC_HEVC) {
		*room = malloc(n + AV_INPUT_BUFFER_PADDING_SIZE);
		must(*room);
		memcpy(*room, frame, n);
		*out_n = n;
	} else {
		if (annexb_init(a, t))
			return NULL;
		*room = malloc(annexb_room(a, n) + AV_INPUT_BUFFER_PADDING_SIZE);
		must(*room);
		*out_n = annexb_write(a, *room, frame, n);
	}
	memset(*room + *out_n, 0, AV_INPUT_BUFFER_PADDING_SIZE);
	return *room;
}

void segmenter_picture(struct track *t, const uint8_t *key_frame, size_t n)
{
	AVCodecContext *ctx = avcodec_alloc_context3(NULL);
	AVCodecParserContext *parser = av_parser_init((int)codecs[t->codec].id);
	struct annexb *a = malloc(sizeof(*a));
	uint8_t *room = NULL, *out;
	const uint8_t *text;
	size_t text_n = 0;
	int out_n;

	must(ctx && a);
	if (t->codec == CODEC_VP9)
		vp9_picture(t, key_frame, n);
	text = parser ? parsed_text(t, a, key_frame, n, &room, &text_n) : NULL;
	if (text && text_n) {
		parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		ctx->codec_id = codecs[t->codec].id;
		av_parser_parse2(parser, ctx, &out, &out_n, text, (int)text_n, 0, 0, 0);
		if (parser->width > 0 && parser->height > 0) {
			t->width = parser->width;
			t->height = parser->height;
		}
	}
	free(room);
	free(a);
	av_parser_close(parser);
	avcodec_free_context(&ctx);
}

/* ---- setting up ---------------------------------------------------------------------------------- */

static int set_extradata(AVCodecParameters *par, const uint8_t *p, size_t n)
{
	if (!n)
		return 0;
	par->extradata = av_mallocz(n + AV_INPUT_BUFFER_PADDING_SIZE);
	must(par->extradata);
	memcpy(par->extradata, p, n);
	par->extradata_size = (int)n;
	return 0;
}

/* The muxer writes its own record from these. */
static void vp9_params(AVCodecParameters *par, const struct track *t)
{
	static const int formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P,
				      AV_PIX_FMT_YUV444P};
	const uint8_t *c = t->config;
	unsigned depth;

	par->format = AV_PIX_FMT_YUV420P;
	if (t->config_n < 12)
		return;
	par->profile = c[4];
	par->level = c[5];
	depth = c[6] >> 4;
	par->format = depth == 10   ? AV_PIX_FMT_YUV420P10
		      : depth == 12 ? AV_PIX_FMT_YUV420P12
				    : formats[c[6] >> 1 & 3];
	par->color_range = c[6] & 1 ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
	par->color_primaries = c[7];
	par->color_trc = c[8];
	par->color_space = c[9];
}

static int describe(struct segmenter *s, AVStream *st, const struct track *t, enum track_kind kind)
{
	AVCodecParameters *par = st->codecpar;
	const uint8_t *config = t->config;
	size_t n = t->config_n;

	par->codec_id = codecs[t->codec].id;
	if (kind == TRACK_VIDEO) {
		par->codec_type = AVMEDIA_TYPE_VIDEO;
		par->width = t->width;
		par->height = t->height;
		st->time_base = (AVRational){1, VIDEO_HZ};
		if (t->codec == CODEC_HEVC && s->fmp4)
			par->codec_tag = MKTAG('h', 'v', 'c', '1');
		if (t->codec == CODEC_VP9) {
			vp9_params(par, t);
			n = 0;
		}
	} else {
		par->codec_type = AVMEDIA_TYPE_AUDIO;
		par->sample_rate = t->rate;
		par->ch_layout.nb_channels = t->channels;
		st->time_base = (AVRational){1, t->rate};
		if (t->codec == CODEC_AAC || t->codec == CODEC_MP3)
			par->frame_size = 1024 + (t->codec == CODEC_MP3) * 128;
		if (t->codec == CODEC_FLAC && n >= STREAMINFO_OFF + STREAMINFO_N) {
			config += STREAMINFO_OFF;
			n = STREAMINFO_N;
		}
	}
	return s->fmp4 ? set_extradata(par, config, n) : 0;
}

static int add_track(struct segmenter *s, const struct track *t, enum track_kind kind)
{
	AVStream *st = avformat_new_stream(s->av, NULL);

	must(st);
	s->stream[kind] = st;
	if (!s->fmp4 && (t->codec == CODEC_H264 || t->codec == CODEC_HEVC) &&
	    annexb_init(&s->annexb, t))
		return -1;
	if (!s->fmp4 && t->codec == CODEC_AAC) {
		if (aac_config_read(&s->aac, t->config, t->config_n))
			return -1;
		s->adts = true;
	}
	return describe(s, st, t, kind);
}

static int take_bytes(void *arg, uint8_t *p, int n)
{
	struct segmenter *s = arg;

	s->sink.write(s->sink.arg, p, (size_t)n);
	return n;
}

static int begin(struct segmenter *s)
{
	AVDictionary *o = NULL;
	int rc;

	if (s->fmp4) {
		av_dict_set(&o, "movflags",
			    "frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer",
			    0);
		av_dict_set_int(&o, "use_editlist", 0, 0);
	} else {
		av_dict_set(&o, "mpegts_flags", "resend_headers", 0);
		av_dict_set_int(&o, "mpegts_copyts", 1, 0);
		/* Tables come where a piece begins, not by time. */
		av_dict_set(&o, "pat_period", "3600", 0);
		av_dict_set(&o, "sdt_period", "3600", 0);
	}
	rc = avformat_write_header(s->av, &o);
	av_dict_free(&o);
	if (rc >= 0)
		avio_flush(s->av->pb);
	return rc;
}

struct segmenter *segmenter_new(bool fmp4, const struct track tracks[TRACKS],
				const struct segmenter_sink *sink, struct fault *f)
{
	struct segmenter *s = calloc(1, sizeof(*s));
	uint8_t *buffer = av_malloc(BUFFER_BYTES);
	int rc = 0;

	must(s && buffer);
	s->fmp4 = fmp4;
	s->sink = *sink;
	s->packet = av_packet_alloc();
	avformat_alloc_output_context2(&s->av, NULL, fmp4 ? "mp4" : "mpegts", NULL);
	must(s->packet && s->av);
	s->av->pb = avio_alloc_context(buffer, BUFFER_BYTES, 1, s, NULL, take_bytes, NULL);
	must(s->av->pb);
	s->av->flags = (s->av->flags | AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT) &
		       ~(AVFMT_FLAG_AUTO_BSF | AVFMT_FLAG_FLUSH_PACKETS);
	s->av->max_delay = DECODE_DELAY;
	s->av->avoid_negative_ts = 0;
	s->av->flush_packets = 0;
	for (int kind = 0; kind < TRACKS && !rc; kind++)
		if (tracks[kind].codec)
			rc = add_track(s, &tracks[kind], kind);
	if (!rc)
		rc = begin(s);
	if (rc >= 0)
		return s;
	fault_set(f, REASON_CODEC_REFUSED, "%s cannot carry this stream",
		  fmp4 ? "fMP4" : "MPEG-TS");
	segmenter_free(s);
	return NULL;
}

void segmenter_free(struct segmenter *s)
{
	if (!s)
		return;
	s->sink.write = NULL;
	av_packet_free(&s->packet);
	av_freep(&s->av->pb->buffer);
	avio_context_free(&s->av->pb);
	avformat_free_context(s->av);
	free(s->room);
	free(s);
}

/* ---- frames -------------------------------------------------------------------------------------- */

static uint8_t *room_for(struct segmenter *s, size_t n)
{
	if (n > s->room_n) {
		free(s->room);
		s->room = malloc(n + n / 2);
		must(s->room);
		s->room_n = n + n / 2;
	}
	return s->room;
}

static bool shape(struct segmenter *s, const struct unit *u, struct slice *out)
{
	enum AVCodecID id = s->stream[u->kind]->codecpar->codec_id;
	uint8_t *room;

	*out = (struct slice){u->data, u->n};
	if (s->fmp4)
		return true;
	if (id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC) {
		room = room_for(s, annexb_room(&s->annexb, u->n));
		*out = (struct slice){room, annexb_write(&s->annexb, room, u->data, u->n)};
		return out->n > 0;
	}
	if (id != AV_CODEC_ID_AAC)
		return true;
	room = room_for(s, ADTS_BYTES + u->n);
	if (!adts_header(room, &s->aac, u->n))
		return false;
	memcpy(room + ADTS_BYTES, u->data, u->n);
	*out = (struct slice){room, ADTS_BYTES + u->n};
	return true;
}

static int64_t ticks(const AVStream *st, int64_t us)
{
	return av_rescale_q(us, AV_TIME_BASE_Q, st->time_base);
}

bool segmenter_write(struct segmenter *s, const struct unit *u)
{
	AVStream *st = s->stream[u->kind];
	AVPacket *p = s->packet;
	struct slice bytes;

	if (!st || !shape(s, u, &bytes))
		return false;
	p->data = (uint8_t *)(uintptr_t)bytes.p;
	p->size = (int)bytes.n;
	p->stream_index = st->index;
	p->flags = u->key ? AV_PKT_FLAG_KEY : 0;
	p->dts = ticks(st, u->dts_us);
	p->pts = max_of(ticks(st, u->pts_us), p->dts);
	p->duration = ticks(st, u->dts_us + u->duration_us) - p->dts;
	return av_write_frame(s->av, p) >= 0;
}

void segmenter_pass_on(struct segmenter *s)
{
	avio_flush(s->av->pb);
}

void segmenter_flush(struct segmenter *s)
{
	av_write_frame(s->av, NULL);
	avio_flush(s->av->pb);
	if (!s->fmp4)
		av_opt_set(s->av->priv_data, "mpegts_flags", "+resend_headers", 0);
}
