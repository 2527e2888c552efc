/* SPDX-License-Identifier: Apache-2.0 */
#include "session/rtmp_server.h"

#include <string.h>

#include "base/check.h"
#include "media/rtmp_out.h"
#include "media/wire.h"
#include "session/elsewhere.h"
#include "session/events.h"

#define ANSWER_MAX  1024
#define CONNECT_MAX 4096u /* app and tcUrl together */

/* ---- answers ---- */

void rtmp_answer(struct rtmp_server *r, uint32_t msid, const struct wr *w)
{
	struct msg m = {
		.type = MSG_COMMAND,
		.stream_id = msid,
		.len = (uint32_t)wr_len(w),
		.data = w->start,
	};

	must(!w->bad);
	rtmp_out_msg(session_sink(&r->session), &m, r->chunk_size);
}

void rtmp_status(struct rtmp_server *r, uint32_t msid, const char *level, const char *code,
		 const char *description)
{
	uint8_t text[ANSWER_MAX];
	struct wr w = wr_of(text, sizeof(text));

	rtmp_cmd_on_status(&w, level, code, description);
	rtmp_answer(r, msid, &w);
}

void rtmp_refuse(struct rtmp_server *r, uint32_t msid, const char *code, const char *description,
		 enum reason why)
{
	rtmp_status(r, msid, "error", code, description);
	session_close_after_flush(&r->session, why);
}

/* Every transaction gets its answer, unknown calls too: encoders wait for it (interop C1). */
static void answer_null(struct rtmp_server *r, const struct rtmp_cmd *cmd)
{
	uint8_t text[64];
	struct wr w = wr_of(text, sizeof(text));

	if (cmd->txn == 0)
		return;
	rtmp_cmd_result_null(&w, cmd->txn);
	rtmp_answer(r, 0, &w);
}

static void answer_number(struct rtmp_server *r, const struct rtmp_cmd *cmd, double value)
{
	uint8_t text[64];
	struct wr w = wr_of(text, sizeof(text));

	rtmp_cmd_result_number(&w, cmd->txn, value);
	rtmp_answer(r, 0, &w);
}

static void on_fc(struct rtmp_server *r, const char *name, const char *code)
{
	uint8_t text[ANSWER_MAX];
	struct wr w = wr_of(text, sizeof(text));

	rtmp_cmd_on_fc(&w, name, code, "");
	rtmp_answer(r, 0, &w);
}

/* ---- connect ---- */

void rtmp_connect_free(struct rtmp_server *r)
{
	if (r->connect)
		mem_free(&r->session.mem, r->connect,
			 sizeof(*r->connect) + r->connect->app_n + r->connect->tc_url_n);
	r->connect = NULL;
}

static enum reason connect_keep(struct rtmp_server *r, struct slice app, struct slice tc_url)
{
	struct rtmp_connect *c;

	if (app.n + tc_url.n > CONNECT_MAX)
		return REASON_BAD_COMMAND;
	rtmp_connect_free(r);
	c = mem_resize(&r->session.mem, NULL, 0, sizeof(*c) + app.n + tc_url.n);
	if (!c)
		return REASON_NO_MEMORY;
	c->app_n = (uint32_t)app.n;
	c->tc_url_n = (uint32_t)tc_url.n;
	if (app.n)
		memcpy(c->text, app.p, app.n);
	if (tc_url.n)
		memcpy(c->text + app.n, tc_url.p, tc_url.n);
	r->connect = c;
	return REASON_NONE;
}

/* This node drains: the client is told another one (interop C15). */
static void send_on(struct rtmp_server *r, const struct rtmp_cmd *connect)
{
	const struct config *conf = engine_conf(r->session.core->engine);
	char to[ELSEWHERE_TC_URL_MAX];
	uint8_t text[ELSEWHERE_TC_URL_MAX + ANSWER_MAX];
	struct wr w = wr_of(text, sizeof(text));

	elsewhere_rtmp(to, conf, r->session.tls, connect->app, connect->tc_url);
	if (to[0])
		rtmp_cmd_redirect(&w, connect->txn, to, reason_help(REASON_DRAIN));
	else
		rtmp_cmd_error(&w, connect->txn, "NetConnection.Connect.Rejected",
			       reason_help(REASON_DRAIN));
	rtmp_answer(r, 0, &w);
	session_close_after_flush(&r->session, REASON_DRAIN);
}

/* It came where a cap is reached. */
static void reject(struct rtmp_server *r, const struct rtmp_cmd *connect)
{
	enum reason why = r->session.refused;
	uint8_t text[ANSWER_MAX];
	struct wr w = wr_of(text, sizeof(text));

	rtmp_cmd_error(&w, connect->txn, "NetConnection.Connect.Rejected", reason_help(why));
	rtmp_answer(r, 0, &w);
	session_close_after_flush(&r->session, why);
}

static enum reason call_connect(struct rtmp_server *r, const struct rtmp_cmd *cmd)
{
	struct sink *out = session_sink(&r->session);
	uint32_t window = (uint32_t)engine_conf(r->session.core->engine)->rtmp_window;
	uint8_t text[ANSWER_MAX];
	struct wr w = wr_of(text, sizeof(text));
	enum reason why = connect_keep(r, cmd->app, cmd->tc_url);

	if (why != REASON_NONE)
		return why;
	if (r->session.refused != REASON_NONE) {
		reject(r, cmd);
		return REASON_NONE;
	}
	if (sessions_send_on(r->session.core)) {
		send_on(r, cmd);
		return REASON_NONE;
	}
	rtmp_out_u32(out, MSG_WINDOW_ACK_SIZE, window);
	rtmp_out_peer_bandwidth(out, window, 2);
	rtmp_out_u32(out, MSG_SET_CHUNK_SIZE, wire_rtmp_chunk_size());
	r->chunk_size = wire_rtmp_chunk_size();
	r->reconnects = cmd->caps_ex & RTMP_CAPS_EX_RECONNECT;
	rtmp_cmd_connect_result(&w, cmd);
	rtmp_answer(r, 0, &w);
	return REASON_NONE;
}

static bool busy(const struct rtmp_server *r)
{
	return r->phase != RTMP_HANDSHAKE && r->phase != RTMP_READY;
}

static void call_create_stream(struct rtmp_server *r, const struct rtmp_cmd *cmd)
{
	r->ids = busy(r) ? r->ids + 1 : RTMP_MSID;
	answer_number(r, cmd, r->ids);
}

/* ---- publish ---- */

enum reason rtmp_stream_name(struct rtmp_server *r, struct slice stream, struct stream_name *name,
			     const char **rule)
{
	struct slice app = {NULL, 0}, tc_url = {NULL, 0};
	const char *field;

	if (r->connect) {
		app = (struct slice){r->connect->text, r->connect->app_n};
		tc_url = (struct slice){r->connect->text + r->connect->app_n, r->connect->tc_url_n};
	}
	return stream_name_rtmp(name, tc_url, app, stream, &field, rule) ? REASON_BAD_NAME
									 : REASON_NONE;
}

static void publish_refuse(struct rtmp_server *r, enum reason why)
{
	event_refused(&r->session, why);
	if (why == REASON_STREAM_BUSY)
		rtmp_refuse(r, r->msid, "NetStream.Publish.BadName", "already publishing", why);
	else if (why == REASON_BAD_NAME || why == REASON_DOMAIN_OURS)
		rtmp_refuse(r, r->msid, "NetStream.Publish.BadName", reason_help(why), why);
	else
		rtmp_refuse(r, r->msid, "NetStream.Publish.Failed", reason_help(why), why);
}

static void publish_start(struct rtmp_server *r)
{
	rtmp_server_set_phase(r, RTMP_PUBLISHING);
	on_fc(r, "onFCPublish", "NetStream.Publish.Start");
	rtmp_out_user_control(session_sink(&r->session), RTMP_UC_STREAM_BEGIN, r->msid);
	rtmp_status(r, r->msid, "status", "NetStream.Publish.Start", "publishing");
}

/* The core that had the stream has answered. */
static void begun(struct publish *p, enum reason why)
{
	struct rtmp_server *r = container_of(p, struct rtmp_server, publish);

	if (why == REASON_NONE)
		publish_start(r);
	else
		publish_refuse(r, why);
	session_flush(&r->session);
}

/* It is allowed; key is what the session is described by. */
static void publish_go(struct rtmp_server *r, const struct stream_name *name, const char *key)
{
	enum reason why;

	rtmp_server_part(r, RTMP_PUBLISHER);
	why = publish_ask(&r->publish, &r->session, key, name->params, r->auth.inner, begun);
	if (why != REASON_NONE)
		publish_refuse(r, why);
	else if (publish_is_taking(&r->publish))
		rtmp_server_set_phase(r, RTMP_ASKING);
	else
		publish_start(r);
}

static void publish_allowed(struct auth *a, const struct stream_name *name, enum reason why)
{
	struct rtmp_server *r = container_of(a, struct rtmp_server, auth);
	const char *key = r->session.about; /* the domain may be another by now */

	if (why == REASON_NONE && !key)
		why = REASON_NO_MEMORY;
	if (why == REASON_NONE)
		publish_go(r, name, key);
	else
		publish_refuse(r, why);
	session_flush(&r->session);
}

static void call_publish(struct rtmp_server *r, const struct rtmp_cmd *cmd, uint32_t msid)
{
	struct auth_request ask = {.kind = AUTH_PUBLISH};
	struct stream_name name;
	char key[STREAM_KEY_MAX];
	const char *rule;
	enum reason why;

	if (rtmp_stream_name(r, cmd->stream, &name, &rule) != REASON_NONE) {
		rtmp_refuse(r, msid, "NetStream.Publish.BadName", rule, REASON_BAD_NAME);
		return;
	}
	if (busy(r)) {
		rtmp_status(r, msid, "error", "NetStream.Publish.Failed",
			    "this connection already publishes or plays a stream");
		return;
	}
	r->msid = msid;
	ask.name = &name;
	why = auth_check(&r->auth, &r->session, &ask, key, publish_allowed);
	if (why != REASON_NONE)
		publish_refuse(r, why);
	else if (auth_is_pending(&r->auth))
		rtmp_server_wait(r);
	else
		publish_go(r, &name, key);
}

/*
 * FCUnpublish, closeStream or deleteStream, whichever is first, ends what goes on; the others find
 * nothing. An encoder may publish again on the same connection (interop C5); a player's connection
 * ends, because the log may be in the middle of a message.
 */
static void stop(struct rtmp_server *r)
{
	if (r->phase == RTMP_PLAYING || r->part == RTMP_WAITER || auth_is_pending(&r->auth)) {
		session_close(&r->session, REASON_LEFT);
		return;
	}
	if (!busy(r))
		return;
	if (r->part == RTMP_PUBLISHER)
		publish_end(&r->publish, REASON_UNPUBLISHED);
	rtmp_server_part(r, RTMP_NO_PART);
	rtmp_server_set_phase(r, RTMP_READY);
	rtmp_status(r, r->msid, "status", "NetStream.Unpublish.Success", "unpublished");
}

static void call_pause(struct rtmp_server *r, const struct rtmp_cmd *cmd)
{
	if (r->phase != RTMP_PLAYING)
		return;
	if (cmd->flag)
		rtmp_status(r, r->msid, "status", "NetStream.Pause.Notify", "paused");
	else
		rtmp_status(r, r->msid, "status", "NetStream.Unpause.Notify", "resumed");
	feed_pause(&r->feed, cmd->flag);
}

enum reason rtmp_call(struct rtmp_server *r, const struct msg *m)
{
	struct rtmp_cmd cmd;

	if (rtmp_cmd_parse(m, &cmd))
		return REASON_BAD_COMMAND;
	switch (cmd.kind) {
	case RTMP_CMD_CONNECT:
		return call_connect(r, &cmd);
	case RTMP_CMD_CREATE_STREAM:
		call_create_stream(r, &cmd);
		break;
	case RTMP_CMD_GET_STREAM_LENGTH:
		answer_number(r, &cmd, 0);
		break;
	case RTMP_CMD_FC_PUBLISH:
		answer_null(r, &cmd);
		on_fc(r, "onFCPublish", "NetStream.Publish.Start");
		break;
	case RTMP_CMD_PUBLISH:
		call_publish(r, &cmd, m->stream_id);
		break;
	case RTMP_CMD_PLAY:
		rtmp_play(r, &cmd, m->stream_id);
		break;
	case RTMP_CMD_PAUSE:
		call_pause(r, &cmd);
		answer_null(r, &cmd);
		break;
	case RTMP_CMD_FC_UNPUBLISH:
		answer_null(r, &cmd);
		on_fc(r, "onFCUnpublish", "NetStream.Unpublish.Success");
		stop(r);
		break;
	case RTMP_CMD_CLOSE_STREAM:
		if (m->stream_id == r->msid)
			stop(r);
		break;
	case RTMP_CMD_DELETE_STREAM:
		answer_null(r, &cmd);
		if (cmd.number == r->msid)
			stop(r);
		break;
	case RTMP_CMD_RESULT: /* answers need none */
	case RTMP_CMD_ERROR:
	case RTMP_CMD_ON_STATUS:
	case RTMP_CMD_ON_FC_PUBLISH:
		break;
	case RTMP_CMD_SEEK: /* live has one place */
	case RTMP_CMD_RECEIVE_AUDIO:
	case RTMP_CMD_RECEIVE_VIDEO:
	case RTMP_CMD_RELEASE_STREAM:
	case RTMP_CMD_OTHER:
		answer_null(r, &cmd);
		break;
	}
	return REASON_NONE;
}
