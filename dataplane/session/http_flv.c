/* SPDX-License-Identifier: Apache-2.0 */
#include "session/http_server.h"

#include "media/flv.h"
#include "session/domain.h"

/*
 * What the file header promises: a player waits for ever for a kind that is promised and does not
 * come (interop M10, M12), so it is what the publisher has sent so far; both if nothing came yet.
 */
static void put_file_header(struct feed *f, const struct stream_headers *h)
{
	const struct shm_stream *shm = f->viewer.stream->shm;
	bool audio = shm_get(&shm->audio_codec) != 0, video = shm_get(&shm->video_codec) != 0;
	struct sink *out = session_sink(f->session);
	uint8_t head[FLV_HEADER_BYTES];

	for (unsigned i = 0; h && i < h->n; i++) {
		audio = audio || h->msg[i].type == MSG_AUDIO;
		video = video || h->msg[i].type == MSG_VIDEO;
	}
	flv_header(head, audio || !video, video || !audio);
	out->write(out, head, sizeof(head));
}

static void headers(struct feed *f, const struct stream_headers *h, const struct wlog_key *key,
		    bool first)
{
	if (first)
		put_file_header(f, h);
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

static enum reason begin(struct http_server *h, struct stream *stream)
{
	struct session *s = &h->session;
	const char *tick = engine_conf(s->core->engine)->play_tick;

	http_put_head(h, 200, "Content-Type: video/x-flv\r\nX-Accel-Buffering: no\r\n\r\n");
	if (h->head_only) {
		h->phase = HTTP_ANSWERED;
		session_close_after_flush(s, REASON_ANSWERED);
		return REASON_NONE;
	}
	h->phase = HTTP_PLAYING;
	session_deadline(s, 0, REASON_NONE); /* from now on the fan-out watches */
	return feed_start(&h->feed, s, stream, WIRE_FLV, (enum tick_class)tick_class_of(tick),
			  &flv_ops);
}

void http_flv(struct http_server *h, const struct stream_name *name)
{
	struct session *s = &h->session;
	struct core *c = s->core;
	char key[STREAM_KEY_MAX];
	struct stream *stream = stream_find(c->engine->registry, domain_stream_key(key, name));
	enum reason why;

	session_describe(s, key);
	if (!stream) {
		http_answer(h, 404, "", "no such stream is live", REASON_STREAM_NOT_FOUND);
		return;
	}
	why = begin(h, stream);
	stream_put(stream, c);
	if (why != REASON_NONE) {
		s->out.n = 0; /* nothing starts after all */
		http_answer(h, 503, "", reason_help(why), why);
	}
}
