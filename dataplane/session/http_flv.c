/* SPDX-License-Identifier: Apache-2.0 */
#include "session/http_server.h"

#include <stdio.h>

#include "base/check.h"
#include "media/flv.h"
#include "session/wanted.h"

/*
 * What the file header promises: a player waits for ever for a kind that is promised and does not
 * come (interop M10-M12), so it is what really flows where the viewer begins; all that it may get
 * where nothing does yet.
 */
void http_flv_file_header(struct feed *f, const struct wlog_key *key, uint8_t dst[FLV_HEADER_BYTES])
{
	const struct stream *s = f->viewer.stream;
	unsigned variant = stream_kind_variant(f->kind);
	bool audio = variant_has(variant, MSG_AUDIO), video = variant_has(variant, MSG_VIDEO);
	bool sound = audio && stream_flows(s, MSG_AUDIO, key->at_us);
	bool pictures = video && stream_flows(s, MSG_VIDEO, key->at_us);

	flv_header(dst, sound || (!pictures && audio), pictures || (!sound && video));
}

static void headers(struct feed *f, const struct stream_headers *h, const struct wlog_key *key,
		    bool first)
{
	struct sink *out = session_sink(f->session);
	uint8_t file[FLV_HEADER_BYTES];

	if (first) {
		http_flv_file_header(f, key, file);
		out->write(out, file, sizeof(file));
	}
	feed_put_headers(f, h, key);
}

static void over(struct feed *f, enum reason why)
{
	session_close(f->session, why);
}

static const struct feed_ops flv_ops = {
	.headers = headers,
	.over = over,
};

/* A worker of our own that sends the stream on in another form: no audience, and never too many. */
static const struct feed_ops inner_ops = {
	.role = FEED_PUSH,
	.headers = headers,
	.over = over,
};

static const struct feed_ops *ops_of(const struct http_server *h)
{
	if (h->ws)
		return &ws_flv_feed_ops;
	return h->auth.inner ? &inner_ops : &flv_ops;
}

static enum reason begin(struct http_server *h, struct stream *stream)
{
	struct session *s = &h->session;
	enum reason why;

	if (h->ws)
		ws_flv_put_head(h);
	else
		http_put_head(h, 200, "Content-Type: video/x-flv\r\nX-Accel-Buffering: no\r\n\r\n");
	if (h->head_only) {
		h->phase = HTTP_ANSWERED;
		session_close_after_flush(s, REASON_ANSWERED);
		return REASON_NONE;
	}
	h->phase = HTTP_PLAYING;
	session_deadline(s, 0, REASON_NONE); /* from now on the fan-out watches */
	why = feed_start_late(&h->feed, s, stream,
			      stream_log_kind(h->ws ? WIRE_WS : WIRE_FLV, h->variant),
			      (enum tick_class)h->auth.tick, h->auth.late, ops_of(h));
	if (why == REASON_NONE)
		auth_viewer(&h->auth, s);
	return why;
}

static void play(struct http_server *h, struct stream *stream)
{
	struct session *s = &h->session;
	enum reason why = begin(h, stream);

	if (why == REASON_NONE)
		return;
	s->out.n = 0; /* nothing starts after all */
	http_answer(h, 503, why == REASON_OVERLOAD ? "Retry-After: 5\r\n" : "", reason_help(why),
		    why);
}

static void not_found(struct http_server *h)
{
	http_answer(h, 404, "", "no such stream is live", REASON_STREAM_NOT_FOUND);
}

/* The stream has come; it may have gone again as well. */
static void appeared(struct waiting *w)
{
	struct http_server *h = container_of(w, struct http_server, waiting);
	struct session *s = &h->session;
	struct stream *stream = stream_find(s->core->engine->registry, s->about);

	if (stream) {
		play(h, stream);
		stream_put(stream, s->core);
	} else {
		not_found(h);
	}
	session_flush(s);
}

void http_flv_give_up(struct http_server *h)
{
	struct core *c = h->session.core;

	if (h->auth.triggered)
		wanted_in_vain(c, h->session.about, h->auth.pull_negative_ms);
	waiting_end(&h->waiting, c);
	not_found(h);
}

/* True: there may be something to wait for, and room to. HEAD asks what is there now (interop H1). */
static bool wait_for_it(struct http_server *h)
{
	struct session *s = &h->session;
	int64_t wait_ms =
		h->auth.triggered ? h->auth.pull_wait_ms : engine_conf(s->core->engine)->play_wait;

	if (!wait_ms || h->head_only || !s->about ||
	    !waiting_begin(&h->waiting, s->core, WAITING_FOR_STREAM, s->about, appeared))
		return false;
	h->phase = HTTP_WAITING;
	session_deadline(s, (uint64_t)wait_ms, REASON_STREAM_NOT_FOUND);
	return true;
}

/* It is allowed; key is what the session is described by. HEAD triggers nothing (interop H1). */
static void go(struct http_server *h, const struct stream_name *name, const char *key)
{
	struct session *s = &h->session;
	struct registry *streams = s->core->engine->registry;
	struct stream *stream = stream_find(streams, key);

	path_asked(s);
	if (!stream && h->auth.triggered && !h->head_only && !wanted(s->core, key, name)) {
		not_found(h);
		return;
	}
	if (!stream && wait_for_it(h))
		stream = stream_find(streams, key); /* it may have come just before */
	if (stream) {
		waiting_end(&h->waiting, s->core);
		play(h, stream);
		stream_put(stream, s->core);
	} else if (!h->waiting.key) {
		not_found(h);
	}
}

static void refuse(struct http_server *h, enum reason why)
{
	http_answer(h, auth_http_status(why), "", reason_help(why), why);
}

static void allowed(struct auth *a, const struct stream_name *name, enum reason why)
{
	struct http_server *h = container_of(a, struct http_server, auth);
	const char *key = h->session.about; /* the domain may be another by now */

	if (why == REASON_NONE && !key)
		why = REASON_NO_MEMORY;
	if (why == REASON_NONE)
		go(h, name, key);
	else
		refuse(h, why);
	session_flush(&h->session);
}

void http_flv(struct http_server *h, const struct http_head *head, struct stream_name *name)
{
	struct auth_request ask = {
		.kind = AUTH_PLAY,
		.name = name,
		.path = http_path(head),
		.suffix = "flv",
		.referer = http_header_get(head, "Referer"),
	};
	char key[STREAM_KEY_MAX], text[128];
	const char *field, *rule;
	enum reason why;
	unsigned variant;

	if (variant_of_params(name->params, &variant, &field, &rule)) {
		snprintf(text, sizeof(text), "%s: %s", field, rule);
		http_answer(h, 400, "", text, REASON_BAD_PARAMETER);
		return;
	}
	h->variant = (uint8_t)variant;
	why = auth_check(&h->auth, &h->session, &ask, key, allowed);
	if (why != REASON_NONE) {
		refuse(h, why);
	} else if (auth_is_pending(&h->auth)) {
		h->phase = HTTP_WAITING;
		session_deadline(&h->session, 0, REASON_NONE); /* the question has its own */
	} else {
		go(h, name, key);
	}
}
