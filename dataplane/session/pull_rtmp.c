/* SPDX-License-Identifier: Apache-2.0 */
/* An RTMP pull: plays a remote stream and publishes it here. */
#include "media/rtmp_out.h"
#include "session/pull.h"
#include "session/rtmp_client.h"

struct pull_rtmp {
	struct rtmp_client client;
	struct pull pull;
};

static struct pull_rtmp *of(struct session *s)
{
	return (struct pull_rtmp *)s;
}

static void accepted(struct rtmp_client *c, const char *stream)
{
	rtmp_out_u32(session_sink(&c->base.session), MSG_WINDOW_ACK_SIZE, c->window);
}

static void created(struct rtmp_client *c, const char *stream)
{
	const struct config *conf = engine_conf(c->base.session.core->engine);
	uint8_t buf[RTMP_CLIENT_COMMAND_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	rtmp_cmd_play(&w, rtmp_client_call(c), stream);
	rtmp_client_send(c, &w, c->stream_id);
	session_deadline(&c->base.session, (uint64_t)conf->relay_start_timeout,
			 REASON_FIRST_MEDIA_TIMEOUT);
}

static enum reason message(struct rtmp_client *c, const struct msg *m)
{
	return pull_message(&of(&c->base.session)->pull, m);
}

static void batch(struct rtmp_client *c)
{
	pull_flush(&of(&c->base.session)->pull);
}

static enum reason deadline(struct session *s)
{
	struct pull *p = &of(s)->pull;

	return p->begun ? pull_deadline(p) : (enum reason)s->deadline_why;
}

static void ending(struct session *s, enum reason why)
{
	pull_end(&of(s)->pull, why);
	leg_ended(&of(s)->client.base, why);
}

static const struct rtmp_role role = {
	.publish = false,
	.accepted = accepted,
	.created = created,
	.message = message,
	.batch = batch,
};

static const struct session_ops ops = {
	.protocol = "rtmp-pull",
	.bytes = sizeof(struct pull_rtmp),
	.received = rtmp_client_received,
	.connected = rtmp_client_connected,
	.deadline = deadline,
	.ending = ending,
	.gone = rtmp_client_gone,
};

struct leg_session *pull_rtmp_new(struct leg *leg)
{
	struct rtmp_client *c = rtmp_client_new(leg, &ops, &role);

	if (!c)
		return NULL;
	pull_init(&of(&c->base.session)->pull, &c->base);
	return &c->base;
}
