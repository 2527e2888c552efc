/* SPDX-License-Identifier: Apache-2.0 */
/* An RTMP push: publishes a local stream at a remote server, fed from the log like a player. */
#include <string.h>

#include "base/check.h"
#include "core/stream.h"
#include "media/codec.h"
#include "media/rtmp_out.h"
#include "session/feed.h"
#include "session/push_rewrite.h"
#include "session/rtmp_client.h"

#define START_WATCH_MS 50 /* until it runs */
#define WATCH_MS       500
/* A server that lets nobody in takes media for a moment before it closes (interop P3). */
#define STEADY_US 400000u

struct push_rtmp {
	struct rtmp_client client;
	struct feed feed;
	struct push_rewrite rewrite;
	uint64_t start_off;   /* in the log, where the destination began */
	uint64_t accepted_us; /* when media was accepted first; 0: not yet */
	/* when last looked */
	uint64_t bytes; /* sent to the destination */
	uint64_t
		counted; /* messages before this offset were counted; WLOG_NONE: find one to go on at */
	uint32_t skips;
	bool fed, running;
};

static struct push_rtmp *of(struct session *s)
{
	return (struct push_rtmp *)s;
}

/* ---- what the log's bytes need on their way -------------------------------------------------- */

static void put_metadata(struct push_rtmp *p, const struct msg *m, struct slice payload)
{
	struct session *s = &p->client.base.session;
	size_t room = payload.n + 32; /* the wrapper's name */
	uint8_t *wrapped = mem_resize(&s->mem, NULL, 0, room);
	struct msg out = *m;
	struct wr w;

	/* Without it the destination still has all media. */
	if (!wrapped)
		return;
	w = wr_of(wrapped, room);
	codec_metadata_for_servers(payload, &w);
	out.data = wrapped;
	out.len = (uint32_t)wr_len(&w);
	if (!w.bad)
		rtmp_out_msg(session_sink(s), &out, p->client.chunk);
	mem_free(&s->mem, wrapped, room);
}

/* Sequence headers and @setDataFrame metadata (interop C9), at the key frame's time. */
static void headers(struct feed *f, const struct stream_headers *h, const struct wlog_key *key,
		    bool first)
{
	struct push_rtmp *p = container_of(f, struct push_rtmp, feed);

	if (first) {
		p->start_off = key->off;
		p->counted = key->off;
	}
	for (unsigned i = 0; h && i < h->n; i++) {
		struct msg m = {
			.type = h->msg[i].type,
			.stream_id = p->client.stream_id,
			.ts_ms = key->ts_ms,
			.len = h->msg[i].len,
			.data = h->data + h->msg[i].off,
		};
		struct slice payload;

		if (m.type == MSG_DATA && codec_data(&m, &payload) == DATA_METADATA)
			put_metadata(p, &m, payload);
		else
			rtmp_out_msg(session_sink(&p->client.base.session), &m, p->client.chunk);
	}
}

static void rewrite(struct feed *f, struct buf *to, const struct slice *s, unsigned n)
{
	struct push_rtmp *p = container_of(f, struct push_rtmp, feed);

	push_rewrite(&p->rewrite, f->viewer.cursor.log, f->viewer.cursor.sent, to, s, n);
}

/* ---- watching -------------------------------------------------------------------------------- */

/* The log tells no count: messages are found by their headers, and again after a skip. */
static uint64_t count_messages(struct push_rtmp *p)
{
	const struct cursor *c = &p->feed.viewer.cursor;

	if (!p->feed.viewer.stream || !p->feed.got_first)
		return 0;
	if (c->skips != p->skips || p->counted < wlog_tail(c->log))
		p->counted = WLOG_NONE;
	p->skips = c->skips;
	if (p->counted == WLOG_NONE)
		p->counted = wlog_boundary(c->log, c->sent);
	return p->counted == WLOG_NONE ? 0 : push_messages(c->log, &p->counted, c->sent);
}

/* Media went out, and the destination has kept the connection for a while since. */
static bool is_steady(struct push_rtmp *p)
{
	uint64_t now_us = p->client.base.session.core->now_us;

	if (!p->accepted_us && p->feed.got_first && p->feed.viewer.cursor.sent > p->start_off)
		p->accepted_us = now_us;
	return p->accepted_us && now_us - p->accepted_us >= STEADY_US;
}

static void report(struct push_rtmp *p)
{
	struct shm_relay *shm = p->client.base.leg->shm;
	struct session *s = &p->client.base.session;
	uint64_t sent = s->conn->bytes_out;

	if (sent != p->bytes)
		shm_set(&shm->last_media_us, s->core->now_us);
	shm_add(&shm->bytes, sent - p->bytes);
	p->bytes = sent;
	shm_add(&shm->messages, count_messages(p));
	shm_set(&shm->skips, p->feed.viewer.cursor.skips);
	if (!p->running && is_steady(p)) {
		p->running = true;
		leg_running(p->client.base.leg);
	}
}

/* ---- the feed -------------------------------------------------------------------------------- */

/* Tells the server that the stream is over, as encoders do. */
static void say_goodbye(struct push_rtmp *p)
{
	struct rtmp_client *c = &p->client;
	uint8_t buf[RTMP_CLIENT_COMMAND_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	char stream[2048];

	if (rtmp_client_stream(c, stream) == REASON_NONE) {
		rtmp_cmd_call(&w, "FCUnpublish", rtmp_client_call(c), stream);
		rtmp_client_send(c, &w, 0);
	}
	w = wr_of(buf, sizeof(buf));
	rtmp_cmd_delete_stream(&w, rtmp_client_call(c), c->stream_id);
	rtmp_client_send(c, &w, 0);
}

static void over(struct feed *f, enum reason why)
{
	struct push_rtmp *p = container_of(f, struct push_rtmp, feed);
	struct session *s = &p->client.base.session;
	bool ended = f->viewer.stream && !stream_is_live(f->viewer.stream);

	if (!ended) {
		session_close(s, why);
		return;
	}
	report(p);
	feed_stop(f);
	if (s->close_when_sent) { /* removed: what is left to say goes out without the log now */
		session_flush(s);
		return;
	}
	say_goodbye(p);
	session_close_after_flush(s, REASON_SOURCE_LOST);
}

static void leave(struct leg_session *ls)
{
	struct push_rtmp *p = of(&ls->session);

	if (p->client.stage == RTMP_C_STARTED && !ls->session.close_when_sent)
		say_goodbye(p);
	session_close_after_flush(&ls->session, REASON_REMOVED);
}

static const struct feed_ops plain_ops = {
	.role = FEED_PUSH,
	.headers = headers,
	.over = over,
};

static const struct feed_ops rewriting_ops = {
	.role = FEED_PUSH,
	.headers = headers,
	.over = over,
	.rewrite = rewrite,
};

static enum reason feed_from_stream(struct push_rtmp *p)
{
	struct leg *leg = p->client.base.leg;
	struct engine *e = leg->core->engine;
	struct stream *s = stream_find(e->registry, leg->stream);
	int tick = tick_class_of(engine_conf(e)->play_tick);
	enum reason why;

	if (!s)
		return REASON_SOURCE_LOST;
	p->rewrite.stream_id = p->client.stream_id;
	why = feed_start(&p->feed, &p->client.base.session, s, WIRE_RTMP,
			 tick < 0 ? TICK_NORMAL : (enum tick_class)tick,
			 p->client.stream_id == PUSH_LOG_STREAM_ID ? &plain_ops : &rewriting_ops);
	stream_put(s, leg->core);
	return why;
}

/* ---- the client's role ----------------------------------------------------------------------- */

static void accepted(struct rtmp_client *c, const char *stream)
{
	static const char *const calls[] = {"releaseStream", "FCPublish"};
	uint8_t buf[RTMP_CLIENT_COMMAND_MAX];

	rtmp_client_set_chunk(c);
	for (size_t i = 0; i < array_len(calls); i++) {
		struct wr w = wr_of(buf, sizeof(buf));

		rtmp_cmd_call(&w, calls[i], rtmp_client_call(c), stream);
		rtmp_client_send(c, &w, 0);
	}
}

static void created(struct rtmp_client *c, const char *stream)
{
	uint8_t buf[RTMP_CLIENT_COMMAND_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	if (!relay_push_left_ms(c->base.session.core->now_us)) {
		session_close(&c->base.session, REASON_LEASE_LOST);
		return;
	}
	rtmp_cmd_publish(&w, rtmp_client_call(c), stream);
	rtmp_client_send(c, &w, c->stream_id);
}

static enum reason status(struct rtmp_client *c, struct slice code)
{
	static const char start[] = "NetStream.Publish.Start";
	struct push_rtmp *p = of(&c->base.session);

	if (p->fed || code.n != strlen(start) || memcmp(code.p, start, code.n) != 0)
		return REASON_NONE;
	p->fed = true;
	session_deadline(&c->base.session, START_WATCH_MS, REASON_SEND_STALLED);
	return feed_from_stream(p);
}

static const struct rtmp_role role = {
	.publish = true,
	.accepted = accepted,
	.created = created,
	.status = status,
};

/* ---- the session ----------------------------------------------------------------------------- */

static enum reason deadline(struct session *s)
{
	struct push_rtmp *p = of(s);
	uint64_t left_ms = relay_push_left_ms(s->core->now_us);

	if (!p->fed)
		return (enum reason)s->deadline_why;
	if (!left_ms)
		return REASON_LEASE_LOST;
	report(p);
	/* Timers fire before sends: a process that was stopped sends nothing after the lease. */
	left_ms = min_of(left_ms, p->running ? WATCH_MS : START_WATCH_MS);
	session_deadline(s, left_ms, REASON_SEND_STALLED);
	return REASON_NONE;
}

static void ending(struct session *s, enum reason why)
{
	struct push_rtmp *p = of(s);

	if (p->fed && p->client.base.leg) {
		report(p);
		if (!p->running && (why == REASON_PEER_CLOSED || why == REASON_PEER_RESET))
			leg_say(p->client.base.leg, "closed soon after it had accepted publish",
				(struct slice){NULL, 0});
	}
	feed_stop(&p->feed);
	leg_ended(&p->client.base, why);
}

static const struct session_ops ops = {
	.protocol = "rtmp-push",
	.bytes = sizeof(struct push_rtmp),
	.received = rtmp_client_received,
	.connected = rtmp_client_connected,
	.deadline = deadline,
	.ending = ending,
	.gone = rtmp_client_gone,
};

struct leg_session *push_rtmp_new(struct leg *leg)
{
	struct rtmp_client *c = rtmp_client_new(leg, &ops, &role);

	if (!c)
		return NULL;
	c->base.leave = leave;
	return &c->base;
}
