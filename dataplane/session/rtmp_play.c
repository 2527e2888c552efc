/* SPDX-License-Identifier: Apache-2.0 */
#include "session/rtmp_server.h"

#include "media/amf0.h"
#include "media/rtmp_out.h"
#include "media/stream_name.h"

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

void rtmp_play(struct rtmp_server *r, const struct rtmp_cmd *cmd, uint32_t msid)
{
	static const char not_found[] = "NetStream.Play.StreamNotFound";
	struct session *s = &r->session;
	struct core *c = s->core;
	enum tick_class tick = (enum tick_class)tick_class_of(engine_conf(c->engine)->play_tick);
	char key[STREAM_KEY_MAX];
	struct stream *stream;
	const char *rule;
	enum reason why;
	size_t before;

	if (r->phase != RTMP_READY) {
		rtmp_status(r, msid, "error", "NetStream.Play.Failed",
			    "this connection already publishes or plays a stream");
		return;
	}
	if (rtmp_stream_key(r, cmd->stream, key, &rule) != REASON_NONE) {
		rtmp_refuse(r, msid, not_found, rule, REASON_BAD_NAME);
		return;
	}
	session_describe(s, key);
	stream = stream_find(c->engine->registry, key);
	if (!stream) {
		rtmp_refuse(r, msid, not_found, "no such stream is live", REASON_STREAM_NOT_FOUND);
		return;
	}
	r->msid = msid;
	before = s->out.n;
	prefix(r, msid);
	rtmp_server_set_phase(r, RTMP_PLAYING);
	rtmp_connect_free(r);
	why = feed_start(&r->feed, s, stream, WIRE_RTMP, tick, &play_ops);
	stream_put(stream, c);
	if (why != REASON_NONE) {
		s->out.n = before; /* nothing starts after all */
		rtmp_refuse(r, msid, "NetStream.Play.Failed", reason_help(why), why);
	}
}
