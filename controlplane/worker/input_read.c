/* SPDX-License-Identifier: Apache-2.0 */
/* An input's packets: read, put into order, given as units. */
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/worker/elementary.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/input_in.h"
#include "controlplane/worker/nal.h"

#define SPAN_LIVE_US 400000 /* so long a track waits for a packet of the other */
#define SPAN_FILE_US 3000000

static int64_t us_of(int64_t t, const struct input_track *it)
{
	return t == AV_NOPTS_VALUE ? SPLICE_NONE : av_rescale_q(t, it->base, AV_TIME_BASE_Q);
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

/* The first packet of a track of FLV, before it is settled which there are. */
static void begin_track(struct input *in, enum track_kind kind)
{
	struct track *t = &in->track[kind];

	in->in[kind].on = true;
	in->in[kind].base = (AVRational){1, 1000};
	t->codec = in->flv->track[kind].codec;
	if (kind == TRACK_VIDEO) {
		t->width = (int)min_of(in->flv->width, 65535.0);
		t->height = (int)min_of(in->flv->height, 65535.0);
	}
}

static void read_flv(struct input *in)
{
	AVPacket *p = av_packet_alloc();
	enum track_kind kind;
	int rc;

	must(p);
	rc = flvin_read(in->flv, p, &kind);
	in->ended = min_of(rc, 0);
	if (rc > 0 && !in->settled)
		begin_track(in, kind);
	if (rc <= 0 || !in->in[kind].on) {
		av_packet_free(&p);
		return;
	}
	in->bytes += (uint64_t)p->size;
	push(in, kind, p);
}

void input_read_one(struct input *in)
{
	AVPacket *p;

	input_allow(in, max_of(in->job->media_ms, hlswatch_patience_us(&in->hls) / 1000));
	if (in->flv) {
		read_flv(in);
		return;
	}
	p = av_packet_alloc();
	must(p);
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

int64_t input_span_us(const struct input_track *it)
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
		if (in->in[kind].n == INPUT_QUEUE || input_span_us(&in->in[kind]) > limit)
			return true;
	for (int kind = 0; kind < TRACKS; kind++)
		if (in->in[kind].on && !in->in[kind].n)
			return false;
	return true;
}

static void fill(struct input *in)
{
	while (in->ended >= 0 && !ready(in))
		input_read_one(in);
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
	}
	if (v->n && in->flv && in->flv->rate >= 1)
		item->frame_us = (int64_t)(1000000 / in->flv->rate);
	if (v->n && v->stream) {
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

void input_learn(struct input *in, enum track_kind kind, const AVPacket *p)
{
	size_t n = 0;
	const uint8_t *side = av_packet_get_side_data(p, AV_PKT_DATA_NEW_EXTRADATA, &n);

	if (in->in[kind].annexb) {
		if (p->flags & AV_PKT_FLAG_KEY)
			input_learn_sets(in, kind, p->data, (size_t)p->size);
	} else if (side) {
		input_set_config(&in->track[kind], side, n);
		if (side && in->flv && kind == TRACK_AUDIO)
			audio_describe(&in->track[kind]);
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
	input_learn(in, kind, p);
	*u = (struct unit){.kind = kind,
			   .key = kind == TRACK_AUDIO || p->flags & AV_PKT_FLAG_KEY,
			   .dts_us = us_of(p->dts, it),
			   .pts_us = us_of(p->pts, it),
			   .duration_us = p->duration > 0 ? us_of(p->duration, it) : 0};
	if (u->pts_us == SPLICE_NONE)
		u->pts_us = u->dts_us;
	show_bytes(in, kind, p, u);
}

int input_over(const struct input *in, struct fault *f)
{
	if (in->hls.stale) {
		*f = (struct fault){REASON_PLAYLIST_STALE, ""};
		return -1;
	}
	if (in->flv && in->ended == AVERROR_INVALIDDATA) {
		*f = in->flv->why;
		return -1;
	}
	if (in->ended == AVERROR_EOF)
		return 0;
	fault_of(f, in->ended, false);
	return -1;
}

int input_next(struct input *in, struct unit *u, struct fault *f)
{
	do {
		fill(in);
		if (!in->in[TRACK_VIDEO].n && !in->in[TRACK_AUDIO].n) {
			return input_over(in, f);
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

void input_drop(struct input *in)
{
	for (int kind = 0; kind < TRACKS; kind++) {
		struct input_track *it = &in->in[kind];

		while (it->n) {
			av_packet_free(&it->queue[it->first]);
			it->first = (it->first + 1) % INPUT_QUEUE;
			it->n--;
		}
	}
}
