/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/flvin.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/dict.h>

#include "base/check.h"
#include "controlplane/worker/fault.h"

#define READ_BYTES 32768

struct flvin *flvin_open(const char *url, const AVIOInterruptCB *stop, AVDictionary **options,
			 int *rc)
{
	struct flvin *s = calloc(1, sizeof(*s));

	must(s);
	*rc = avio_open2(&s->av, url, AVIO_FLAG_READ, stop, options);
	if (*rc >= 0)
		return s;
	free(s);
	return NULL;
}

void flvin_close(struct flvin *s)
{
	if (!s)
		return;
	avio_closep(&s->av);
	for (int kind = 0; kind < TRACKS; kind++)
		free(s->track[kind].config);
	free(s->bytes);
	free(s);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* More of them behind those that are there. */
static int more(struct flvin *s)
{
	int got;

	if (s->at)
		memmove(s->bytes, s->bytes + s->at, s->n - s->at);
	s->n -= s->at;
	s->at = 0;
	if (s->n + READ_BYTES > s->room) {
		s->room = max_of(2 * s->room, s->n + READ_BYTES);
		s->bytes = realloc(s->bytes, s->room);
		must(s->bytes);
	}
	got = avio_read_partial(s->av, s->bytes + s->n, READ_BYTES);
	if (got <= 0)
		return got ? got : AVERROR_EOF;
	s->n += (size_t)got;
	return 0;
}

static int not_flv(struct flvin *s)
{
	fault_set(&s->why, REASON_REMOTE_PROTOCOL, "the source's FLV cannot be read");
	return AVERROR_INVALIDDATA;
}

/* The next tag, in place until the next call. 0 or AVERROR. */
static int next_tag(struct flvin *s, struct flv_item *it)
{
	ssize_t took;
	int rc;

	for (;;) {
		const uint8_t *p = s->bytes + s->at;

		*it = (struct flv_item){0};
		took = !s->n	  ? 0
		       : s->begun ? flvread_tag(p, s->n - s->at, it)
				  : flvread_head(p, s->n - s->at);
		if (took < 0)
			return not_flv(s);
		s->at += (size_t)took;
		if (took && s->begun)
			return 0;
		s->begun = s->begun || took;
		rc = took ? 0 : more(s);
		if (rc)
			return rc;
	}
}

/* ---- tags ------------------------------------------------------------------------------------ */

/* A track says what it is, and stays that. 0 or AVERROR. */
static int take_codec(struct flvin *s, const struct flv_item *it)
{
	struct flvin_track *t = &s->track[it->kind];

	if (t->codec == it->codec && t->codec != CODEC_OTHER)
		return 0;
	fault_set(&s->why, REASON_CODEC_REFUSED,
		  t->codec ? "the codec of the %s is another one now"
			   : "the codec of the %s cannot be carried",
		  it->kind == TRACK_VIDEO ? "video" : "audio");
	if (t->codec || it->codec == CODEC_OTHER)
		return AVERROR_INVALIDDATA;
	t->codec = it->codec;
	return 0;
}

static void take_config(struct flvin_track *t, const struct flv_item *it)
{
	free(t->config);
	t->config = malloc(it->n);
	must(t->config);
	memcpy(t->config, it->data, it->n);
	t->config_n = it->n;
}

static void take_metadata(struct flvin *s, const struct flv_item *it)
{
	s->width = flvread_number(it->data, it->n, "width");
	s->height = flvread_number(it->data, it->n, "height");
	s->rate = flvread_number(it->data, it->n, "framerate");
}

static void make_packet(struct flvin *s, AVPacket *p, const struct flv_item *it)
{
	struct flvin_track *t = &s->track[it->kind];
	uint8_t *side;

	must(!av_new_packet(p, (int)it->n));
	memcpy(p->data, it->data, it->n);
	p->dts = s->now_ms;
	p->pts = s->now_ms + it->delay_ms;
	/* As long as the one before, for all that is known. */
	p->duration = t->last_ms && s->now_ms > t->last_ms ? s->now_ms - t->last_ms : 0;
	t->last_ms = s->now_ms;
	p->flags = it->key ? AV_PKT_FLAG_KEY : 0;
	if (!t->config)
		return;
	side = av_packet_new_side_data(p, AV_PKT_DATA_NEW_EXTRADATA, t->config_n);
	must(side);
	memcpy(side, t->config, t->config_n);
	free(t->config);
	t->config = NULL;
}

int flvin_read(struct flvin *s, AVPacket *p, enum track_kind *kind)
{
	struct flv_item it;
	int rc = next_tag(s, &it);

	if (rc)
		return rc;
	if (it.what == FLV_DATA)
		take_metadata(s, &it);
	if (it.what != FLV_HEADER && it.what != FLV_FRAME)
		return 0;
	s->now_ms += (int32_t)(it.time_ms - (uint32_t)s->now_ms);
	rc = take_codec(s, &it);
	if (rc)
		return rc;
	*kind = it.kind;
	if (it.what == FLV_HEADER) {
		take_config(&s->track[it.kind], &it);
		return 0;
	}
	make_packet(s, p, &it);
	return 1;
}
