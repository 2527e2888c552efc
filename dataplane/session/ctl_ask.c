/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the cores: streams, viewers, kicks, drain. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "core/stream.h"
#include "media/codec.h"
#include "media/url.h"
#include "session/ctl_verbs.h"
#include "session/feed.h"
#include "session/publish.h"

struct stream_row {
	char key[STREAM_KEY_MAX], publisher[NET_ADDR_TEXT], protocol[24], encoder[128];
	uint64_t since_wall_ms, video, audio, width, height;
	unsigned slot, core;
};

struct viewer_row {
	char id[20], key[STREAM_KEY_MAX], protocol[24], address[NET_ADDR_TEXT];
	uint64_t since_wall_ms, bytes, lag_ms, skips;
	unsigned core;
};

static void query_text(struct ctl_query *q, const char *text)
{
	if (q)
		snprintf(q->text, sizeof(q->text), "%s", text);
}

static void not_found(struct ctl_query *q, struct ctl_client *c, const char *field)
{
	struct ctl_error e;

	ctl_error_set(&e, "not_found", field, "there is none like that");
	ctl_client_refuse(c, q->id, &e);
}

/* ---- streams --------------------------------------------------------------------------------- */

/* On the stream's home core. */
static void fill_stream(struct stream_row *row, const struct stream *s)
{
	const struct publish *publish = s->publisher;
	const struct session *publisher = publish ? publish->session : NULL;

	snprintf(row->key, sizeof(row->key), "%s", s->key);
	row->slot = s->slot;
	row->core = s->home;
	row->since_wall_ms = shm_get(&s->shm->publish_wall_ms);
	if (!publisher)
		return;
	if (publisher->conn)
		net_addr_text(row->publisher, &publisher->conn->peer);
	snprintf(row->protocol, sizeof(row->protocol), "%s", publisher->protocol);
}

struct stream_walk {
	struct ctl_query *query;
	struct ctl_part *part;
	unsigned core;
};

static void each_stream(void *arg, struct stream *s)
{
	struct stream_walk *walk = arg;
	struct stream_row *row;

	if (s->home != walk->core || (s->internal && !walk->query->flag))
		return;
	row = ctl_part_row(walk->part);
	if (row)
		fill_stream(row, s);
}

static void list_streams(struct ctl_query *q, struct core *core, struct ctl_part *part)
{
	struct stream_walk walk = {q, part, core->id};

	registry_each(core->engine->registry, each_stream, &walk);
}

static json_t *stream_json(const struct stream_row *row)
{
	json_t *o = json_pack("{s:o, s:i, s:i, s:I}", "stream", ctl_text(row->key), "slot",
			      (int)row->slot, "core", (int)row->core, "since",
			      (json_int_t)row->since_wall_ms);

	if (o && row->publisher[0])
		json_object_set_new(o, "publisher", json_string(row->publisher));
	if (o && row->protocol[0])
		json_object_set_new(o, "protocol", json_string(row->protocol));
	return o;
}

static void answer_streams(struct ctl_query *q, struct ctl_client *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < q->parts_n; i++) {
		const struct stream_row *rows = (const struct stream_row *)q->part[i].rows;

		for (unsigned k = 0; k < q->part[i].rows_n; k++)
			json_array_append_new(list, stream_json(&rows[k]));
	}
	ctl_client_list(c, q->id, "streams", list);
}

struct ctl_query *ctl_ask_streams(struct engine *e, bool internal)
{
	static const struct ctl_query_ops ops = {
		.row_bytes = sizeof(struct stream_row),
		.work = list_streams,
		.answer = answer_streams,
	};
	/* Some more, for those that begin meanwhile. */
	struct ctl_query *q = ctl_query_new(&ops, e->cores_n, registry_count(e->registry) + 64);

	if (q)
		q->flag = internal;
	return q;
}

/* The stream that the query names if it is at home on this core, with a reference. */
static struct stream *find_here(struct ctl_query *q, struct core *core)
{
	struct stream *s = stream_find(core->engine->registry, q->text);

	if (!s || s->home == core->id)
		return s;
	stream_put(s, core);
	return NULL;
}

static void fill_encoder(struct stream_row *row, const struct stream *s)
{
	const struct stream_headers *h = stream_headers(s);

	for (unsigned i = 0; h && i < h->n; i++) {
		struct msg m = {
			.type = h->msg[i].type,
			.len = h->msg[i].len,
			.data = h->data + h->msg[i].off,
		};
		struct slice payload, encoder;

		if (m.type != MSG_DATA || codec_data(&m, &payload) != DATA_METADATA)
			continue;
		encoder = codec_metadata_encoder(payload);
		snprintf(row->encoder, sizeof(row->encoder), "%.*s",
			 (int)min_of(encoder.n, sizeof(row->encoder)),
			 encoder.n ? (const char *)encoder.p : "");
	}
}

static void show_stream(struct ctl_query *q, struct core *core, struct ctl_part *part)
{
	struct stream *s = find_here(q, core);
	struct stream_row *row;

	if (!s)
		return;
	row = ctl_part_row(part);
	fill_stream(row, s);
	fill_encoder(row, s);
	row->video = shm_get(&s->shm->video_codec);
	row->audio = shm_get(&s->shm->audio_codec);
	row->width = shm_get(&s->shm->width);
	row->height = shm_get(&s->shm->height);
	stream_put(s, core);
}

static json_t *shown_json(const struct stream_row *row)
{
	json_t *o = stream_json(row);

	if (!o)
		return NULL;
	if (row->video != CODEC_NONE)
		json_object_set_new(o, "video", json_string(codec_name((unsigned)row->video)));
	if (row->audio != CODEC_NONE)
		json_object_set_new(o, "audio", json_string(codec_name((unsigned)row->audio)));
	if (row->width && row->height) {
		json_object_set_new(o, "width", json_integer((json_int_t)row->width));
		json_object_set_new(o, "height", json_integer((json_int_t)row->height));
	}
	if (row->encoder[0])
		json_object_set_new(o, "encoder", ctl_text(row->encoder));
	return o;
}

static void answer_stream(struct ctl_query *q, struct ctl_client *c)
{
	for (unsigned i = 0; i < q->parts_n; i++) {
		if (q->part[i].rows_n) {
			ctl_client_answer(c, q->id,
					  shown_json((const struct stream_row *)q->part[i].rows),
					  -1);
			return;
		}
	}
	not_found(q, c, "stream");
}

struct ctl_query *ctl_ask_stream(struct engine *e, const char *key)
{
	static const struct ctl_query_ops ops = {
		.row_bytes = sizeof(struct stream_row),
		.work = show_stream,
		.answer = answer_stream,
	};
	struct ctl_query *q = ctl_query_new(&ops, e->cores_n, 1);

	query_text(q, key);
	return q;
}

static void kick_stream(struct ctl_query *q, struct core *core, struct ctl_part *part)
{
	struct stream *s = find_here(q, core);

	if (!s)
		return;
	part->found = true;
	if (s->publisher)
		session_close(((struct publish *)s->publisher)->session, (enum reason)q->number);
	else if (stream_is_held(s) && stream_is_live(s))
		stream_end(s, core, (enum reason)q->number);
	stream_put(s, core);
}

static void answer_stream_kick(struct ctl_query *q, struct ctl_client *c)
{
	if (ctl_query_found(q) || q->number != REASON_KICKED)
		ctl_client_answer(c, q->id, NULL, -1);
	else
		not_found(q, c, "stream");
}

struct ctl_query *ctl_ask_stream_kick(struct engine *e, const char *key, enum reason why)
{
	static const struct ctl_query_ops ops = {
		.work = kick_stream,
		.answer = answer_stream_kick,
	};
	struct ctl_query *q = ctl_query_new(&ops, e->cores_n, 0);

	if (q)
		q->number = why;
	query_text(q, key);
	return q;
}

/* ---- viewers --------------------------------------------------------------------------------- */

/* Pushes are fed from a log too, but are listed as pushes. */
static bool is_viewer(const struct session *s)
{
	return s->feed && s->feed->viewer.stream && s->feed->ops->role == FEED_VIEWER;
}

static void each_viewer(void *arg, struct session *s)
{
	struct ctl_part *part = arg;
	const struct viewer *v;
	struct viewer_row *row;

	if (!is_viewer(s))
		return;
	v = &s->feed->viewer;
	if (part->query->text[0] && strcmp(part->query->text, v->stream->key) != 0)
		return;
	row = ctl_part_row(part);
	if (!row)
		return;
	session_id_text(row->id, s);
	snprintf(row->key, sizeof(row->key), "%s", v->stream->key);
	snprintf(row->protocol, sizeof(row->protocol), "%s", s->protocol);
	row->core = s->core->id;
	row->since_wall_ms = clock_wall_ms() - (s->core->now_us - s->since_us) / 1000;
	if (s->conn) {
		net_addr_text(row->address, &s->conn->peer);
		row->bytes = s->conn->bytes_out;
	}
	if (s->feed->active) {
		row->lag_ms = cursor_lag_us(&v->cursor, s->core->now_us) / 1000;
		row->skips = v->cursor.skips;
	}
}

static void list_viewers(struct ctl_query *q, struct core *core, struct ctl_part *part)
{
	sessions_each(core, each_viewer, part);
}

static json_t *viewer_json(const struct viewer_row *row)
{
	return json_pack("{s:s, s:o, s:s, s:s, s:I, s:i, s:I, s:I, s:I}", "id", row->id, "stream",
			 ctl_text(row->key), "protocol", row->protocol, "address", row->address,
			 "since", (json_int_t)row->since_wall_ms, "core", (int)row->core, "bytes",
			 (json_int_t)row->bytes, "lag_ms", (json_int_t)row->lag_ms, "skips",
			 (json_int_t)row->skips);
}

static void answer_viewers(struct ctl_query *q, struct ctl_client *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < q->parts_n; i++) {
		const struct viewer_row *rows = (const struct viewer_row *)q->part[i].rows;

		for (unsigned k = 0; k < q->part[i].rows_n && json_array_size(list) < q->rows_max;
		     k++)
			json_array_append_new(list, viewer_json(&rows[k]));
	}
	ctl_client_list(c, q->id, "viewers", list);
}

struct ctl_query *ctl_ask_viewers(struct engine *e, const char *key, unsigned limit)
{
	static const struct ctl_query_ops ops = {
		.row_bytes = sizeof(struct viewer_row),
		.work = list_viewers,
		.answer = answer_viewers,
	};
	struct ctl_query *q = ctl_query_new(&ops, e->cores_n, limit);

	query_text(q, key);
	return q;
}

static void each_to_kick(void *arg, struct session *s)
{
	struct ctl_part *part = arg;

	if (s->id != part->query->number || !is_viewer(s))
		return;
	part->found = true;
	session_close(s, REASON_KICKED);
}

static void kick_viewer(struct ctl_query *q, struct core *core, struct ctl_part *part)
{
	sessions_each(core, each_to_kick, part);
}

static void answer_viewer_kick(struct ctl_query *q, struct ctl_client *c)
{
	if (ctl_query_found(q))
		ctl_client_answer(c, q->id, NULL, -1);
	else
		not_found(q, c, "viewer");
}

struct ctl_query *ctl_ask_viewer_kick(uint64_t id)
{
	static const struct ctl_query_ops ops = {
		.work = kick_viewer,
		.answer = answer_viewer_kick,
	};
	struct ctl_query *q = ctl_query_new(&ops, 1, 0);

	if (q)
		q->number = id;
	return q;
}

/* ---- drain ----------------------------------------------------------------------------------- */

static void drain(struct ctl_query *q, struct core *core, struct ctl_part *part)
{
	sessions_drain(core, q->flag);
}

static void answer_done(struct ctl_query *q, struct ctl_client *c)
{
	ctl_client_answer(c, q->id, NULL, -1);
}

struct ctl_query *ctl_ask_drain(struct engine *e, bool on)
{
	static const struct ctl_query_ops ops = {
		.work = drain,
		.answer = answer_done,
	};
	struct ctl_query *q = ctl_query_new(&ops, e->cores_n, 0);

	if (q)
		q->flag = on;
	return q;
}
