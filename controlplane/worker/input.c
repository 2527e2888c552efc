/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/pixdesc.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/worker/dial.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/localfile.h"
#include "controlplane/worker/nal.h"

#define SPAN_LIVE_US 400000 /* so long a track waits for a packet of the other */
#define SPAN_FILE_US 3000000
#define PROBE_LIVE   1000000 /* bytes */
#define LOCAL	     "local:"
#define MISSING	     "missing:"
#define FILE_FORMATS "mov,mp4,m4a,3gp,3g2,mj2,flv,live_flv,matroska,webm,mpegts"

/* ---- opening --------------------------------------------------------------------------------- */

static int interrupted(void *arg)
{
	struct input *in = arg;

	return clock_us() >= in->deadline_us || job_stopping(in->job);
}

static void allow(struct input *in, int64_t ms)
{
	in->deadline_us = clock_us() + (uint64_t)ms * 1000;
}

static bool begins(const char *url, const char *scheme)
{
	return !strncasecmp(url, scheme, strlen(scheme));
}

static AVDictionary *options_for(const struct job *job, const char *url, bool live)
{
	AVDictionary *o = NULL;

	/* No file:, no concat:, no pipe: whatever a playlist says. */
	if (begins(url, LOCAL))
		av_dict_set(&o, "protocol_whitelist", "none", 0);
	else if (begins(url, "srt:"))
		av_dict_set(&o, "protocol_whitelist", "srt", 0);
	else if (begins(url, "rtsp:"))
		av_dict_set(&o, "protocol_whitelist", "rtsp,tcp", 0);
	else if (begins(url, "rtmp"))
		av_dict_set(&o, "protocol_whitelist", "rtmp,rtmps,tls,tcp", 0);
	else
		av_dict_set(&o, "protocol_whitelist", "http,https,tls,tcp,crypto", 0);
	av_dict_set(&o, "tls_verify", job->verify ? "1" : "0", 0);
	if (*job->ca)
		av_dict_set(&o, "ca_file", job->ca, 0);
	if (begins(url, "rtsp:"))
		av_dict_set(&o, "rtsp_transport", "tcp", 0);
	if (begins(url, "srt:"))
		av_dict_set_int(&o, "connect_timeout", job->connect_ms, 0);
	if (begins(url, "http") && !live) {
		av_dict_set(&o, "reconnect", "1", 0);
		av_dict_set(&o, "reconnect_delay_max", "2", 0);
		av_dict_set(&o, "multiple_requests", "1", 0);
	}
	if (live)
		av_dict_set_int(&o, "probesize", PROBE_LIVE, 0);
	else /* no playlist that calls itself a film */
		av_dict_set(&o, "format_whitelist", FILE_FORMATS, 0);
	return o;
}

/* The container, where the protocol says it: nothing is guessed from foreign bytes. */
static const AVInputFormat *format_for(const struct job *job, bool live)
{
	if (!live)
		return NULL;
	if (!strcmp(job->protocol, "hls"))
		return av_find_input_format("hls");
	if (!strcmp(job->protocol, "http-ts") || !strcmp(job->protocol, "srt"))
		return av_find_input_format("mpegts");
	if (!strcmp(job->protocol, "rtsp"))
		return av_find_input_format("rtsp");
	if (!strcmp(job->protocol, "rtmp"))
		return av_find_input_format("flv");
	if (!strcmp(job->protocol, "http-flv") || !strcmp(job->protocol, "flv"))
		return av_find_input_format("live_flv");
	return NULL;
}

static enum track_codec codec_of(enum AVCodecID id)
{
	switch (id) {
	case AV_CODEC_ID_H264:
		return CODEC_H264;
	case AV_CODEC_ID_HEVC:
		return CODEC_HEVC;
	case AV_CODEC_ID_AAC:
		return CODEC_AAC;
	case AV_CODEC_ID_MP3:
		return CODEC_MP3;
	default:
		return CODEC_NONE;
	}
}

static void set_config(struct track *t, const uint8_t *p, size_t n)
{
	if (!n || n > sizeof(t->config) || (n == t->config_n && !memcmp(t->config, p, n)))
		return;
	memcpy(t->config, p, n);
	t->config_n = n;
	t->changes++;
}

static void picture_of(const AVCodecParameters *par, struct nal_picture *pic)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(par->format);

	*pic = (struct nal_picture){1, 8};
	if (!d)
		return;
	pic->bits = (unsigned)max_of(d->comp[0].depth, 8);
	pic->chroma = d->nb_components < 3 ? 0 : d->log2_chroma_h ? 1 : d->log2_chroma_w ? 2 : 3;
}

/* Parameter sets in Annex B text become the track's record, if all are there. */
static void learn_sets(struct input *in, enum track_kind kind, const uint8_t *p, size_t n)
{
	struct track *t = &in->track[kind];
	uint8_t record[NAL_RECORD_MAX] = {0};
	struct nal_picture pic;
	size_t made;

	picture_of(in->in[kind].stream->codecpar, &pic);
	made = nal_record(record, t->codec == CODEC_HEVC ? NAL_HEVC : NAL_H264, &pic, p, n);
	set_config(t, record, made);
}

static int need_bsf(struct input_track *it)
{
	const AVBitStreamFilter *f = av_bsf_get_by_name("aac_adtstoasc");
	int rc = f ? av_bsf_alloc(f, &it->bsf) : AVERROR_BSF_NOT_FOUND;

	if (!rc)
		rc = avcodec_parameters_copy(it->bsf->par_in, it->stream->codecpar);
	if (!rc) {
		it->bsf->time_base_in = it->stream->time_base;
		rc = av_bsf_init(it->bsf);
	}
	return rc;
}

static int take_stream(struct input *in, enum track_kind kind, int index, struct fault *f)
{
	AVStream *s = in->av->streams[index];
	const AVCodecParameters *par = s->codecpar;
	struct track *t = &in->track[kind];
	struct input_track *it = &in->in[kind];
	bool nal;

	t->codec = codec_of(par->codec_id);
	if (!t->codec) {
		fault_set(f, REASON_CODEC_REFUSED,
			  "%s cannot be carried; H.264, HEVC, AAC and MP3 can",
			  avcodec_get_name(par->codec_id));
		return -1;
	}
	it->stream = s;
	it->last_dts_us = SPLICE_NONE;
	t->width = par->width;
	t->height = par->height;
	t->rate = par->sample_rate;
	t->channels = par->ch_layout.nb_channels;
	nal = t->codec == CODEC_H264 || t->codec == CODEC_HEVC;
	it->annexb = nal && (!par->extradata_size ||
			     nal_is_annexb(par->extradata, (size_t)par->extradata_size));
	if (it->annexb)
		learn_sets(in, kind, par->extradata, (size_t)par->extradata_size);
	else if (nal || t->codec == CODEC_AAC)
		set_config(t, par->extradata, (size_t)par->extradata_size);
	if (t->codec == CODEC_AAC && !par->extradata_size && need_bsf(it)) {
		fault_set(f, REASON_INTERNAL, "AAC in ADTS cannot be read");
		return -1;
	}
	return 0;
}

static int choose(struct input *in, struct fault *f)
{
	int v = av_find_best_stream(in->av, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
	int a = av_find_best_stream(in->av, AVMEDIA_TYPE_AUDIO, -1, v, NULL, 0);

	if (v >= 0 && in->av->streams[v]->disposition & AV_DISPOSITION_ATTACHED_PIC)
		v = -1; /* the cover of an album */
	if (v < 0 && a < 0) {
		fault_set(f, REASON_CODEC_REFUSED, "there is neither video nor audio in it");
		return -1;
	}
	for (unsigned i = 0; i < in->av->nb_streams; i++)
		if ((int)i != v && (int)i != a)
			in->av->streams[i]->discard = AVDISCARD_ALL;
	if (v >= 0 && take_stream(in, TRACK_VIDEO, v, f))
		return -1;
	return a >= 0 ? take_stream(in, TRACK_AUDIO, a, f) : 0;
}

/* What stands behind the URL, before libavformat looks at it: 0, or -1 with the fault. */
static int reach(struct input *in, const char *url, struct fault *f)
{
	enum reason why;

	if (begins(url, MISSING)) {
		fault_set(f, REASON_ASSET_MISSING, "%s", url + strlen(MISSING));
		return -1;
	}
	if (begins(url, LOCAL)) {
		in->file = localfile_open(in->job->files, url + strlen(LOCAL), f);
		return in->file ? 0 : -1;
	}
	why = dial_check(url);
	if (why == REASON_NONE)
		return 0;
	fault_set(f, why, "%s", reason_help(why));
	return -1;
}

int input_open(struct input *in, struct job *job, const char *url, bool live, struct fault *f)
{
	AVDictionary *options;
	int rc;

	*in = (struct input){.job = job, .live = live};
	if (reach(in, url, f))
		return -1;
	options = options_for(job, url, live);
	in->av = avformat_alloc_context();
	must(in->av);
	in->av->pb = in->file;
	in->av->interrupt_callback = (AVIOInterruptCB){interrupted, in};
	in->av->max_analyze_duration = live ? 2000000 : 5000000;
	allow(in, job->connect_ms + job->media_ms);
	rc = avformat_open_input(&in->av, in->file ? "" : url, format_for(job, live), &options);
	av_dict_free(&options);
	if (rc >= 0)
		rc = avformat_find_stream_info(in->av, NULL);
	if (rc < 0) {
		fault_of(f, rc, true);
		return -1;
	}
	in->given = av_packet_alloc();
	must(in->given);
	return choose(in, f);
}

int input_seek(struct input *in, int64_t offset_us, struct fault *f)
{
	int64_t to = offset_us;
	int rc;

	if (in->av->start_time != AV_NOPTS_VALUE)
		to += in->av->start_time;
	allow(in, in->job->media_ms);
	/* The key frame at or before it: a picture that can be decoded. */
	rc = avformat_seek_file(in->av, -1, INT64_MIN, to, to, 0);
	if (rc >= 0)
		return 0;
	fault_of(f, rc, false);
	return -1;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int64_t us_of(int64_t t, const struct input_track *it)
{
	return t == AV_NOPTS_VALUE ? SPLICE_NONE
				   : av_rescale_q(t, it->stream->time_base, AV_TIME_BASE_Q);
}

static void push(struct input *in, enum track_kind kind, AVPacket *p)
{
	struct input_track *it = &in->in[kind];

	if (p->dts == AV_NOPTS_VALUE)
		p->dts = p->pts;
	if (p->dts == AV_NOPTS_VALUE || it->n == INPUT_QUEUE) {
		av_packet_free(&p);
		return;
	}
	it->queue[(it->first + it->n++) % INPUT_QUEUE] = p;
}

/* A packet from ADTS leaves the filter raw; its configuration comes beside the first one. */
static AVPacket *filtered(struct input *in, enum track_kind kind, AVPacket *p)
{
	struct input_track *it = &in->in[kind];

	if (!it->bsf)
		return p;
	if (av_bsf_send_packet(it->bsf, p) || av_bsf_receive_packet(it->bsf, p)) {
		av_packet_free(&p);
		return NULL;
	}
	return p;
}

static void read_one(struct input *in)
{
	AVPacket *p = av_packet_alloc();

	must(p);
	allow(in, in->job->media_ms);
	in->ended = av_read_frame(in->av, p);
	if (in->ended < 0) {
		av_packet_free(&p);
		return;
	}
	in->bytes += (uint64_t)p->size;
	for (int kind = 0; kind < TRACKS; kind++)
		if (in->in[kind].stream && in->in[kind].stream->index == p->stream_index) {
			p = filtered(in, kind, p);
			if (p)
				push(in, kind, p);
			return;
		}
	av_packet_free(&p);
}

static AVPacket *head(const struct input_track *it)
{
	return it->n ? it->queue[it->first] : NULL;
}

static int64_t head_us(const struct input_track *it)
{
	return it->n ? us_of(head(it)->dts, it) : SPLICE_NONE;
}

static int64_t span_us(const struct input_track *it)
{
	if (it->n < 2)
		return 0;
	return us_of(it->queue[(it->first + it->n - 1) % INPUT_QUEUE]->dts, it) - head_us(it);
}

/* Whether it is known which packet is next: one of each track is there, or the other is late. */
static bool ready(const struct input *in)
{
	int64_t limit = in->live ? SPAN_LIVE_US : SPAN_FILE_US;

	for (int kind = 0; kind < TRACKS; kind++)
		if (in->in[kind].n == INPUT_QUEUE || span_us(&in->in[kind]) > limit)
			return true;
	for (int kind = 0; kind < TRACKS; kind++)
		if (in->in[kind].stream && !in->in[kind].n)
			return false;
	return true;
}

static void fill(struct input *in)
{
	while (in->ended >= 0 && !ready(in))
		read_one(in);
}

bool input_first(struct input *in, struct splice_item *item)
{
	const struct input_track *v = &in->in[TRACK_VIDEO], *a = &in->in[TRACK_AUDIO];
	AVRational rate;

	fill(in);
	*item = (struct splice_item){head_us(v), SPLICE_NONE, head_us(a), 0};
	if (v->n) {
		item->video_pts_us = us_of(head(v)->pts, v);
		if (item->video_pts_us == SPLICE_NONE)
			item->video_pts_us = item->video_dts_us;
		rate = v->stream->avg_frame_rate.num ? v->stream->avg_frame_rate
						     : v->stream->r_frame_rate;
		if (rate.num > 0 && rate.den > 0)
			item->frame_us = av_rescale(1000000, rate.den, rate.num);
	}
	return v->n || a->n;
}

static enum track_kind next_kind(const struct input *in)
{
	int64_t v = head_us(&in->in[TRACK_VIDEO]), a = head_us(&in->in[TRACK_AUDIO]);

	if (!in->in[TRACK_VIDEO].n)
		return TRACK_AUDIO;
	if (!in->in[TRACK_AUDIO].n)
		return TRACK_VIDEO;
	return a < v ? TRACK_AUDIO : TRACK_VIDEO;
}

/* New parameters that came beside the packet or inside it. */
static void learn(struct input *in, enum track_kind kind, const AVPacket *p)
{
	size_t n = 0;
	const uint8_t *side = av_packet_get_side_data(p, AV_PKT_DATA_NEW_EXTRADATA, &n);

	if (in->in[kind].annexb) {
		if (p->flags & AV_PKT_FLAG_KEY)
			learn_sets(in, kind, p->data, (size_t)p->size);
	} else if (side) {
		set_config(&in->track[kind], side, n);
	}
}

static void show_bytes(struct input *in, enum track_kind kind, const AVPacket *p, struct unit *u)
{
	size_t need = nal_lengths_room((size_t)p->size);

	u->data = p->data;
	u->n = (size_t)p->size;
	if (!in->in[kind].annexb)
		return;
	if (need > in->room_n) {
		free(in->room);
		in->room = malloc(need);
		must(in->room);
		in->room_n = need;
	}
	u->n = nal_to_lengths(in->room, p->data, (size_t)p->size);
	u->data = in->room;
}

static void give(struct input *in, enum track_kind kind, struct unit *u)
{
	struct input_track *it = &in->in[kind];
	AVPacket *p = it->queue[it->first];

	it->first = (it->first + 1) % INPUT_QUEUE;
	it->n--;
	av_packet_free(&in->given);
	in->given = p;
	learn(in, kind, p);
	*u = (struct unit){.kind = kind,
			   .key = kind == TRACK_AUDIO || p->flags & AV_PKT_FLAG_KEY,
			   .dts_us = us_of(p->dts, it),
			   .pts_us = us_of(p->pts, it),
			   .duration_us = p->duration > 0 ? us_of(p->duration, it) : 0};
	if (u->pts_us == SPLICE_NONE)
		u->pts_us = u->dts_us;
	show_bytes(in, kind, p, u);
}

int input_next(struct input *in, struct unit *u, struct fault *f)
{
	do {
		fill(in);
		if (!in->in[TRACK_VIDEO].n && !in->in[TRACK_AUDIO].n) {
			if (in->ended == AVERROR_EOF)
				return 0;
			fault_of(f, in->ended, false);
			return -1;
		}
		give(in, next_kind(in), u);
	} while (!u->n);
	return 1;
}

int64_t input_offset_us(const struct input *in, int64_t pts_us)
{
	int64_t start = in->av->start_time;

	return max_of(pts_us - (start == AV_NOPTS_VALUE ? 0 : start), 0);
}

void input_close(struct input *in)
{
	for (int kind = 0; kind < TRACKS; kind++) {
		struct input_track *it = &in->in[kind];

		while (it->n) {
			av_packet_free(&it->queue[it->first]);
			it->first = (it->first + 1) % INPUT_QUEUE;
			it->n--;
		}
		av_bsf_free(&it->bsf);
	}
	av_packet_free(&in->given);
	avformat_close_input(&in->av);
	localfile_close(in->file);
	in->file = NULL;
	free(in->room);
	in->room = NULL;
}
