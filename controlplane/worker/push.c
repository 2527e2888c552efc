/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination that takes MPEG-TS by SRT: our own stream is played from the data plane and sent on.
 *
 * While the stream is not live the worker waits for it; when it ends, the destination is left and the
 * wait begins anew.
 */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/worker/dial.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/relay.h"

#define AGAIN_US 500000 /* from one look for the stream to the next */
#define NEWS_US	 1000000

struct push {
	struct job *job;
	AVFormatContext *in, *out;
	uint64_t deadline_us, news_us, bytes;
	bool running;
};

static int interrupted(void *arg)
{
	struct push *p = arg;

	return clock_us() >= p->deadline_us || job_stopping(p->job);
}

static void allow(struct push *p, int64_t ms)
{
	p->deadline_us = clock_us() + (uint64_t)ms * 1000;
}

static void close_both(struct push *p)
{
	if (p->out) {
		avio_closep(&p->out->pb);
		avformat_free_context(p->out);
		p->out = NULL;
	}
	avformat_close_input(&p->in);
}

/* Our own stream; < 0: it is not live yet. */
static int open_stream(struct push *p)
{
	AVDictionary *o = NULL;
	int rc;

	p->in = avformat_alloc_context();
	must(p->in);
	p->in->interrupt_callback = (AVIOInterruptCB){interrupted, p};
	p->in->max_analyze_duration = 2000000;
	allow(p, p->job->connect_ms + p->job->media_ms);
	av_dict_set(&o, "protocol_whitelist", "rtmp,tcp", 0);
	av_dict_set(&o, "rtmp_live", "live", 0);
	rc = avformat_open_input(&p->in, p->job->output, av_find_input_format("flv"), &o);
	av_dict_free(&o);
	return rc < 0 ? rc : avformat_find_stream_info(p->in, NULL);
}

/* libavformat does not say for MPEG-TS. */
static bool is_carried(enum AVCodecID id)
{
	return id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC || id == AV_CODEC_ID_AAC ||
	       id == AV_CODEC_ID_MP3;
}

/* Every stream of the one becomes one of the other. 0, or -1 with the fault. */
static int copy_streams(struct push *p, struct fault *f)
{
	for (unsigned i = 0; i < p->in->nb_streams; i++) {
		const AVCodecParameters *from = p->in->streams[i]->codecpar;
		AVStream *s = avformat_new_stream(p->out, NULL);

		must(s);
		if (!is_carried(from->codec_id)) {
			fault_set(f, REASON_CODEC_REFUSED, "%s cannot be carried by MPEG-TS",
				  avcodec_get_name(from->codec_id));
			return -1;
		}
		must(avcodec_parameters_copy(s->codecpar, from) >= 0);
		s->codecpar->codec_tag = 0;
	}
	return 0;
}

static int open_destination(struct push *p, struct fault *f)
{
	AVIOInterruptCB callback = {interrupted, p};
	const char *url = p->job->url[0];
	enum reason why = dial_check(url);
	AVDictionary *o = NULL;
	int rc;

	if (why != REASON_NONE) {
		fault_set(f, why, "%s", reason_help(why));
		return -1;
	}
	avformat_alloc_output_context2(&p->out, NULL, "mpegts", NULL);
	must(p->out);
	p->out->interrupt_callback = callback;
	if (copy_streams(p, f))
		return -1;
	allow(p, p->job->connect_ms);
	av_dict_set_int(&o, "connect_timeout", p->job->connect_ms, 0);
	av_dict_set(&o, "protocol_whitelist", "srt", 0);
	rc = avio_open2(&p->out->pb, url, AVIO_FLAG_WRITE, &callback, &o);
	av_dict_free(&o);
	if (rc >= 0)
		rc = avformat_write_header(p->out, NULL);
	if (rc >= 0)
		return 0;
	fault_of(f, rc, true);
	return -1;
}

static void news(struct push *p)
{
	uint64_t now = clock_us();

	if (!p->running)
		job_say("running");
	else if (now - p->news_us < NEWS_US)
		return;
	p->running = true;
	p->news_us = now;
	job_say_position(0, 0, 0, p->bytes);
}

/* Until the stream ends (0) or the destination does (-1 with the fault). */
static int flow(struct push *p, struct fault *f)
{
	AVPacket *pkt = av_packet_alloc();
	int rc = 0;

	must(pkt);
	for (;;) {
		allow(p, p->job->media_ms);
		if (av_read_frame(p->in, pkt) < 0 || job_stopping(p->job))
			break;
		if ((unsigned)pkt->stream_index >= p->out->nb_streams) {
			av_packet_unref(pkt);
			continue;
		}
		p->bytes += (uint64_t)pkt->size;
		av_packet_rescale_ts(pkt, p->in->streams[pkt->stream_index]->time_base,
				     p->out->streams[pkt->stream_index]->time_base);
		pkt->pos = -1;
		rc = av_interleaved_write_frame(p->out, pkt);
		if (rc < 0)
			break;
		news(p);
	}
	av_packet_free(&pkt);
	if (rc >= 0)
		return 0;
	fault_of(f, rc, false);
	return -1;
}

void relay_push(struct job *j)
{
	struct push p = {.job = j};
	struct fault f;
	int rc = 0;

	while (!rc && !job_stopping(j)) {
		p.running = false;
		job_say("connecting");
		if (open_stream(&p) >= 0) {
			rc = open_destination(&p, &f);
			if (!rc)
				rc = flow(&p, &f);
		}
		close_both(&p);
		if (!rc)
			job_wait(j, clock_us() + AGAIN_US);
	}
	if (rc && !job_stopping(j))
		job_say_failed(&f, false);
}
