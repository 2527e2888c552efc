/* SPDX-License-Identifier: Apache-2.0 */
#include "session/rtmp_server.h"

#include <stdio.h>

#include "base/check.h"
#include "media/amf0.h"
#include "media/rtmp_out.h"
#include "session/wanted.h"

/* ---- what comes before, between and after the log ---- */

static void headers(struct feed *f, const struct stream_headers *h, const struct wlog_key *key,
		    bool first)
{
	(void)first;
	feed_put_headers(f, h, key);
}

/* The log ends at a message boundary, so a player can be told why; otherwise it only sees the end. */
static void over(struct feed *f, enum reason why)
{
	struct session *s = f->session;
	struct rtmp_server *r = rtmp_server_of(s);

	feed_stop(f);
	if (why != REASON_STREAM_ENDED) {
		session_close(s, why);
		return;
	}
	rtmp_out_user_control(session_sink(s), RTMP_UC_STREAM_EOF, RTMP_MSID);
	rtmp_status(r, r->msid, "status", "NetStream.Play.UnpublishNotify", "the stream has ended");
	rtmp_status(r, r->msid, "status", "NetStream.Play.Stop", "the stream has ended");
	session_close_after_flush(s, why);
}

static const struct feed_ops play_ops = {
	.headers = headers,
	.over = over,
};

/* Old players show nothing unless they are told that they may look at the samples. */
static void sample_access(struct rtmp_server *r)
{
	uint8_t text[64];
	struct wr w = wr_of(text, sizeof(text));
	struct msg m = {.type = MSG_DATA, .stream_id = RTMP_MSID, .data = text};

	amf0_cstring(&w, "|RtmpSampleAccess");
	amf0_bool(&w, true);
	amf0_bool(&w, true);
	m.len = (uint32_t)wr_len(&w);
	rtmp_out_msg(session_sink(&r->session), &m, r->chunk_size);
}

static void prefix(struct rtmp_server *r, uint32_t msid)
{
	rtmp_out_user_control(session_sink(&r->session), RTMP_UC_STREAM_BEGIN, RTMP_MSID);
	rtmp_status(r, msid, "status", "NetStream.Play.Reset", "playing and resetting");
	rtmp_status(r, msid, "status", "NetStream.Play.Start", "playing");
	sample_access(r);
}

/* ---- play ---- */

static void not_found(struct rtmp_server *r)
{
	rtmp_refuse(r, r->msid, "NetStream.Play.StreamNotFound", "no such stream is live",
		    REASON_STREAM_NOT_FOUND);
}

static void begin(struct rtmp_server *r, struct stream *stream)
{
	struct session *s = &r->session;
	size_t before = s->out.n;
	enum reason why;

	prefix(r, r->msid);
	rtmp_server_part(r, RTMP_VIEWER);
	rtmp_server_set_phase(r, RTMP_PLAYING);
	if (!r->reconnects) /* else drain needs it */
		rtmp_connect_free(r);
	why = feed_start_late(&r->feed, s, stream, stream_log_kind(WIRE_RTMP, r->variant),
			      (enum tick_class)r->auth.tick, r->auth.late, &play_ops);
	if (why != REASON_NONE) {
		s->out.n = before; /* nothing starts after all */
		rtmp_refuse(r, r->msid, "NetStream.Play.Failed",
			    why == REASON_OVERLOAD ? "server is full" : reason_help(why), why);
		return;
	}
	auth_viewer(&r->auth, s);
}

/* The stream has come; it may have gone again as well. */
static void appeared(struct waiting *w)
{
	struct rtmp_server *r = container_of(w, struct rtmp_server, waiting);
	struct session *s = &r->session;
	struct stream *stream = stream_find(s->core->engine->registry, s->about);

	rtmp_server_part(r, RTMP_NO_PART);
	if (stream) {
		begin(r, stream);
		stream_put(stream, s->core);
	} else {
		not_found(r);
	}
	session_flush(s);
}

static void end_waiting(struct rtmp_server *r)
{
	if (r->part != RTMP_WAITER)
		return;
	waiting_end(&r->waiting, r->session.core);
	rtmp_server_part(r, RTMP_NO_PART);
}

void rtmp_play_give_up(struct rtmp_server *r)
{
	struct core *c = r->session.core;

	if (r->auth.triggered)
		wanted_in_vain(c, r->session.about, r->auth.pull_negative_ms);
	end_waiting(r);
	not_found(r);
}

/* True: there may be something to wait for, and room to. */
static bool wait_for_it(struct rtmp_server *r)
{
	struct session *s = &r->session;
	int64_t wait_ms =
		r->auth.triggered ? r->auth.pull_wait_ms : engine_conf(s->core->engine)->play_wait;

	if (!wait_ms || !s->about)
		return false;
	rtmp_server_part(r, RTMP_WAITER);
	if (!waiting_begin(&r->waiting, s->core, WAITING_FOR_STREAM, s->about, appeared)) {
		rtmp_server_part(r, RTMP_NO_PART);
		return false;
	}
	rtmp_server_set_phase(r, RTMP_ASKING);
	session_deadline(s, (uint64_t)wait_ms, REASON_STREAM_NOT_FOUND);
	return true;
}

/* It is allowed; key is what the session is described by. */
static void go(struct rtmp_server *r, const struct stream_name *name, const char *key)
{
	struct session *s = &r->session;
	struct registry *streams = s->core->engine->registry;
	struct stream *stream = stream_find(streams, key);

	path_asked(s);
	if (!stream && r->auth.triggered && !wanted(s->core, key, name)) {
		not_found(r);
		return;
	}
	if (!stream && wait_for_it(r))
		stream = stream_find(streams, key); /* it may have come just before */
	if (stream) {
		end_waiting(r);
		begin(r, stream);
		stream_put(stream, s->core);
	} else if (r->part != RTMP_WAITER) {
		not_found(r);
	}
}

static void refuse(struct rtmp_server *r, enum reason why)
{
	rtmp_refuse(r, r->msid, "NetStream.Play.Failed", reason_help(why), why);
}

static void allowed(struct auth *a, const struct stream_name *name, enum reason why)
{
	struct rtmp_server *r = container_of(a, struct rtmp_server, auth);
	const char *key = r->session.about; /* the domain may be another by now */

	if (why == REASON_NONE && !key)
		why = REASON_NO_MEMORY;
	if (why == REASON_NONE)
		go(r, name, key);
	else
		refuse(r, why);
	session_flush(&r->session);
}

void rtmp_play(struct rtmp_server *r, const struct rtmp_cmd *cmd, uint32_t msid)
{
	struct auth_request ask = {.kind = AUTH_PLAY};
	struct stream_name name;
	char key[STREAM_KEY_MAX], text[128];
	const char *field, *rule;
	enum reason why;
	unsigned variant;

	if (r->phase != RTMP_READY) {
		rtmp_status(r, msid, "error", "NetStream.Play.Failed",
			    "this connection already publishes or plays a stream");
		return;
	}
	if (rtmp_stream_name(r, cmd->stream, &name, &rule) != REASON_NONE) {
		rtmp_refuse(r, msid, "NetStream.Play.StreamNotFound", rule, REASON_BAD_NAME);
		return;
	}
	if (variant_of_params(name.params, &variant, &field, &rule)) {
		snprintf(text, sizeof(text), "%s: %s", field, rule);
		rtmp_refuse(r, msid, "NetStream.Play.Failed", text, REASON_BAD_PARAMETER);
		return;
	}
	r->variant = (uint8_t)variant;
	r->msid = msid;
	ask.name = &name;
	why = auth_check(&r->auth, &r->session, &ask, key, allowed);
	if (why != REASON_NONE)
		refuse(r, why);
	else if (auth_is_pending(&r->auth))
		rtmp_server_wait(r);
	else
		go(r, &name, key);
}
