/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/packager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/packager_in.h"

#define START_US   10000000 /* where a stream's time begins: players want no negative clocks */
#define BURST_US   150000   /* so long what the log holds keeps coming at once */
#define AGAIN_US   300000
#define KEPT_BYTES (32 << 20)
#define PROMISE_MS 2000	   /* so long the FLV head's promises are waited for, in media */
#define PROMISE_US 4000000 /* and by the clock */

/* ---- life ---------------------------------------------------------------------------------------- */

struct packager *packager_new(const struct packager_world *world, const struct packager_wish *wish)
{
	struct packager *p = calloc(1, sizeof(*p));

	must(p);
	p->world = *world;
	snprintf(p->stream, sizeof(p->stream), "%s", wish->stream);
	snprintf(p->pass, sizeof(p->pass), "%s", wish->pass);
	snprintf(p->format, sizeof(p->format), "%s", wish->format);
	p->segment_us = wish->segment_ms * 1000;
	/* Parts of an encrypted segment would need a chain of their own. */
	p->part_us = wish->encrypt ? 0 : wish->part_ms * 1000;
	p->gop_us = wish->gop_ms * 1000;
	p->encrypt = wish->encrypt;
	p->key_segments = max_of(wish->key_segments, 1);
	p->archived = wish->archive && world->archive;
	p->hurry = wish->hurry && !p->part_us;
	p->report.media_seq = max_of(wish->media_seq, 0);
	p->report.disc_seq = max_of(wish->disc_seq, 0);
	TAILQ_INIT(&p->kept);
	flvsource_init(&p->source);
	objects_init(&p->objects, p->part_us > 0);
	mediatime_init(&p->time, START_US);
	return p;
}

static void forget_kept(struct packager *p)
{
	struct kept *k;

	while ((k = TAILQ_FIRST(&p->kept))) {
		TAILQ_REMOVE(&p->kept, k, link);
		free(k);
	}
	p->kept_bytes = 0;
}

void packager_finish(struct packager *p)
{
	packager_break(p);
}

void packager_free(struct packager *p, bool end)
{
	packager_break(p);
	if (p->opened && p->world.outlet)
		outlet_send(p->world.outlet,
			    json_pack("{ss ss}", "hls", end ? "end" : "close", "stream", p->stream),
			    -1);
	if (p->run)
		archive_end(p->world.archive, p->run);
	flvsource_close(&p->source);
	forget_kept(p);
	segmenter_free(p->segmenter);
	objects_fini(&p->objects);
	free(p->held_data);
	free(p);
}

const char *packager_stream(const struct packager *p)
{
	return p->stream;
}

const struct packager_report *packager_report(const struct packager *p)
{
	return &p->report;
}

int packager_fd(const struct packager *p)
{
	return p->source.fd;
}

bool packager_wants_write(const struct packager *p)
{
	return p->source.state == FLVSOURCE_ASKING && p->source.request[p->source.asked_n];
}

void packager_tell_news(struct packager *p)
{
	p->world.news(p->world.arg, p);
}

static void set_state(struct packager *p, enum packager_state state, const struct fault *why)
{
	p->report.state = state;
	p->report.fault = why ? *why : (struct fault){REASON_NONE, ""};
	packager_tell_news(p);
}

/* ---- probing ------------------------------------------------------------------------------------- */

static void probe_again(struct packager *p)
{
	packager_break(p);
	forget_kept(p);
	p->seen[TRACK_VIDEO] = p->seen[TRACK_AUDIO] = false;
	p->keys = p->frames = 0;
	p->probing_us = clock_us();
	set_state(p, PACKAGER_PROBING, NULL);
}

static void keep(struct packager *p, const struct flv_item *it)
{
	struct kept *k = malloc(sizeof(*k) + it->n);

	must(k);
	*k = (struct kept){.item = *it, .arrived_us = (int64_t)clock_wall_ms() * 1000};
	memcpy(k->data, it->data, it->n);
	k->item.data = k->data;
	TAILQ_INSERT_TAIL(&p->kept, k, link);
	p->kept_bytes += it->n;
}

static void look(struct packager *p, const struct flv_item *it)
{
	if (TAILQ_EMPTY(&p->kept))
		p->first_ms = it->time_ms;
	p->seen[it->kind] = true;
	if (it->kind != TRACK_VIDEO)
		return;
	p->frames++;
	if (!it->key)
		return;
	if (!p->keys++) {
		segmenter_picture(&p->track[TRACK_VIDEO], it->data, it->n);
		p->key_ms = it->time_ms;
	} else if (p->keys == 2 && !p->gop_us) {
		p->gop_us = (int64_t)(int32_t)(it->time_ms - p->key_ms) * 1000;
	}
}

static bool enough(struct packager *p, const struct flv_item *it)
{
	int64_t span_ms = (int32_t)(it->time_ms - p->first_ms);
	bool missing = (p->source.video && !p->seen[TRACK_VIDEO]) ||
		       (p->source.audio && !p->seen[TRACK_AUDIO]);

	if (p->kept_bytes > KEPT_BYTES)
		return true;
	if (missing && span_ms < PROMISE_MS && clock_us() - p->probing_us < PROMISE_US)
		return false;
	if (!p->seen[TRACK_VIDEO] || p->gop_us)
		return true;
	if (span_ms * 1000 < p->segment_us + p->segment_us / 4)
		return false;
	/* Longer than that, nobody knows how long: cuts without a key frame will be needed. */
	p->gop_us = 2 * p->segment_us;
	return true;
}

/* A track that was announced and did not come is none. */
static void settle_tracks(struct packager *p)
{
	for (int kind = 0; kind < TRACKS; kind++)
		if (!p->seen[kind])
			p->track[kind] = (struct track){0};
}

static void replay(struct packager *p)
{
	struct kept *k;

	TAILQ_FOREACH (k, &p->kept, link) {
		k->smooth = packager_time(p, &k->item, &k->dts_us);
		wall_hear(&p->wall, k->dts_us, k->arrived_us);
	}
	TAILQ_FOREACH (k, &p->kept, link)
		packager_frame(p, &k->item, k->dts_us, k->smooth);
	forget_kept(p);
}

static void probe(struct packager *p, const struct flv_item *it)
{
	/* Pictures before the first key frame cannot be shown (interop M6). */
	if (it->kind == TRACK_VIDEO && !it->key && !p->keys)
		return;
	/* Nor does a channel begin with sound. */
	if (it->kind != TRACK_VIDEO && p->world.spool && !p->keys)
		return;
	look(p, it);
	keep(p, it);
	if (!enough(p, it))
		return;
	settle_tracks(p);
	if (!packager_begin(p))
		return;
	p->running_us = clock_us();
	set_state(p, PACKAGER_RUNNING, NULL);
	replay(p);
}

/* ---- tags ---------------------------------------------------------------------------------------- */

static void take_data(struct packager *p, const struct flv_item *it)
{
	double fps = flvread_number(it->data, it->n, "framerate");

	p->fps = fps > 0 && fps < 1000 ? fps : p->fps;
	p->width = flvread_number(it->data, it->n, "width");
	p->height = flvread_number(it->data, it->n, "height");
}

static bool same_config(const struct track *t, const struct flv_item *it)
{
	return t->codec == it->codec && t->config_n == it->n &&
	       (!it->n || !memcmp(t->config, it->data, it->n));
}

/* A track begins or is another now; n may be 0. */
static void take_header(struct packager *p, const struct flv_item *it)
{
	struct track *t = &p->track[it->kind];

	if (same_config(t, it) || it->n > CONFIG_MAX)
		return;
	/* Before the first frame nothing is lost by it. */
	if (p->report.state == PACKAGER_RUNNING || p->seen[it->kind])
		probe_again(p);
	*t = (struct track){.codec = it->codec, .config_n = it->n};
	if (it->n)
		memcpy(t->config, it->data, it->n);
	if (it->kind == TRACK_VIDEO)
		p->source.video = true;
	else
		p->source.audio = true;
	audio_describe(t);
	if ((it->codec == CODEC_H264 || it->codec == CODEC_HEVC) && annexb_init(&p->annexb, t))
		t->codec = CODEC_NONE;
	if (it->kind == TRACK_VIDEO) {
		t->width = (int)p->width;
		t->height = (int)p->height;
	}
}

/* Codecs whose frames say all that is needed. */
static void take_headerless(struct packager *p, const struct flv_item *it)
{
	struct flv_item none = *it;
	int rate = 0, channels = 0;

	none.n = 0;
	if (it->codec == CODEC_MP3 && mp3_read(it->data, it->n, &rate, &channels))
		return;
	if (it->codec != CODEC_MP3 && it->codec != CODEC_OTHER)
		return;
	take_header(p, &none);
	p->track[it->kind].rate = rate;
	p->track[it->kind].channels = channels;
}

static void take_frame(struct packager *p, const struct flv_item *it)
{
	struct flv_item frame = *it;
	int64_t dts_us;
	bool smooth;

	if (p->track[it->kind].codec != it->codec)
		take_headerless(p, it);
	if (p->track[it->kind].codec != it->codec) {
		p->report.dropped++; /* no header has come (interop M6) */
		return;
	}
	if (it->codec == CODEC_H264 || it->codec == CODEC_HEVC)
		frame.key = annexb_is_key(&p->annexb, it->data, it->n);
	if (p->report.state != PACKAGER_RUNNING) {
		probe(p, &frame);
		return;
	}
	smooth = packager_time(p, &frame, &dts_us);
	wall_hear(&p->wall, dts_us, (int64_t)clock_wall_ms() * 1000);
	packager_frame(p, &frame, dts_us, smooth);
}

/* A channel has H.264, and AAC or no sound. false: it is left out, or the channel fails. */
static bool channel_takes(struct packager *p, const struct flv_item *it)
{
	bool picture = it->kind == TRACK_VIDEO;
	struct fault f;

	if (it->what == FLV_DATA || it->codec == (picture ? CODEC_H264 : CODEC_AAC))
		return true;
	if (picture) {
		fault_set(&f, REASON_CODEC_REFUSED, "a live channel needs H.264");
		set_state(p, PACKAGER_FAILED, &f);
	} else {
		p->report.dropped++;
	}
	return false;
}

static void on_item(void *arg, const struct flv_item *it)
{
	struct packager *p = arg;

	p->report.bytes += it->n;
	if (p->report.state == PACKAGER_FAILED || (p->world.spool && !channel_takes(p, it)))
		return;
	if (p->report.state == PACKAGER_CONNECTING)
		probe_again(p);
	if (it->what == FLV_DATA)
		take_data(p, it);
	else if (it->what == FLV_HEADER)
		take_header(p, it);
	else
		take_frame(p, it);
}

/* ---- the connection ------------------------------------------------------------------------------ */

static void lost(struct packager *p, const struct fault *f)
{
	packager_break(p);
	flvsource_close(&p->source);
	forget_kept(p);
	mediatime_rejoin(&p->time);
	p->again_us = clock_us() + AGAIN_US;
	log_info("package_source", "stream=%s reason=%s", p->stream, reason_name(f->reason));
	set_state(p, f->reason == REASON_STREAM_NOT_FOUND ? PACKAGER_ENDED : PACKAGER_CONNECTING,
		  f);
}

void packager_turn(struct packager *p)
{
	struct fault f = {REASON_NONE, ""};

	if (p->source.state == FLVSOURCE_CLOSED)
		return;
	if (!flvsource_turn(&p->source, on_item, p, &f)) {
		if (f.reason == REASON_REMOTE_ENDED) /* whether it is over is found by asking */
			f.reason = REASON_REMOTE_CLOSED;
		lost(p, &f);
	} else if (p->report.state == PACKAGER_FAILED) {
		flvsource_close(&p->source);
	}
}

void packager_tick(struct packager *p, uint64_t now_us)
{
	struct fault f;
	int rc;

	if (p->hurry && p->report.state == PACKAGER_RUNNING && now_us - p->running_us >= BURST_US)
		packager_hurry(p);
	if (p->report.state != PACKAGER_CONNECTING || p->source.state != FLVSOURCE_CLOSED ||
	    now_us < p->again_us)
		return;
	rc = flvsource_open(&p->source, p->world.place, p->stream, p->pass);
	if (!rc)
		return;
	fault_set(&f, REASON_CONNECT_REFUSED, "%s", strerror(-rc));
	lost(p, &f);
}

void packager_refused(struct packager *p, const char *code, const char *message, int64_t media_seq)
{
	char text[200];

	log_warn("package_refused", "stream=%s code=%s why=%s", p->stream, code,
		 log_q(text, sizeof(text), message));
	if (media_seq > p->report.media_seq)
		p->report.media_seq = media_seq;
	/* A limit made a gap there; and there are more answers than one to what was sent meanwhile. */
	if (!strcmp(code, "limit") || !p->opened)
		return;
	packager_close(p);
	packager_forget_muxer(p);
	lost(p, &(struct fault){REASON_HLS_PACKET, ""});
	p->again_us = clock_us() + ((uint64_t)AGAIN_US << min_of(p->refusals++, 6u));
}
