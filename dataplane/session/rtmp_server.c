/* SPDX-License-Identifier: Apache-2.0 */
#include "session/rtmp_server.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "media/rtmp_out.h"
#include "media/wire.h"
#include "session/elsewhere.h"

#define WINDOW_MIN	 32768u /* a peer that asks for more acknowledgements does not get them */
#define CHUNK_BEFORE_SET 128u	/* RTMP specification 5.4.1 */
#define PLAYER_MESSAGE	 65536u /* longest message that a player may send */

/* With all that belongs to it a viewer is to cost a kilobyte (bench: memory). */
static_assert(sizeof(struct rtmp_server) <= 768, "twelve cache lines");

/* ---- deadlines ---- */

/* Why a publisher has to end; NONE: it is looked after again in time. */
static enum reason watch_publisher(struct rtmp_server *r)
{
	uint64_t next_ms, left_ms = auth_left_ms(&r->auth);
	enum reason why = publish_watch(&r->publish, &next_ms);

	if (why == REASON_NONE && auth_is_over(&r->auth))
		why = REASON_AUTH_EXPIRED;
	if (why == REASON_NONE)
		session_deadline(&r->session, left_ms ? min_of(next_ms, left_ms) : next_ms,
				 REASON_MEDIA_TIMEOUT);
	return why;
}

void rtmp_server_set_phase(struct rtmp_server *r, enum rtmp_phase to)
{
	const struct config *conf = engine_conf(r->session.core->engine);

	switch (to) {
	case RTMP_HANDSHAKE:
		session_deadline(&r->session, (uint64_t)conf->rtmp_handshake_timeout,
				 REASON_HANDSHAKE_TIMEOUT);
		break;
	case RTMP_READY: /* first time: the handshake's deadline goes on */
		if (r->phase == RTMP_PUBLISHING)
			session_deadline(&r->session, (uint64_t)conf->rtmp_handshake_timeout,
					 REASON_IDLE_TIMEOUT);
		break;
	case RTMP_ASKING: /* the deadline is whose asking it is */
		break;
	case RTMP_PUBLISHING:
		if (watch_publisher(r) != REASON_NONE) /* nearly over already: said in a moment */
			session_deadline(&r->session, 1, REASON_MEDIA_TIMEOUT);
		break;
	case RTMP_PLAYING: /* from now on the fan-out watches */
		r->in.message_max = PLAYER_MESSAGE;
		session_deadline(&r->session, 0, REASON_NONE);
		break;
	}
	r->phase = (uint8_t)to;
}

void rtmp_server_wait(struct rtmp_server *r)
{
	rtmp_server_set_phase(r, RTMP_ASKING);
	session_deadline(&r->session, 0, REASON_NONE);
}

static enum reason deadline(struct session *s)
{
	struct rtmp_server *r = rtmp_server_of(s);

	if (r->part == RTMP_WAITER) {
		rtmp_play_give_up(r);
		return REASON_NONE;
	}
	return r->phase == RTMP_PUBLISHING ? watch_publisher(r) : s->deadline_why;
}

/* ---- the handshake ---- */

static void opened(struct session *s)
{
	struct rtmp_server *r = rtmp_server_of(s);
	const struct config *conf = engine_conf(s->core->engine);

	r->window = (uint32_t)conf->rtmp_window;
	r->chunk_size = CHUNK_BEFORE_SET;
	rtmp_in_init(&r->in, &s->mem, (uint32_t)conf->limit_message,
		     (uint32_t)conf->limit_chunk_streams);
	rtmp_server_set_phase(r, RTMP_HANDSHAKE);
}

static void handshake_free(struct rtmp_server *r)
{
	if (r->hs)
		mem_free(&r->session.mem, r->hs, sizeof(*r->hs));
	r->hs = NULL;
}

static enum reason handshake_begin(struct rtmp_server *r, const uint8_t *p, size_t n)
{
	struct session *s = &r->session;
	uint8_t noise[RTMP_HS_HALF];
	char peer[NET_ADDR_TEXT];

	if (p[0] != 3) {
		log_info("not_rtmp", "peer=%s looks_like=%s", net_addr_text(peer, &s->conn->peer),
			 rtmp_hs_guess(p, n));
		return REASON_NOT_RTMP;
	}
	r->hs = mem_resize(&s->mem, NULL, 0, sizeof(*r->hs));
	if (!r->hs)
		return REASON_NO_MEMORY;
	if (getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise))
		return REASON_INTERNAL;
	rtmp_hs_server(r->hs, noise, (uint32_t)(s->core->now_us / 1000));
	return REASON_NONE;
}

/* As rtmp_hs_feed(). */
static int handshake(struct rtmp_server *r, const uint8_t *p, size_t n)
{
	enum reason why = r->hs ? REASON_NONE : handshake_begin(r, p, n);
	struct sink *out = session_sink(&r->session);
	int taken;

	if (why != REASON_NONE)
		return -(int)why;
	taken = rtmp_hs_feed(r->hs, p, n);
	if (taken < 0)
		return taken;
	if (r->hs->out_len) {
		out->write(out, r->hs->out, r->hs->out_len);
		r->hs->out_len = 0;
	}
	if (rtmp_hs_done(r->hs)) {
		handshake_free(r);
		rtmp_server_set_phase(r, RTMP_READY);
	}
	return taken;
}

/* ---- messages ---- */

static void odd(struct rtmp_server *r)
{
	core_count(r->session.core, CTR_ODD_MESSAGES, 1);
}

static void user_control(struct rtmp_server *r, const struct msg *m)
{
	if (m->len < 6) {
		odd(r);
		return;
	}
	if (get_be16(m->data) == RTMP_UC_PING_REQUEST)
		rtmp_out_user_control(session_sink(&r->session), RTMP_UC_PING_RESPONSE,
				      get_be32(m->data + 2));
}

/* Acknowledgements: the smaller of what the peer asked for and what we announced (interop T17). */
static void peer_window(struct rtmp_server *r, const struct msg *m)
{
	uint32_t ours = (uint32_t)engine_conf(r->session.core->engine)->rtmp_window, theirs;

	if (m->len < 4) {
		odd(r);
		return;
	}
	theirs = get_be32(m->data);
	r->window = theirs ? max_of(min_of(theirs, ours), WINDOW_MIN) : ours;
}

/* Media before publish, or on another message stream, is tolerated and counted (interop C6). */
static void media(struct rtmp_server *r, const struct msg *m)
{
	if (r->phase == RTMP_PUBLISHING && (m->stream_id == r->msid || m->stream_id == 0))
		publish_message(&r->publish, m);
	else
		odd(r);
}

static enum reason message(struct rtmp_server *r, const struct msg *m)
{
	switch (m->type) {
	case MSG_AUDIO:
	case MSG_VIDEO:
	case MSG_DATA:
	case MSG_DATA_AMF3:
	case MSG_AGGREGATE:
		media(r, m);
		break;
	case MSG_COMMAND:
	case MSG_COMMAND_AMF3:
		return rtmp_call(r, m);
	case MSG_USER_CONTROL:
		user_control(r, m);
		break;
	case MSG_WINDOW_ACK_SIZE:
		peer_window(r, m);
		break;
	case MSG_NONE:
	case MSG_SET_CHUNK_SIZE: /* obeyed by the reader */
	case MSG_ABORT:
	case MSG_ACK: /* our sending never waits for it (interop T16) */
	case MSG_SET_PEER_BANDWIDTH:
		break;
	default:
		odd(r);
	}
	return REASON_NONE;
}

/* As rtmp_in_feed(); *more: the reader may have another message although the input is used up. */
static int chunks(struct rtmp_server *r, const uint8_t *p, size_t n, bool *more)
{
	struct msg m;
	int taken = rtmp_in_feed(&r->in, p, n, &m);
	enum reason why;

	if (taken < 0)
		return taken;
	*more = m.type != MSG_NONE;
	why = message(r, &m);
	return why == REASON_NONE ? taken : -(int)why;
}

static void acknowledge(struct rtmp_server *r)
{
	uint64_t in = r->session.conn->bytes_in;

	if (r->phase == RTMP_HANDSHAKE || in - r->acked < r->window)
		return;
	r->acked = in;
	rtmp_out_u32(session_sink(&r->session), MSG_ACK, (uint32_t)in);
}

static enum reason received(struct session *s, const uint8_t *p, size_t n)
{
	struct rtmp_server *r = rtmp_server_of(s);
	bool more = false;

	while (n || more) {
		int taken =
			r->phase == RTMP_HANDSHAKE ? handshake(r, p, n) : chunks(r, p, n, &more);

		if (taken < 0)
			return (enum reason) - taken;
		if (s->closing || s->close_when_sent)
			return REASON_NONE;
		p += taken;
		n -= (size_t)taken;
	}
	if (r->part == RTMP_PUBLISHER)
		publish_flush(&r->publish);
	if (r->phase == RTMP_PLAYING)
		rtmp_in_trim(&r->in);
	acknowledge(r);
	session_flush(s);
	return REASON_NONE;
}

/* Publishers are told at once, players at the next message boundary, where the feed lets us. */
static void draining(struct session *s)
{
	const struct config *conf = engine_conf(s->core->engine);
	struct rtmp_server *r = rtmp_server_of(s);
	const struct rtmp_connect *c = r->connect;
	char to[ELSEWHERE_TC_URL_MAX];
	uint8_t text[sizeof(to) + 1024];
	struct wr w = wr_of(text, sizeof(text));

	if (!r->reconnects)
		return;
	if (*conf->drain_url)
		snprintf(to, sizeof(to), "%s", conf->drain_url);
	else
		elsewhere_rtmp(to, conf, s->tls, (struct slice){c->text, c->app_n},
			       (struct slice){c->text + c->app_n, c->tc_url_n});
	rtmp_cmd_reconnect(&w, to, "this server is going out of service");
	rtmp_answer(r, 0, &w);
	session_flush(s);
}

/* ---- the end ---- */

static void ending(struct session *s, enum reason why)
{
	struct rtmp_server *r = rtmp_server_of(s);

	switch ((enum rtmp_part)r->part) {
	case RTMP_NO_PART:
		break;
	case RTMP_PUBLISHER:
		publish_end(&r->publish, why);
		break;
	case RTMP_WAITER:
		waiting_end(&r->waiting, s->core);
		break;
	case RTMP_VIEWER:
		feed_stop(&r->feed);
		break;
	}
	auth_end(&r->auth, s, why);
}

static const struct auth *auth_of(struct session *s)
{
	return &rtmp_server_of(s)->auth;
}

static void gone(struct session *s)
{
	struct rtmp_server *r = rtmp_server_of(s);

	if (r->phase == RTMP_HANDSHAKE)
		handshake_free(r);
	else
		rtmp_connect_free(r);
	rtmp_in_fini(&r->in);
}

const struct session_ops rtmp_server_ops = {
	.protocol = "rtmp",
	.bytes = sizeof(struct rtmp_server),
	.opened = opened,
	.received = received,
	.deadline = deadline,
	.auth = auth_of,
	.draining = draining,
	.ending = ending,
	.gone = gone,
};
