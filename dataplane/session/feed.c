/* SPDX-License-Identifier: Apache-2.0 */
#include "session/feed.h"

#include <stdlib.h>

#include "base/check.h"
#include "core/load.h"
#include "core/shm.h"
#include "media/wire.h"

/* The way to a log that is not open yet; outlives a feed that gives up waiting. */
struct feed_opening {
	struct stream_open open; /* with a reference of its stream */
	struct feed *feed;	 /* NULL: gave up */
};

static void set_state(struct feed *f, enum feed_state to)
{
	f->state = (uint8_t)to;
}

/* ---- being counted ---- */

static enum wire_format format_of(const struct feed *f)
{
	return stream_kind_format(f->kind);
}

static shm_u64 *audience_number(struct feed *f)
{
	struct shm_audience *shm = f->viewer.shm;
	shm_u64 *const numbers[WIRE_MAX] = {
		[WIRE_RTMP] = &shm->viewers_rtmp,
		[WIRE_FLV] = &shm->viewers_flv,
		[WIRE_WS] = &shm->viewers_ws,
	};

	return f->ops->role == FEED_PUSH ? &shm->pushes : numbers[format_of(f)];
}

static void count(struct feed *f, bool in)
{
	struct core *c = f->session->core;
	static const enum counter counters[WIRE_MAX] = {
		[WIRE_RTMP] = CTR_VIEWERS_RTMP,
		[WIRE_FLV] = CTR_VIEWERS_FLV,
		[WIRE_WS] = CTR_VIEWERS_WS,
	};
	uint64_t one = in ? 1 : (uint64_t)0 - 1;

	shm_add(audience_number(f), one);
	if (f->ops->role == FEED_VIEWER)
		core_count(c, counters[format_of(f)], one);
}

static enum shm_role role_of(const struct feed *f)
{
	static const enum shm_role roles[WIRE_MAX] = {
		[WIRE_RTMP] = ROLE_RTMP,
		[WIRE_FLV] = ROLE_FLV,
		[WIRE_WS] = ROLE_WS,
	};

	return f->ops->role == FEED_PUSH ? ROLE_PUSH : roles[format_of(f)];
}

static bool full(struct core *c, struct stream *s)
{
	int64_t max = engine_conf(c->engine)->limit_viewers, n = 0;

	if (!max)
		return false;
	for (unsigned i = 0; i < c->engine->cores_n; i++) {
		n += (int64_t)shm_viewers(shm_audience_of(c->engine->shm, s->shm, i));
	}
	return n >= max;
}

/* ---- what the fan-out asks ---- */

static struct feed *feed_of(struct viewer *v)
{
	return container_of(v, struct feed, viewer);
}

/* From its request, or its connection where it made none before, to the first media. */
static void count_join(struct feed *f)
{
	struct core *c = f->session->core;
	uint64_t us = c->now_us - f->session->path.since_us;

	f->got_media = true;
	if (f->ops->role != FEED_VIEWER || f->late.delay_s)
		return;
	shm_hist_add(&c->ctr->join, us, SHM_JOIN_SHIFT);
	shm_hist_add(&f->viewer.shm->join, us, SHM_JOIN_SHIFT);
}

static void on_send(struct viewer *v, const struct slice *s, unsigned n)
{
	struct feed *f = feed_of(v);
	struct buf *flight;
	struct slice copy;

	f->log_sending = true;
	if (!f->got_media)
		count_join(f);
	if (!f->ops->rewrite) {
		net_send(f->session->conn, s, n);
		return;
	}
	/* Nothing private is in flight now, so its buffer is free. */
	flight = session_flight(f->session);
	if (flight) {
		buf_reset(flight, FANOUT_SEND_MAX);
		f->ops->rewrite(f, flight, s, n);
	}
	if (!flight || flight->bad) { /* the viewer cannot be removed from here */
		session_close_soon(f->session, REASON_NO_MEMORY);
		return;
	}
	copy = (struct slice){flight->p, flight->n};
	net_send(f->session->conn, &copy, 1);
}

static bool on_placed(struct viewer *v, const struct wlog_key *key, bool first, uint64_t skipped)
{
	struct feed *f = feed_of(v);
	const struct stream_headers *h = stream_headers(v->stream);

	(void)skipped;
	if (first || (h && h->gen != v->cursor.headers)) {
		f->ops->headers(f, h, key, first);
		v->cursor.headers = h ? h->gen : 0;
	}
	f->got_first = true;
	if (!f->session->out.n && !f->session->sending)
		return false;
	set_state(f, FEED_PREFIX);
	session_flush_now(f->session);
	return true;
}

static void on_reached(struct viewer *v)
{
	struct feed *f = feed_of(v);

	set_state(f, FEED_RESTING);
	feed_flush(f);
}

static void on_over(struct viewer *v, enum reason why)
{
	struct feed *f = feed_of(v);

	f->ops->over(f, why);
}

static const struct viewer_ops viewer_ops = {
	.send = on_send,
	.placed = on_placed,
	.reached = on_reached,
	.over = on_over,
};

/* ---- joining and leaving ---- */

static enum reason begin(struct feed *f, struct wlog *log)
{
	uint64_t delay_us = f->late.delay_s * 1000000ull;
	struct viewer *v = &f->viewer;

	if (delay_us && !wlog_has_room(log, delay_us, v->core->now_us))
		return REASON_DELAY_MEMORY;
	cursor_init(&v->cursor, log, delay_us);
	v->cursor.start_s = f->late.start_s;
	f->active = true;
	set_state(f, FEED_LOG);
	if (viewer_add(v, f->tick)) {
		f->active = false;
		return REASON_NO_MEMORY;
	}
	/* Still waiting for a key frame: what was written for the join goes out now. */
	if (f->active)
		feed_flush(f);
	return REASON_NONE;
}

static void opened(struct mail *m, struct core *c)
{
	struct feed_opening *o = container_of(m, struct feed_opening, open.mail);
	struct stream *stream = o->open.stream;
	struct feed *f = o->feed;
	struct wlog *log = NULL;
	enum reason why;

	if (f) {
		f->opening = NULL;
		log = atomic_load_explicit(&stream->log[f->kind], memory_order_acquire);
		why = log		       ? begin(f, log)
		      : stream_is_live(stream) ? REASON_NO_MEMORY
					       : REASON_STREAM_ENDED;
		if (why != REASON_NONE)
			f->ops->over(f, why);
	}
	stream_put(stream, c);
	free(o);
}

/* Asks the home core for the format's log. */
static enum reason ask(struct feed *f)
{
	struct core *c = f->session->core;
	struct feed_opening *o = calloc(1, sizeof(*o));
	struct wlog *log;

	if (!o)
		return REASON_NO_MEMORY;
	c->allocs++;
	o->feed = f;
	o->open.mail.run = opened;
	o->open.stream = stream_get(f->viewer.stream);
	o->open.core = c;
	o->open.kind = f->kind;
	f->opening = &o->open;
	log = stream_log(f->viewer.stream, c, f->kind, &o->open);
	if (!log)
		return REASON_NONE;
	f->opening = NULL;
	stream_put(o->open.stream, c);
	free(o);
	return begin(f, log);
}

enum reason feed_start(struct feed *f, struct session *session, struct stream *s, unsigned kind,
		       enum tick_class tick, const struct feed_ops *ops)
{
	return feed_start_late(f, session, s, kind, tick, (struct feed_late){0}, ops);
}

enum reason feed_start_late(struct feed *f, struct session *session, struct stream *s,
			    unsigned kind, enum tick_class tick, struct feed_late late,
			    const struct feed_ops *ops)
{
	struct core *c = session->core;
	struct wlog *log;
	enum reason why;

	if (ops->role == FEED_VIEWER && c->load == LOAD_FULL)
		return REASON_OVERLOAD;
	if (ops->role == FEED_VIEWER && full(c, s))
		return REASON_CAP_VIEWERS;
	*f = (struct feed){.session = session, .ops = ops, .tick = tick, .late = late};
	f->kind = (uint8_t)stream_log_kind(stream_kind_format(kind),
					   stream_variant(s, stream_kind_variant(kind)));
	f->viewer.stream = stream_get(s);
	f->viewer.ops = &viewer_ops;
	f->viewer.core = c;
	f->viewer.shm = shm_audience_of(c->engine->shm, s->shm, c->id);
	session->feed = f;
	path_role(session, s, role_of(f));
	count(f, true);
	log = atomic_load_explicit(&s->log[f->kind], memory_order_acquire);
	why = log ? begin(f, log) : ask(f);
	if (why != REASON_NONE)
		feed_stop(f);
	return why;
}

void feed_stop(struct feed *f)
{
	struct stream *stream = f->viewer.stream;

	if (!stream)
		return;
	if (f->opening) {
		container_of(f->opening, struct feed_opening, open)->feed = NULL;
		f->opening = NULL;
	}
	if (f->active)
		viewer_remove(&f->viewer);
	f->active = false;
	f->log_sending = false;
	count(f, false);
	f->viewer.stream = NULL;
	f->session->feed = NULL;
	stream_put(stream, f->session->core);
}

/*
 * Headers of what does not come are left out: a player that got one would wait (interop M11). They
 * will be in the log before what they belong to.
 */
static bool is_needed(const struct feed *f, uint8_t type, const struct wlog_key *key)
{
	const struct stream *s = f->viewer.stream;
	uint8_t other = type == MSG_AUDIO ? MSG_VIDEO : MSG_AUDIO;

	return type == MSG_DATA || stream_flows(s, type, key->at_us) ||
	       !stream_flows(s, other, key->at_us);
}

void feed_put_headers(struct feed *f, const struct stream_headers *h, const struct wlog_key *key)
{
	unsigned variant = stream_kind_variant(f->kind);
	struct buf room;

	buf_init(&room, &f->session->mem);
	for (unsigned i = 0; h && i < h->n; i++) {
		/* Metadata has no time of its own: ffmpeg takes it for captions where it is not 0. */
		struct msg m = {
			.type = h->msg[i].type,
			.ts_ms = h->msg[i].type == MSG_DATA ? 0 : key->ts_ms,
			.len = h->msg[i].len,
			.data = h->data + h->msg[i].off,
		};
		struct msg converted;
		enum convert how = CONVERT_LEAVE_OUT;

		if (is_needed(f, m.type, key))
			how = convert_msg(variant, &m, &room, &converted);
		if (how != CONVERT_LEAVE_OUT)
			wire_of(format_of(f))
				->put(session_sink(f->session),
				      how == CONVERT_DONE ? &converted : &m);
	}
	buf_fini(&room);
}

/* ---- private bytes and the player's pause ---- */

static void land(struct feed *f)
{
	set_state(f, FEED_LANDING);
	viewer_pause(&f->viewer);
}

/* While the log waits for private bytes the fan-out leaves the viewer alone, but sees a stall. */
static void hold(struct feed *f)
{
	if (f->viewer.held)
		return;
	f->viewer.held = true;
	f->viewer.busy_since_us = f->session->core->now_us;
}

static void release(struct feed *f)
{
	f->viewer.held = false;
	f->viewer.busy_since_us = 0;
}

/* Private bytes are all out, or there were none: the log may go on. */
static void go_on(struct feed *f)
{
	bool at_key = f->resume_at_key;

	if (f->state == FEED_PREFIX) {
		set_state(f, FEED_LOG);
		if (f->paused)
			land(f);
		viewer_kick(&f->viewer);
	} else if (f->state == FEED_RESTING) {
		release(f);
		if (f->paused)
			return;
		set_state(f, FEED_LOG);
		f->resume_at_key = false;
		viewer_resume(&f->viewer, at_key);
	}
}

void feed_flush(struct feed *f)
{
	struct session *s = f->session;

	if (f->state == FEED_LOG && (s->out.n || s->sending))
		land(f);
	if (f->state == FEED_RESTING && (s->out.n || s->sending))
		hold(f);
	if (s->sending || f->state == FEED_LANDING || f->state == FEED_LOG)
		return;
	if (s->out.n)
		session_flush_now(s);
	else
		go_on(f);
}

void feed_pause(struct feed *f, bool on)
{
	if (f->paused == on)
		return;
	f->paused = on;
	if (!f->active)
		return;
	if (!on)
		f->resume_at_key = true;
	if (on && f->state == FEED_LOG)
		land(f);
	else
		feed_flush(f);
}

/* ---- the network's answers for log bytes ---- */

void feed_sent(struct feed *f, size_t n, bool blocked)
{
	/* The copy is done with, taken or not; private output must not find it in its buffer. */
	if (f->ops->rewrite && f->session->flight)
		buf_reset(f->session->flight, FANOUT_SEND_MAX);
	if (blocked) { /* log_sending stays: `writable` is for the log */
		viewer_blocked(&f->viewer, (uint32_t)n);
		return;
	}
	f->log_sending = false;
	viewer_sent(&f->viewer, (uint32_t)n);
}

void feed_writable(struct feed *f)
{
	f->log_sending = false;
	viewer_kick(&f->viewer);
}
