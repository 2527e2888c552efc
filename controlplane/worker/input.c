/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/input_in.h"

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

#define SPAN_SURE_US 1000000 /* of one track of FLV, until the other is taken for not there */
#define PROBE_LIVE   1000000 /* bytes */
#define LOCAL	     "local:"
#define MISSING	     "missing:"
#define FILE_FORMATS "mov,mp4,m4a,3gp,3g2,mj2,flv,live_flv,matroska,webm,mpegts"

/* ---- opening --------------------------------------------------------------------------------- */

static int interrupted(void *arg)
{
	struct input *in = arg;

	return clock_us() >= in->deadline_us || in->hls.stale || job_stopping(in->job);
}

void input_allow(struct input *in, int64_t ms)
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
	if (live && begins(url, "rtmp"))
		av_dict_set(&o, "rtmp_live", "live", 0);
	if (live && !strcmp(job->protocol, "hls")) {
		/* When it is over is hlswatch's to say, which looks at what is opened. */
		av_dict_set(&o, "http_persistent", "0", 0);
		av_dict_set(&o, "max_reload", "1000000", 0);
		av_dict_set(&o, "m3u8_hold_counters", "1000000", 0);
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
	return NULL;
}

static bool is_flv(const struct job *job, const char *url, bool live)
{
	return live && (begins(url, "rtmp") || !strcmp(job->protocol, "http-flv") ||
			!strcmp(job->protocol, "flv"));
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
	case AV_CODEC_ID_OPUS:
		return CODEC_OPUS;
	case AV_CODEC_ID_AC3:
		return CODEC_AC3;
	case AV_CODEC_ID_EAC3:
		return CODEC_EAC3;
	default:
		return CODEC_NONE;
	}
}

void input_set_config(struct track *t, const uint8_t *p, size_t n)
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
void input_learn_sets(struct input *in, enum track_kind kind, const uint8_t *p, size_t n)
{
	struct track *t = &in->track[kind];
	uint8_t record[NAL_RECORD_MAX] = {0};
	struct nal_picture pic;
	size_t made;

	picture_of(in->in[kind].stream->codecpar, &pic);
	made = nal_record(record, t->codec == CODEC_HEVC ? NAL_HEVC : NAL_H264, &pic, p, n);
	input_set_config(t, record, made);
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
			  "%s cannot be carried; H.264, HEVC, AAC, MP3, Opus and AC-3 can",
			  avcodec_get_name(par->codec_id));
		return -1;
	}
	it->on = true;
	it->stream = s;
	it->base = s->time_base;
	t->width = par->width;
	t->height = par->height;
	t->rate = par->sample_rate;
	t->channels = par->ch_layout.nb_channels;
	nal = t->codec == CODEC_H264 || t->codec == CODEC_HEVC;
	it->annexb = nal && (!par->extradata_size ||
			     nal_is_annexb(par->extradata, (size_t)par->extradata_size));
	if (it->annexb)
		input_learn_sets(in, kind, par->extradata, (size_t)par->extradata_size);
	else if (nal || t->codec == CODEC_AAC || t->codec == CODEC_OPUS)
		input_set_config(t, par->extradata, (size_t)par->extradata_size);
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

	if (url == in->job->output) /* our own stream */
		return 0;
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

/* FLV says which tracks there are by what comes. 0, or -1 with the fault. */
static int settle(struct input *in, struct fault *f)
{
	bool sure = false;

	while (in->ended >= 0 && !sure) {
		input_read_one(in);
		sure = in->in[TRACK_VIDEO].n && in->in[TRACK_AUDIO].n;
		for (int kind = 0; kind < TRACKS; kind++)
			sure = sure || in->in[kind].n == INPUT_QUEUE ||
			       input_span_us(&in->in[kind]) > SPAN_SURE_US;
	}
	in->settled = true;
	for (int kind = 0; kind < TRACKS; kind++)
		if (in->in[kind].n)
			input_learn(in, kind, in->in[kind].queue[in->in[kind].first]);
	if (in->in[TRACK_VIDEO].n || in->in[TRACK_AUDIO].n)
		return 0;
	if (!input_over(in, f))
		fault_of(f, AVERROR_EOF, true);
	return -1;
}

static int open_flv(struct input *in, const char *url, AVDictionary **options, struct fault *f)
{
	AVIOInterruptCB stop = {interrupted, in};
	int rc;

	in->flv = flvin_open(url, &stop, options, &rc);
	if (in->flv)
		return settle(in, f);
	fault_of(f, rc, true);
	return -1;
}

/*
 * A playlist that was stale is left alone until it changes, or its last pictures would be sent with every
 * try. 0, or -1 with the fault.
 */
static int wait_for_change(struct input *in, struct fault *f)
{
	while (in->ended >= 0 && !in->hls.changes) {
		input_drop(in);
		input_read_one(in);
	}
	if (in->ended >= 0)
		return 0;
	if (!input_over(in, f))
		*f = (struct fault){REASON_REMOTE_ENDED, ""};
	return -1;
}

static int open_av(struct input *in, const char *url, AVDictionary **options, struct fault *f)
{
	bool hls = in->live && !strcmp(in->job->protocol, "hls");
	int rc;

	in->av = avformat_alloc_context();
	must(in->av);
	in->av->pb = in->file;
	in->av->interrupt_callback = (AVIOInterruptCB){interrupted, in};
	in->av->max_analyze_duration = in->live ? 2000000 : 5000000;
	if (hls)
		hlswatch_begin(&in->hls, in->av);
	rc = avformat_open_input(&in->av, in->file ? "" : url, format_for(in->job, in->live),
				 options);
	if (rc >= 0)
		rc = avformat_find_stream_info(in->av, NULL);
	if (rc < 0) {
		fault_of(f, rc, true);
		return -1;
	}
	if (choose(in, f))
		return -1;
	return hls && in->job->wary ? wait_for_change(in, f) : 0;
}

int input_open(struct input *in, struct job *job, const char *url, bool live, struct fault *f)
{
	AVDictionary *options;
	int rc;

	*in = (struct input){.job = job, .live = live};
	if (reach(in, url, f))
		return -1;
	in->given = av_packet_alloc();
	must(in->given);
	options = options_for(job, url, live);
	input_allow(in, job->connect_ms + job->media_ms);
	rc = is_flv(job, url, live) ? open_flv(in, url, &options, f)
				    : open_av(in, url, &options, f);
	av_dict_free(&options);
	return rc;
}

int input_seek(struct input *in, int64_t offset_us, struct fault *f)
{
	int64_t to = offset_us;
	int rc;

	if (in->av->start_time != AV_NOPTS_VALUE)
		to += in->av->start_time;
	input_allow(in, in->job->media_ms);
	/* The key frame at or before it: a picture that can be decoded. */
	rc = avformat_seek_file(in->av, -1, INT64_MIN, to, to, 0);
	if (rc >= 0)
		return 0;
	fault_of(f, rc, false);
	return -1;
}

void input_close(struct input *in)
{
	input_drop(in);
	for (int kind = 0; kind < TRACKS; kind++)
		av_bsf_free(&in->in[kind].bsf);
	flvin_close(in->flv);
	in->flv = NULL;
	av_packet_free(&in->given);
	avformat_close_input(&in->av);
	localfile_close(in->file);
	in->file = NULL;
	free(in->room);
	in->room = NULL;
}
