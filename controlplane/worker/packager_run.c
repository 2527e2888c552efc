/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/packager_in.h"
#include "controlplane/worker/spool.h"

#define HURRY_US	500000 /* the least that a first segment holds when somebody waits */
#define CHANNEL_LATE_US 60000000
#define FRAGMENT_US	1000000 /* of MP4 without parts: bounds what the muxer holds */

/* ---- parts, segments, keys ----------------------------------------------------------------------- */

static void send_object(struct packager *p, json_t *packet, int fd)
{
	must(packet);
	if (!p->world.outlet) {
		json_decref(packet);
		return;
	}
	json_object_set_new(packet, "stream", json_string(p->stream));
	outlet_send(p->world.outlet, packet, fd);
}

static void add_place(struct packager *p, json_t *packet)
{
	if (p->fmp4)
		json_object_set_new(packet, "init", json_integer(p->init));
	if (p->discontinuity)
		json_object_set_new(packet, "discontinuity", json_true());
}

static void end_part(struct packager *p, int64_t end_us)
{
	int64_t duration_us = min_of(end_us - p->part_start_us, p->part_us);
	json_t *packet;
	int fd;

	if (!p->part_us)
		return;
	segmenter_flush(p->segmenter);
	if (p->objects.part < 0)
		return;
	fd = objects_take_part(&p->objects);
	packet =
		json_pack("{ss sI si sI sb}", "hls", "part", "seq", (json_int_t)p->report.media_seq,
			  "part", (int)p->part, "duration_us", (json_int_t)max_of(duration_us, 1),
			  "independent", (int)p->part_independent);
	add_place(p, packet);
	p->part++;
	p->part_start_us = end_us;
	p->part_independent = !p->cut.video;
	if (fd >= 0)
		send_object(p, packet, fd);
	else
		json_decref(packet);
}

static void archive_segment(struct packager *p, int64_t duration_us, int fd)
{
	struct archive_segment s = {.seq = p->report.media_seq,
				    .duration_us = duration_us,
				    .pdt_ms = p->pdt_ms,
				    .init = p->fmp4 ? p->init : 0,
				    .key = p->key,
				    .fmp4 = p->fmp4,
				    .discontinuity = p->discontinuity};

	if (p->key)
		snprintf(s.iv, sizeof(s.iv), "%032llx", (unsigned long long)s.seq);
	if (p->run)
		archive_put(p->world.archive, p->run, &s, fd);
}

static void send_segment(struct packager *p, int64_t duration_us, int fd)
{
	json_int_t seq = p->report.media_seq;
	char iv[33];
	json_t *packet;

	if (p->world.spool) {
		spool_put(p->world.spool, fd, p->pdt_ms, duration_us, p->discontinuity);
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0) {
		send_object(p,
			    json_pack("{ss sI sI sI}", "hls", "gap", "seq", seq, "duration_us",
				      (json_int_t)duration_us, "pdt_ms", (json_int_t)p->pdt_ms),
			    -1);
		return;
	}
	packet = json_pack("{ss sI sI sI sb}", "hls", "segment", "seq", seq, "duration_us",
			   (json_int_t)duration_us, "pdt_ms", (json_int_t)p->pdt_ms, "independent",
			   (int)p->independent);
	add_place(p, packet);
	if (p->key) {
		snprintf(iv, sizeof(iv), "%032llx", (unsigned long long)seq);
		json_object_set_new(packet, "key", json_integer(p->key));
		json_object_set_new(packet, "iv", json_string(iv));
	}
	archive_segment(p, duration_us, fd);
	send_object(p, packet, fd);
}

static void end_segment(struct packager *p, int64_t end_us)
{
	int64_t duration_us = max_of(end_us - p->segment_start_us, 1);
	int fd;

	if (!p->segment_open)
		return;
	p->segment_open = false;
	segmenter_flush(p->segmenter);
	end_part(p, end_us);
	fd = objects_take_segment(&p->objects);
	p->report.segments++;
	send_segment(p, duration_us, fd);
	p->report.media_seq++;
	if (p->report.segments % 8 == 0)
		p->refusals = 0;
	packager_tell_news(p);
}

static int object_of(const uint8_t *bytes, size_t n)
{
	int fd = object_open();

	if (fd >= 0 && (!object_write(fd, bytes, n) || object_seal(fd))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void next_key(struct packager *p)
{
	int fd;

	if (p->key_left-- > 0)
		return;
	p->key_left = p->key_segments - 1;
	p->key = p->report.media_seq + 1;
	must(getrandom(p->key_bytes, sizeof(p->key_bytes), 0) == sizeof(p->key_bytes));
	fd = object_of(p->key_bytes, sizeof(p->key_bytes));
	if (p->run)
		archive_key(p->world.archive, p->run, p->key, fd);
	send_object(p, json_pack("{ss sI}", "hls", "key", "key", (json_int_t)p->key), fd);
}

static void begin_segment(struct packager *p, const struct unit *u)
{
	uint8_t iv[OBJECT_KEY_BYTES] = {0};

	p->segment_open = true;
	p->discontinuity = p->broken;
	p->report.disc_seq += p->broken;
	p->broken = false;
	p->independent = !p->cut.video || (u->kind == TRACK_VIDEO && u->key);
	p->part_independent = p->independent;
	p->part = 0;
	p->segment_start_us = p->part_start_us = p->fragment_us = u->dts_us;
	p->pdt_ms = wall_ms(&p->wall, u->dts_us);
	if (!p->encrypt)
		return;
	next_key(p);
	put_be64(iv + 8, (uint64_t)p->report.media_seq);
	objects_encrypt(&p->objects, p->key_bytes, iv);
}

/* ---- frames -------------------------------------------------------------------------------------- */

bool packager_time(struct packager *p, const struct flv_item *it, int64_t *dts_us)
{
	const struct track *t = &p->track[it->kind];
	int samples = it->kind == TRACK_AUDIO ? audio_samples(t, it->data, it->n) : 0;

	return mediatime_take(&p->time, it->kind, it->time_ms, samples, t->rate, dts_us);
}

static void write_unit(struct packager *p, const struct unit *u)
{
	if (!segmenter_write(p->segmenter, u))
		p->report.dropped++;
}

/* Its duration is known: the next picture is at next_us, or 0: as long as the ones before. */
static void release_held(struct packager *p, int64_t next_us)
{
	struct unit *u = &p->held_unit;

	if (!p->held)
		return;
	p->held = false;
	u->duration_us = next_us > u->dts_us ? next_us - u->dts_us : p->cut.step_us[TRACK_VIDEO];
	write_unit(p, u);
}

static void hold(struct packager *p, const struct unit *u)
{
	if (u->n > p->held_room) {
		free(p->held_data);
		p->held_room = u->n + u->n / 2;
		p->held_data = malloc(p->held_room);
		must(p->held_data);
	}
	memcpy(p->held_data, u->data, u->n);
	p->held_unit = *u;
	p->held_unit.data = p->held_data;
	p->held = true;
}

void packager_break(struct packager *p)
{
	if (!p->segment_open)
		return;
	release_held(p, 0);
	end_segment(p, cut_end_us(&p->cut));
	cut_close(&p->cut);
	wall_anew(&p->wall);
	p->broken = true;
}

void packager_hurry(struct packager *p)
{
	if (p->report.segments)
		p->hurry = false;
	if (!p->hurry || !p->segment_open || cut_end_us(&p->cut) - p->segment_start_us < HURRY_US)
		return;
	p->hurry = false;
	release_held(p, 0);
	end_segment(p, cut_hurry(&p->cut));
}

static void turn(struct packager *p, enum cut_turn what)
{
	switch (what) {
	case CUT_PART:
		end_part(p, p->cut.end_us);
		break;
	case CUT_HOLE:
		p->broken = true;
		end_segment(p, p->cut.end_us);
		break;
	case CUT_SEGMENT:
		end_segment(p, p->cut.end_us);
		break;
	default:
		break;
	}
}

static void flush_fragment(struct packager *p, const struct unit *u)
{
	if (!p->fmp4 || p->part_us || u->kind != (p->cut.video ? TRACK_VIDEO : TRACK_AUDIO) ||
	    u->dts_us - p->fragment_us < FRAGMENT_US)
		return;
	segmenter_flush(p->segmenter);
	p->fragment_us = u->dts_us;
}

static void describe(const struct packager *p, const struct flv_item *it, int64_t dts_us,
		     struct unit *u)
{
	const struct track *t = &p->track[it->kind];
	int samples = it->kind == TRACK_AUDIO ? audio_samples(t, it->data, it->n) : 0;

	*u = (struct unit){.kind = it->kind,
			   .key = it->key,
			   .dts_us = dts_us,
			   .pts_us = dts_us + it->delay_ms * 1000ll,
			   .data = it->data,
			   .n = it->n};
	if (samples && t->rate)
		u->duration_us = samples * 1000000ll / t->rate;
}

void packager_frame(struct packager *p, const struct flv_item *it, int64_t dts_us, bool smooth)
{
	enum cut_turn what;
	struct unit u;

	if (!p->track[it->kind].codec)
		return;
	describe(p, it, dts_us, &u);
	p->report.track_bytes[u.kind] += u.n;
	p->report.pictures += u.kind == TRACK_VIDEO;
	if (!smooth) {
		packager_break(p);
		wall_hear(&p->wall, dts_us, (int64_t)clock_wall_ms() * 1000);
	}
	what = cut_before(&p->cut, u.kind, u.key, dts_us);
	if (u.kind == TRACK_VIDEO)
		release_held(p, what == CUT_HOLE ? 0 : dts_us);
	else if (what == CUT_SEGMENT || what == CUT_HOLE)
		release_held(p, 0);
	turn(p, what);
	if (!p->segment_open)
		begin_segment(p, &u);
	else
		flush_fragment(p, &u);
	if (u.kind == TRACK_VIDEO && u.key && what == CUT_PART)
		p->part_independent = true;
	if (p->fmp4 && u.kind == TRACK_VIDEO)
		hold(p, &u);
	else
		write_unit(p, &u);
}

/* ---- beginning ----------------------------------------------------------------------------------- */

static bool wants_fmp4(const struct packager *p)
{
	if (!strcmp(p->format, "ts"))
		return false;
	if (!strcmp(p->format, "fmp4") || p->part_us)
		return true;
	for (int kind = 0; kind < TRACKS; kind++)
		if (p->track[kind].codec && (p->track[kind].codec == CODEC_HEVC ||
					     !segmenter_takes(false, p->track[kind].codec)))
			return true;
	return false;
}

static bool refuse_codec(struct packager *p)
{
	for (int kind = 0; kind < TRACKS; kind++) {
		enum track_codec codec = p->track[kind].codec;

		if (codec == CODEC_NONE || segmenter_takes(p->fmp4, codec))
			continue;
		p->report.state = PACKAGER_FAILED;
		fault_set(&p->report.fault, REASON_CODEC_REFUSED,
			  "HLS in %s cannot carry this stream's %s", p->fmp4 ? "fMP4" : "MPEG-TS",
			  kind == TRACK_VIDEO ? "video" : "audio");
		packager_tell_news(p);
		return true;
	}
	return false;
}

static void name_codecs(const struct packager *p, char *dst, size_t n)
{
	char name[TRACKS][CODECS_ROOM] = {"", ""};

	for (int kind = 0; kind < TRACKS; kind++)
		if (p->track[kind].codec)
			codecs_name(name[kind], &p->track[kind]);
	snprintf(dst, n, "%s%s%s", name[TRACK_VIDEO],
		 *name[TRACK_VIDEO] && *name[TRACK_AUDIO] ? "," : "", name[TRACK_AUDIO]);
}

static int64_t bandwidth(const struct packager *p)
{
	const struct kept *last = TAILQ_LAST(&p->kept, kept_list);
	int64_t span_ms = last ? (int32_t)(last->item.time_ms - p->first_ms) : 0;

	return span_ms > 0 ? (int64_t)p->kept_bytes * 8000 / span_ms : 0;
}

static double frame_rate(const struct packager *p)
{
	const struct kept *last = TAILQ_LAST(&p->kept, kept_list);
	int64_t span_ms = last ? (int32_t)(last->item.time_ms - p->first_ms) : 0;

	if (p->fps > 0 || span_ms <= 0)
		return p->fps;
	return (double)p->frames * 1000 / (double)span_ms;
}

void packager_close(struct packager *p)
{
	if (p->opened)
		send_object(p, json_pack("{ss}", "hls", "close"), -1);
	p->opened = false;
}

/* Anew where the playlist would be another one; a client has no use for the old numbers then. */
static void open_playlist(struct packager *p, bool fmp4, const char *codecs, bool again)
{
	const struct track *v = &p->track[TRACK_VIDEO];
	int64_t target_us = cut_target_us(p->segment_us, v->codec ? p->gop_us : 0);
	bool same = p->opened && fmp4 == p->fmp4 && target_us <= p->target_us &&
		    !strcmp(codecs, p->codecs);

	p->fmp4 = fmp4;
	if (same)
		return;
	p->target_us = max_of(target_us, p->target_us);
	snprintf(p->codecs, sizeof(p->codecs), "%s", codecs);
	packager_close(p);
	p->opened = true;
	p->broken = false; /* the data plane sets the mark by itself */
	p->key_left = 0;
	send_object(p,
		    json_pack("{ss ss sI sI sI sI ss sI si si sf}", "hls", "open", "format",
			      fmp4 ? "fmp4" : "ts", "target_ms", (json_int_t)p->target_us / 1000,
			      "part_ms", (json_int_t)p->part_us / 1000, "media_seq",
			      (json_int_t)p->report.media_seq, "disc_seq",
			      (json_int_t)p->report.disc_seq, "codecs", codecs, "bandwidth",
			      (json_int_t)bandwidth(p), "width", v->width, "height", v->height,
			      "fps", v->codec ? frame_rate(p) : 0),
		    -1);
	p->report.disc_seq += again;
	if (!p->archived)
		return;
	if (p->run)
		archive_end(p->world.archive, p->run);
	p->run = archive_begin(p->world.archive, p->stream, p->report.media_seq,
			       p->target_us / 1000);
}

void packager_forget_muxer(struct packager *p)
{
	segmenter_free(p->segmenter);
	p->segmenter = NULL;
	objects_fini(&p->objects);
	objects_init(&p->objects, p->part_us > 0);
	p->segment_open = p->held = false;
}

/* An MP4 muxer has written its init section already. */
static void send_init(struct packager *p)
{
	bool parts = p->objects.parts;
	int fd;

	/* The data plane may know those of an earlier run. */
	p->init = (uint32_t)max_of((int64_t)p->init, p->report.media_seq) + 1;
	fd = objects_take_segment(&p->objects);
	if (p->run)
		archive_init_section(p->world.archive, p->run, p->init, fd);
	send_object(p, json_pack("{ss sI}", "hls", "init", "init", (json_int_t)p->init), fd);
	p->objects.parts = parts;
}

static bool make_muxer(struct packager *p)
{
	struct segmenter_sink sink = {objects_write, &p->objects};
	bool parts = p->objects.parts;

	packager_forget_muxer(p);
	p->objects.parts = false; /* no part begins with the init section */
	p->segmenter = segmenter_new(p->fmp4, p->track, &sink, &p->report.fault);
	if (p->segmenter && p->fmp4)
		send_init(p);
	p->objects.parts = parts;
	if (p->segmenter)
		return true;
	p->report.state = PACKAGER_FAILED;
	packager_tell_news(p);
	return false;
}

/* No segment is longer: a playlist's target, or as documented of channels max(2 x duration, 60 s). */
static int64_t limit_us(const struct packager *p)
{
	if (p->world.spool)
		return max_of(2 * p->segment_us, CHANNEL_LATE_US);
	return cut_limit_us(p->target_us);
}

bool packager_begin(struct packager *p)
{
	bool again = p->opened;
	char codecs[sizeof(p->codecs)];
	bool fmp4 = wants_fmp4(p), was = p->fmp4;

	p->fmp4 = fmp4;
	if (refuse_codec(p))
		return false;
	p->fmp4 = was;
	name_codecs(p, codecs, sizeof(codecs));
	p->broken = again;
	open_playlist(p, fmp4, codecs, again);
	cut_init(&p->cut, p->track[TRACK_VIDEO].codec != CODEC_NONE, p->segment_us, p->part_us,
		 limit_us(p));
	p->cut.gop_us = p->gop_us;
	p->report.audio_rate = p->track[TRACK_AUDIO].rate;
	return make_muxer(p);
}
