/* SPDX-License-Identifier: Apache-2.0 */
#include "session/rtmp_client.h"

#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "media/rtmp_out.h"
#include "media/wire.h"
#include "session/redirect.h"

#define ACK_WINDOW   2500000u /* interop T17 */
#define FIRST_CHUNK  128u
#define CONNECT_CALL 1u

static bool slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool slice_has(struct slice s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= s.n; i++)
		if (strncasecmp((const char *)s.p + i, word, n) == 0)
			return true;
	return false;
}

/* ---- what refusals mean ---------------------------------------------------------------------- */

static const struct {
	const char *code;
	enum reason why;
} refusals[] = {
	{"NetConnection.Connect.Rejected", REASON_REMOTE_REJECTED},
	{"NetConnection.Connect.InvalidApp", REASON_REMOTE_REJECTED},
	{"NetConnection.Connect.Failed", REASON_REMOTE_REJECTED},
	{"NetConnection.Connect.Closed", REASON_REMOTE_CLOSED},
	{"NetConnection.Connect.AppShutdown", REASON_REMOTE_CLOSED},
	{"NetConnection.Connect.IdleTimeout", REASON_REMOTE_CLOSED},
	{"NetStream.Play.StreamNotFound", REASON_REMOTE_NOT_FOUND},
	{"NetStream.Play.Failed", REASON_REMOTE_REJECTED},
	{"NetStream.Play.UnpublishNotify", REASON_REMOTE_ENDED},
	{"NetStream.Play.Stop", REASON_REMOTE_ENDED},
	{"NetStream.Play.Complete", REASON_REMOTE_ENDED},
	{"NetStream.Unpublish.Success", REASON_REMOTE_ENDED},
	{"NetStream.Publish.BadName", REASON_REMOTE_BUSY},
	{"NetStream.Publish.Denied", REASON_REMOTE_REJECTED},
	{"NetStream.Publish.Rejected", REASON_REMOTE_REJECTED},
	{"NetStream.Publish.Unauthorized", REASON_REMOTE_REJECTED},
};

/* BadName is said for a stream in use, and by some servers for a key that they do not let in. */
static bool speaks_of_access(struct slice text)
{
	static const char *const words[] = {"auth",	  "denied",	 "forbid", "reject",
					    "permission", "not allowed", "invalid"};

	for (size_t i = 0; i < array_len(words); i++)
		if (slice_has(text, words[i]))
			return true;
	return false;
}

enum reason rtmp_client_refusal(struct slice level, struct slice code, struct slice text)
{
	for (size_t i = 0; i < array_len(refusals); i++) {
		if (!slice_is(code, refusals[i].code))
			continue;
		if (refusals[i].why == REASON_REMOTE_BUSY && speaks_of_access(text))
			return REASON_REMOTE_REJECTED;
		return refusals[i].why;
	}
	return slice_is(level, "error") ? REASON_REMOTE_REJECTED : REASON_NONE;
}

static void say_refusal(struct rtmp_client *c, const struct rtmp_cmd *cmd)
{
	char code[80];
	size_t n = min_of(cmd->code.n, sizeof(code) - 3);

	if (!c->base.leg)
		return;
	memcpy(code, cmd->code.n ? (const char *)cmd->code.p : "", n);
	memcpy(code + n, n && cmd->description.n ? ": " : "", n && cmd->description.n ? 3 : 1);
	for (size_t i = 0; i < n; i++)
		if (code[i] < 0x20 || code[i] > 0x7e)
			code[i] = '?';
	leg_say(c->base.leg, code, cmd->description);
}

/* ---- sending --------------------------------------------------------------------------------- */

double rtmp_client_call(struct rtmp_client *c)
{
	return ++c->calls;
}

void rtmp_client_send(struct rtmp_client *c, const struct wr *w, uint32_t stream_id)
{
	struct msg m = {
		.type = MSG_COMMAND,
		.stream_id = stream_id,
		.len = (uint32_t)wr_len(w),
		.data = w->start,
	};

	/* The buffer holds the longest command that a checked URL can make. */
	must(!w->bad);
	rtmp_out_msg(session_sink(&c->base.session), &m, c->chunk);
}

void rtmp_client_set_chunk(struct rtmp_client *c)
{
	rtmp_out_u32(session_sink(&c->base.session), MSG_SET_CHUNK_SIZE, wire_rtmp_chunk_size());
	c->chunk = wire_rtmp_chunk_size();
}

static enum reason split_url(struct rtmp_client *c, char app[512], char stream[2048],
			     char tc_url[1024])
{
	const char *rule;
	struct url url;

	if (leg_url(c->base.leg, &url, &rule) || url_rtmp_split(&url, app, stream, tc_url, &rule))
		return REASON_BAD_URL;
	return REASON_NONE;
}

enum reason rtmp_client_stream(struct rtmp_client *c, char stream[2048])
{
	char app[512], tc_url[1024];

	return split_url(c, app, stream, tc_url);
}

static enum reason send_connect(struct rtmp_client *c)
{
	char app[512], stream[2048], tc_url[1024];
	uint8_t buf[RTMP_CLIENT_COMMAND_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	enum reason why = split_url(c, app, stream, tc_url);

	if (why != REASON_NONE)
		return why;
	rtmp_cmd_connect(&w, rtmp_client_call(c), app, tc_url, c->role->publish);
	rtmp_client_send(c, &w, 0);
	c->stage = RTMP_C_CONNECT;
	return REASON_NONE;
}

static enum reason send_create(struct rtmp_client *c)
{
	char stream[2048];
	uint8_t buf[RTMP_CLIENT_COMMAND_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	enum reason why = rtmp_client_stream(c, stream);

	if (why != REASON_NONE)
		return why;
	c->role->accepted(c, stream);
	rtmp_cmd_create_stream(&w, rtmp_client_call(c));
	c->create_call = c->calls;
	rtmp_client_send(c, &w, 0);
	c->stage = RTMP_C_CREATE;
	return REASON_NONE;
}

static enum reason send_start(struct rtmp_client *c, double id)
{
	char stream[2048];
	enum reason why = rtmp_client_stream(c, stream);

	if (why != REASON_NONE)
		return why;
	if (!(id >= 0 && id <= UINT32_MAX))
		return REASON_BAD_COMMAND;
	c->stream_id = (uint32_t)id;
	c->stage = RTMP_C_STARTED;
	c->role->created(c, stream);
	return REASON_NONE;
}

/* Connect.Rejected with the address of another server (interop C15). */
static bool sends_on(const struct rtmp_cmd *cmd)
{
	return cmd->redirect.n || cmd->redirect_url.n;
}

static enum reason go_on_at(struct rtmp_client *c, const struct rtmp_cmd *cmd)
{
	char stream[2048], to[REDIRECT_TEXT_MAX];
	enum reason why;

	if (cmd->redirect_url.n)
		return leg_redirect(c->base.leg, cmd->redirect_url);
	why = rtmp_client_stream(c, stream);
	if (why != REASON_NONE)
		return why;
	redirect_rtmp(to, cmd->redirect, stream);
	return leg_redirect(c->base.leg, (struct slice){(const uint8_t *)to, strlen(to)});
}

/* ---- receiving ------------------------------------------------------------------------------- */

static enum reason on_result(struct rtmp_client *c, const struct rtmp_cmd *cmd)
{
	if (c->stage == RTMP_C_CONNECT && cmd->txn == CONNECT_CALL)
		return send_create(c);
	if (c->stage == RTMP_C_CREATE && cmd->txn == c->create_call)
		return send_start(c, cmd->number);
	return REASON_NONE;
}

/* releaseStream and FCPublish may be refused: not every server knows them. */
static enum reason on_error(struct rtmp_client *c, const struct rtmp_cmd *cmd)
{
	enum reason why;

	if (!(c->stage == RTMP_C_CONNECT && cmd->txn == CONNECT_CALL) &&
	    !(c->stage == RTMP_C_CREATE && cmd->txn == c->create_call))
		return REASON_NONE;
	if (sends_on(cmd))
		return go_on_at(c, cmd);
	say_refusal(c, cmd);
	why = rtmp_client_refusal(cmd->level, cmd->code, cmd->description);
	return why == REASON_NONE ? REASON_REMOTE_REJECTED : why;
}

static enum reason on_command(struct rtmp_client *c, const struct msg *m)
{
	struct rtmp_cmd cmd;
	enum reason why;

	if (rtmp_cmd_parse(m, &cmd))
		return REASON_BAD_COMMAND;
	switch (cmd.kind) {
	case RTMP_CMD_RESULT:
		return on_result(c, &cmd);
	case RTMP_CMD_ERROR:
		return on_error(c, &cmd);
	case RTMP_CMD_ON_STATUS:
		if (sends_on(&cmd))
			return go_on_at(c, &cmd);
		why = rtmp_client_refusal(cmd.level, cmd.code, cmd.description);
		if (why != REASON_NONE) {
			say_refusal(c, &cmd);
			return why;
		}
		return c->stage == RTMP_C_STARTED && c->role->status ? c->role->status(c, cmd.code)
								     : REASON_NONE;
	default:
		return REASON_NONE;
	}
}

static enum reason on_user_control(struct rtmp_client *c, const struct msg *m)
{
	struct rd r = rd_of(m->data, m->len);
	uint16_t event = rd_be16(&r);
	uint32_t value = rd_be32(&r);

	if (r.bad)
		return REASON_NONE;
	if (event == RTMP_UC_PING_REQUEST)
		rtmp_out_user_control(session_sink(&c->base.session), RTMP_UC_PING_RESPONSE, value);
	else if (event == RTMP_UC_STREAM_EOF && !c->role->publish && c->stage == RTMP_C_STARTED)
		return REASON_REMOTE_ENDED;
	return REASON_NONE;
}

static enum reason on_message(struct rtmp_client *c, const struct msg *m)
{
	struct rd r = rd_of(m->data, m->len);
	uint32_t value;

	switch (m->type) {
	case MSG_COMMAND:
	case MSG_COMMAND_AMF3:
		return on_command(c, m);
	case MSG_USER_CONTROL:
		return on_user_control(c, m);
	case MSG_WINDOW_ACK_SIZE:
		value = rd_be32(&r);
		if (value)
			c->window = min_of(value, ACK_WINDOW);
		return REASON_NONE;
	case MSG_SET_PEER_BANDWIDTH:
		value = rd_be32(&r);
		if (value)
			rtmp_out_u32(session_sink(&c->base.session), MSG_WINDOW_ACK_SIZE, value);
		return REASON_NONE;
	case MSG_AUDIO:
	case MSG_VIDEO:
	case MSG_DATA:
	case MSG_DATA_AMF3:
	case MSG_AGGREGATE:
		return c->role->message && c->stage == RTMP_C_STARTED ? c->role->message(c, m)
								      : REASON_NONE;
	default:
		return REASON_NONE;
	}
}

/* Acknowledges at half the window, as a server that waits for it wants (interop T16, T17). */
static void acknowledge(struct rtmp_client *c)
{
	uint64_t got = c->base.session.conn->bytes_in;

	if (got - c->acked < c->window / 2)
		return;
	c->acked = got;
	rtmp_out_u32(session_sink(&c->base.session), MSG_ACK, (uint32_t)got);
}

static void hs_free(struct rtmp_client *c)
{
	mem_free(&c->base.session.mem, c->hs, sizeof(*c->hs));
	c->hs = NULL;
}

static void send_hs(struct rtmp_client *c)
{
	struct sink *to = session_sink(&c->base.session);

	if (c->hs->out_len)
		to->write(to, c->hs->out, c->hs->out_len);
	c->hs->out_len = 0;
}

/* Bytes taken, or -(enum reason). */
static int handshake(struct rtmp_client *c, const uint8_t *p, size_t n)
{
	int took = rtmp_hs_feed(c->hs, p, n);
	enum reason why;

	if (took < 0) {
		const char *like = rtmp_hs_guess(p, n);

		leg_say(c->base.leg, "the first bytes are not RTMP's but look like: ",
			(struct slice){(const uint8_t *)like, strlen(like)});
		return took;
	}
	send_hs(c);
	if (!rtmp_hs_done(c->hs))
		return took;
	hs_free(c);
	why = send_connect(c);
	return why == REASON_NONE ? took : -(int)why;
}

enum reason rtmp_client_received(struct session *s, const uint8_t *p, size_t n)
{
	struct rtmp_client *c = rtmp_client_of(s);

	while (n > 0) {
		struct msg m = {.type = MSG_NONE};
		int took = c->hs ? handshake(c, p, n) : rtmp_in_feed(&c->in, p, n, &m);
		enum reason why;

		if (took < 0)
			return (enum reason) - took;
		p += took;
		n -= (size_t)took;
		why = m.type == MSG_NONE ? REASON_NONE : on_message(c, &m);
		if (why != REASON_NONE)
			return why;
		if (s->closing)
			return REASON_NONE;
	}
	if (c->role->batch)
		c->role->batch(c);
	acknowledge(c);
	session_flush(s);
	return REASON_NONE;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct rtmp_client *rtmp_client_new(struct leg *leg, const struct session_ops *ops,
				    const struct rtmp_role *role)
{
	const struct config *conf = engine_conf(leg->core->engine);
	struct session *s = session_new(leg->core, ops);
	struct rtmp_client *c;

	if (!s)
		return NULL;
	c = rtmp_client_of(s);
	c->role = role;
	c->window = ACK_WINDOW;
	c->chunk = FIRST_CHUNK;
	rtmp_in_init(&c->in, &s->mem, (uint32_t)conf->limit_message,
		     (uint32_t)conf->limit_chunk_streams);
	return c;
}

void rtmp_client_connected(struct session *s, enum reason why)
{
	struct rtmp_client *c = rtmp_client_of(s);
	uint8_t random[RTMP_HS_HALF];

	if (!leg_connected(&c->base, why))
		return;
	c->hs = mem_resize(&s->mem, NULL, 0, sizeof(*c->hs));
	if (!c->hs || getrandom(random, sizeof(random), 0) != sizeof(random)) {
		session_close(s, REASON_NO_MEMORY);
		return;
	}
	rtmp_hs_client(c->hs, random, (uint32_t)(clock_us() / 1000), true);
	send_hs(c);
	session_flush(s);
}

void rtmp_client_gone(struct session *s)
{
	struct rtmp_client *c = rtmp_client_of(s);

	if (c->hs)
		hs_free(c);
	rtmp_in_fini(&c->in);
	leg_gone(&c->base);
}
