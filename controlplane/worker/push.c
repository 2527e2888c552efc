/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination that takes MPEG-TS by SRT: our own stream is played from the data plane and sent on.
 *
 * While the stream is not live the worker waits for it; when it ends, the destination is left and the
 * wait begins anew.
 */
#include <stdlib.h>
#include <string.h>

#include <libavformat/avio.h>
#include <libavutil/dict.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/worker/dial.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/input.h"
#include "controlplane/worker/relay.h"
#include "controlplane/worker/segmenter.h"

#define AGAIN_US  500000 /* from one look for the stream to the next */
#define NEWS_US	  1000000
#define TABLES_US 500000  /* those of MPEG-TS come again for who joins there */
#define LEAD_US	  1000000 /* times begin there: the muxer's clock is behind them */
#define ANY_RATE  48000	  /* MPEG-TS names none, but its muxer asks for one */

struct push {
	struct job *job;
	struct input in;
	struct segmenter *ts;
	AVIOContext *out;
	struct track track[TRACKS]; /* as ts was told */
	uint64_t deadline_us, news_us, tables_us, bytes;
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

/* Why the segmenter's bytes did not go is what p->out says. */
static void write_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	struct push *p = arg;

	avio_write(p->out, bytes, (int)n);
}

static void close_both(struct push *p)
{
	segmenter_free(p->ts);
	p->ts = NULL;
	avio_closep(&p->out);
	input_close(&p->in);
}

static bool is_carried(enum track_codec codec)
{
	return codec == CODEC_NONE || codec == CODEC_H264 || codec == CODEC_HEVC ||
	       codec == CODEC_AAC || codec == CODEC_MP3 || codec == CODEC_OPUS ||
	       codec == CODEC_AC3 || codec == CODEC_EAC3;
}

static bool is_other(const struct track *a, const struct track *b)
{
	return a->codec != b->codec || a->config_n != b->config_n ||
	       memcmp(a->config, b->config, a->config_n) != 0;
}

/* A muxer for the tracks as they are now, where they are not those that it has. 0, or -1 with the fault. */
static int keep_up(struct push *p, struct fault *f)
{
	struct segmenter_sink sink = {write_bytes, p};
	bool same = p->ts;

	for (int kind = 0; kind < TRACKS; kind++)
		same = same && !is_other(&p->in.track[kind], &p->track[kind]);
	if (same)
		return 0;
	memcpy(p->track, p->in.track, sizeof(p->track));
	for (int kind = 0; kind < TRACKS; kind++)
		if (!is_carried(p->track[kind].codec)) {
			fault_set(f, REASON_CODEC_REFUSED,
				  "MPEG-TS cannot carry the codec of the %s",
				  kind == TRACK_VIDEO ? "video" : "audio");
			return -1;
		}
	if (!p->track[TRACK_AUDIO].rate)
		p->track[TRACK_AUDIO].rate = ANY_RATE;
	if (!p->track[TRACK_AUDIO].channels)
		p->track[TRACK_AUDIO].channels = 2;
	segmenter_free(p->ts);
	p->ts = segmenter_new(false, p->track, &sink, f);
	return p->ts ? 0 : -1;
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
	allow(p, p->job->connect_ms);
	av_dict_set_int(&o, "connect_timeout", p->job->connect_ms, 0);
	av_dict_set(&o, "protocol_whitelist", "srt", 0);
	rc = avio_open2(&p->out, url, AVIO_FLAG_WRITE, &callback, &o);
	av_dict_free(&o);
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

/* 0, or -1 with the fault. */
static int send_unit(struct push *p, struct unit *u, struct fault *f)
{
	uint64_t now = clock_us();

	if (keep_up(p, f))
		return -1;
	allow(p, p->job->media_ms);
	if (now - p->tables_us >= TABLES_US) {
		p->tables_us = now;
		segmenter_flush(p->ts);
	}
	p->bytes += u->n;
	u->dts_us += LEAD_US;
	u->pts_us += LEAD_US;
	segmenter_write(p->ts, u); /* what cannot be said in MPEG-TS is left out */
	segmenter_pass_on(p->ts);
	avio_flush(p->out);
	if (p->out->error >= 0)
		return 0;
	fault_of(f, p->out->error, false);
	return -1;
}

/* Until the stream ends (0) or the destination does (-1 with the fault). */
static int flow(struct push *p, struct fault *f)
{
	struct fault ended;
	struct unit u;

	while (input_next(&p->in, &u, &ended) > 0 && !job_stopping(p->job)) {
		if (send_unit(p, &u, f))
			return -1;
		news(p);
	}
	return 0;
}

/* Once the stream is live. 0: it ended or is not; -1 with the fault. */
static int serve(struct push *p, struct fault *f)
{
	struct fault away;

	if (input_open(&p->in, p->job, p->job->output, true, &away)) {
		*f = away;
		return away.reason == REASON_CODEC_REFUSED ? -1 : 0;
	}
	return open_destination(p, f) ? -1 : flow(p, f);
}

void relay_push(struct job *j)
{
	struct push *p = calloc(1, sizeof(*p));
	struct fault f;
	int rc = 0;

	must(p);
	p->job = j;
	while (!rc && !job_stopping(j)) {
		p->running = false;
		job_say("connecting");
		rc = serve(p, &f);
		close_both(p);
		if (!rc)
			job_wait(j, clock_us() + AGAIN_US);
	}
	if (rc && !job_stopping(j))
		job_say_failed(&f, false);
	free(p);
}
