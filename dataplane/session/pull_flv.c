/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP-FLV pull: GETs a remote stream, follows redirects, and publishes it here. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "media/flv.h"
#include "media/http_basic.h"
#include "media/http_in.h"
#include "session/pull.h"

#define ANSWER_HEAD_MAX 16384u

struct pull_flv {
	struct leg_session base;
	struct pull pull;
	struct buf head; /* until the answer's head is complete */
	struct flv_in in;
	struct http_chunked chunks;
	int64_t left; /* body bytes that Content-Length still promises; -1: until the end */
	bool in_body, chunked, complete;
};

static struct pull_flv *of(struct session *s)
{
	return (struct pull_flv *)s;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static enum reason send_request(struct pull_flv *p)
{
	char text[3072], port[8] = "", basic[HTTP_BASIC_MAX] = "";
	const char *rule;
	struct url url;
	int n;

	if (leg_url(p->base.leg, &url, &rule) || (url.userinfo[0] && http_basic(basic, &url)))
		return REASON_BAD_URL;
	if (url.port_given)
		snprintf(port, sizeof(port), ":%u", url.port);
	n = snprintf(
		text, sizeof(text),
		"GET %s%s%s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: Millrace/" MILLRACE_VERSION
		"\r\nAccept: */*\r\n%s%s%sConnection: close\r\n\r\n",
		url.path, url.query[0] ? "?" : "", url.query, url.v6 ? "[" : "", url.host,
		url.v6 ? "]" : "", port, basic[0] ? "Authorization: " : "", basic,
		basic[0] ? "\r\n" : "");
	if (n < 0 || (size_t)n >= sizeof(text))
		return REASON_BAD_URL;
	session_sink(&p->base.session)->write(session_sink(&p->base.session), text, (size_t)n);
	return REASON_NONE;
}

static void connected(struct session *s, enum reason why)
{
	struct pull_flv *p = of(s);

	if (!leg_connected(&p->base, why))
		return;
	why = send_request(p);
	if (why == REASON_NONE)
		session_flush(s);
	else
		session_close(s, why);
}

/* ---- the answer's head ----------------------------------------------------------------------- */

static enum reason refused(struct pull_flv *p, unsigned status)
{
	char text[32];

	snprintf(text, sizeof(text), "HTTP status %u", status);
	leg_say(p->base.leg, text, (struct slice){NULL, 0});
	switch (status) {
	case 401:
	case 403:
		return REASON_REMOTE_REJECTED;
	case 404:
	case 410:
		return REASON_REMOTE_NOT_FOUND;
	default:
		return REASON_REMOTE_STATUS;
	}
}

static enum reason answered(struct pull_flv *p, const struct http_head *h)
{
	const struct config *conf = engine_conf(p->base.session.core->engine);

	switch (h->status) {
	case 200:
		break;
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return leg_redirect(p->base.leg, http_header_get(h, "Location"));
	default:
		return refused(p, h->status);
	}
	p->in_body = true;
	p->chunked = h->chunked;
	p->left = h->chunked ? -1 : h->content_length;
	session_deadline(&p->base.session, (uint64_t)conf->relay_start_timeout,
			 REASON_FIRST_MEDIA_TIMEOUT);
	return REASON_NONE;
}

/* Takes head bytes; *body is where what follows the head begins. */
static enum reason take_head(struct pull_flv *p, const uint8_t *in, size_t n, size_t *body)
{
	size_t before = p->head.n, room = ANSWER_HEAD_MAX - before;
	struct http_head h;
	enum reason why;
	int took;

	*body = n;
	buf_write(&p->head, in, min_of(n, room));
	if (p->head.bad)
		return REASON_MEMORY_BUDGET;
	took = http_response_parse(p->head.p, p->head.n, &h);
	if (took < 0 || (took == 0 && n >= room))
		return REASON_BAD_HTTP;
	if (took == 0)
		return REASON_NONE;
	/* The parser has seen all earlier bytes as not complete: the head ends in these. */
	*body = (size_t)took - before;
	why = h.status < 200 ? REASON_NONE : answered(p, &h);
	buf_reset(&p->head, 0);
	return why;
}

/* ---- the body -------------------------------------------------------------------------------- */

static enum reason take_flv(struct pull_flv *p, const uint8_t *in, size_t n)
{
	while (n > 0) {
		struct msg m;
		int took = flv_in_feed(&p->in, in, n, &m);
		enum reason why;

		if (took < 0)
			return (enum reason) - took;
		in += took;
		n -= (size_t)took;
		why = m.type == MSG_NONE ? REASON_NONE : pull_message(&p->pull, &m);
		if (why != REASON_NONE)
			return why;
	}
	return REASON_NONE;
}

static enum reason take_chunks(struct pull_flv *p, const uint8_t *in, size_t n)
{
	while (n > 0 && !p->complete) {
		struct slice body = {NULL, 0};
		int took = http_chunked_feed(&p->chunks, in, n, &body, &p->complete);
		enum reason why;

		if (took < 0)
			return REASON_BAD_HTTP;
		in += took;
		n -= (size_t)took;
		why = take_flv(p, body.p, body.n);
		if (why != REASON_NONE)
			return why;
	}
	return REASON_NONE;
}

static enum reason take_body(struct pull_flv *p, const uint8_t *in, size_t n)
{
	enum reason why;

	if (p->chunked) {
		why = take_chunks(p, in, n);
	} else {
		if (p->left >= 0 && (uint64_t)p->left < n)
			n = (size_t)p->left;
		why = take_flv(p, in, n);
		if (p->left >= 0)
			p->left -= (int64_t)n;
		p->complete = p->left == 0;
	}
	pull_flush(&p->pull);
	return why == REASON_NONE && p->complete ? REASON_REMOTE_ENDED : why;
}

/* ---- the session ----------------------------------------------------------------------------- */

static enum reason received(struct session *s, const uint8_t *in, size_t n)
{
	struct pull_flv *p = of(s);

	while (!p->in_body && n > 0) {
		size_t body;
		enum reason why = take_head(p, in, n, &body);

		if (why != REASON_NONE)
			return why;
		in += body;
		n -= body;
	}
	return p->in_body ? take_body(p, in, n) : REASON_NONE;
}

static enum reason deadline(struct session *s)
{
	struct pull *p = &of(s)->pull;

	return p->begun ? pull_deadline(p) : (enum reason)s->deadline_why;
}

static void ending(struct session *s, enum reason why)
{
	pull_end(&of(s)->pull, why);
	leg_ended(&of(s)->base, why);
}

static void gone(struct session *s)
{
	struct pull_flv *p = of(s);

	buf_fini(&p->head);
	flv_in_fini(&p->in);
	leg_gone(&p->base);
}

static const struct session_ops ops = {
	.protocol = "http-flv-pull",
	.bytes = sizeof(struct pull_flv),
	.received = received,
	.connected = connected,
	.deadline = deadline,
	.ending = ending,
	.gone = gone,
};

struct leg_session *pull_flv_new(struct leg *leg)
{
	const struct config *conf = engine_conf(leg->core->engine);
	struct session *s = session_new(leg->core, &ops);
	struct pull_flv *p;

	if (!s)
		return NULL;
	p = of(s);
	p->left = -1;
	buf_init(&p->head, &s->mem);
	flv_in_init(&p->in, &s->mem, (uint32_t)conf->limit_message);
	http_chunked_init(&p->chunks);
	pull_init(&p->pull, &p->base);
	return &p->base;
}
