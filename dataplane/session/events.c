/* SPDX-License-Identifier: Apache-2.0 */
#include "session/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "media/url.h"
#include "session/auth.h"
#include "session/backup.h"
#include "session/ctl_request.h"
#include "session/domains.h"
#include "session/event_queue.h"
#include "session/publish.h"
#include "session/relay.h"

/* ---- on the cores ---- */

static void text(char *dst, size_t n, const char *from)
{
	snprintf(dst, n, "%s", from);
}

static void put_peer(struct event *e, const struct session *s)
{
	char address[NET_ADDR_TEXT] = "";

	if (s->conn)
		net_addr_text(address, &s->conn->peer);
	text(e->detail, sizeof(e->detail), address);
	text(e->protocol, sizeof(e->protocol), s->protocol);
}

/* Without memory the event says less. */
static struct event_more *more_new(struct core *c)
{
	struct event_more *more = calloc(1, sizeof(*more));

	if (more)
		c->allocs++;
	return more;
}

void event_publish(const struct publish *p, const char *stream)
{
	struct event e = {
		.kind = EVENT_PUBLISH, .internal = p->internal, .state = backup_change(p)};
	const char *params = p->who ? strchr(p->who, ' ') : NULL;

	text(e.name, sizeof(e.name), stream);
	put_peer(&e, p->session);
	e.more = params ? more_new(p->session->core) : NULL;
	if (e.more)
		params_mask(e.more->params, sizeof(e.more->params), params + 1);
	event_push(&e);
	/* Pushes that wait for the stream are subscribers of another kind. */
	relays_stream_live(stream);
}

void event_unpublish(const struct publish *p, const char *stream, enum reason why, bool internal)
{
	const struct session *s = p->session;
	struct event e = {
		.kind = EVENT_UNPUBLISH,
		.why = (uint8_t)why,
		.internal = internal,
		.duration_ms = (s->core->now_us - p->begun_us) / 1000,
		.bytes = s->conn ? s->conn->bytes_in : 0,
	};

	text(e.name, sizeof(e.name), stream);
	event_push(&e);
}

void event_relay(bool push, const char *id, const char *state, enum reason why, const char *detail)
{
	struct event e = {
		.kind = push ? EVENT_PUSH : EVENT_PULL,
		.why = (uint8_t)why,
		.state = state,
	};

	text(e.name, sizeof(e.name), id);
	text(e.detail, sizeof(e.detail), detail);
	event_push(&e);
}

/* Whether one more may be told in this second; *missed gets those that were not. */
static bool refused_fits(uint64_t now_us, uint64_t *missed)
{
	static _Thread_local uint64_t since_us, left_out;
	static _Thread_local unsigned n;

	if (now_us - since_us >= 1000000) {
		since_us = now_us;
		n = 0;
	}
	if (n >= EVENT_REFUSED_RATE) {
		left_out++;
		return false;
	}
	n++;
	*missed = left_out;
	left_out = 0;
	return true;
}

void event_refused(const struct session *s, enum reason why)
{
	struct event e = {.kind = EVENT_REFUSED, .why = (uint8_t)why};
	char domain[DOMAIN_NAME_MAX];

	if (!s->about)
		return;
	snprintf(domain, sizeof(domain), "%.*s",
		 (int)min_of(strcspn(s->about, "/"), sizeof(domain) - 1), s->about);
	if (!domain_find(domain) || !refused_fits(s->core->now_us, &e.number))
		return;
	text(e.name, sizeof(e.name), s->about);
	put_peer(&e, s);
	event_push(&e);
}

void event_auth_ask(uint64_t ask, const struct session *s, const struct auth_request *q)
{
	struct event e = {.kind = EVENT_AUTH_ASK, .number = ask, .more = more_new(s->core)};
	const struct stream_name *name = q->name;

	if (!e.more)
		return; /* nobody answers */
	put_peer(&e, s);
	text(e.name, sizeof(e.name), name->name);
	text(e.more->domain, sizeof(e.more->domain), name->domain);
	text(e.more->app, sizeof(e.more->app), name->app);
	text(e.more->params, sizeof(e.more->params), name->params);
	if (q->referer.n)
		snprintf(e.more->referer, sizeof(e.more->referer), "%.*s",
			 (int)min_of(q->referer.n, sizeof(e.more->referer) - 1),
			 (const char *)q->referer.p);
	e.more->publish = q->kind == AUTH_PUBLISH;
	event_push(&e);
}

void event_wanted(const char *stream, const char *domain, const char *params)
{
	struct event e = {.kind = EVENT_WANTED, .more = calloc(1, sizeof(*e.more))};

	if (!e.more)
		return; /* the next viewer asks again */
	text(e.name, sizeof(e.name), stream);
	text(e.more->domain, sizeof(e.more->domain), domain);
	text(e.more->params, sizeof(e.more->params), params);
	event_push(&e);
}

void event_unwatched(const char *stream)
{
	struct event e = {.kind = EVENT_UNWATCHED};

	text(e.name, sizeof(e.name), stream);
	event_push(&e);
}

void event_hls(bool wanted, const char *stream)
{
	struct event e = {.kind = wanted ? EVENT_HLS_WANTED : EVENT_HLS_IDLE};

	text(e.name, sizeof(e.name), stream);
	event_push(&e);
}

void event_viewer(struct core *c, const struct event_viewer *v, bool start, enum reason why)
{
	struct event e = {
		.kind = start ? EVENT_VIEWER_START : EVENT_VIEWER_STOP,
		.why = (uint8_t)why,
		.duration_ms = v->duration_ms,
		.bytes = v->bytes,
		.more = more_new(c),
	};

	if (!e.more)
		return;
	text(e.name, sizeof(e.name), v->stream);
	text(e.detail, sizeof(e.detail), v->address);
	text(e.protocol, sizeof(e.protocol), v->protocol);
	text(e.more->domain, sizeof(e.more->domain), v->domain);
	params_mask(e.more->params, sizeof(e.more->params), v->params);
	text(e.more->id, sizeof(e.more->id), v->id);
	event_push(&e);
}

/* ---- on the control thread ---- */

static json_t *publish_json(const struct event *e)
{
	const char *first = strchr(e->name, '/'), *last = strrchr(e->name, '/');
	json_t *o = json_pack("{s:s, s:o, s:s, s:s, s:b}", "event", "stream.publish", "stream",
			      ctl_text(e->name), "publisher", e->detail, "protocol", e->protocol,
			      "internal", e->internal);
	char part[512];

	if (o && *e->state)
		json_object_set_new(o, "change", json_string(e->state));
	if (!o || !e->more || !first || first == last)
		return o;
	json_object_set_new(o, "address", json_string(e->detail));
	snprintf(part, sizeof(part), "%.*s", (int)(first - e->name), e->name);
	json_object_set_new(o, "domain", ctl_text(part));
	json_object_set_new(o, "host", ctl_text(part));
	snprintf(part, sizeof(part), "%.*s", (int)(last - first - 1), first + 1);
	json_object_set_new(o, "app", ctl_text(part));
	json_object_set_new(o, "name", ctl_text(last + 1));
	json_object_set_new(o, "params", ctl_text(e->more->params));
	return o;
}

static json_t *ask_json(const struct event *e)
{
	const struct event_more *m = e->more;
	json_t *o = json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:s, s:s}", "event", "auth.ask",
			      "ask", (json_int_t)e->number, "kind", m->publish ? "publish" : "play",
			      "domain", m->domain, "app", ctl_text(m->app), "name",
			      ctl_text(e->name), "params", ctl_text(m->params), "address",
			      e->detail, "protocol", e->protocol);

	if (o && m->referer[0])
		json_object_set_new(o, "referer", ctl_text(m->referer));
	return o;
}

static json_t *viewer_json(const struct event *e)
{
	const struct event_more *m = e->more;
	bool start = e->kind == EVENT_VIEWER_START;
	json_t *o = json_pack("{s:s, s:s, s:o, s:s, s:s, s:s}", "event",
			      start ? "viewer.start" : "viewer.stop", "id", m->id, "stream",
			      ctl_text(e->name), "domain", m->domain, "protocol", e->protocol,
			      "address", e->detail);

	if (o && start)
		json_object_set_new(o, "params", ctl_text(m->params));
	if (!o || start)
		return o;
	json_object_set_new(o, "reason", json_string(reason_name(e->why)));
	json_object_set_new(o, "duration_ms", json_integer((json_int_t)e->duration_ms));
	json_object_set_new(o, "bytes", json_integer((json_int_t)e->bytes));
	return o;
}

json_t *event_json(const struct event *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_PUBLISH:
		return publish_json(e);
	case EVENT_UNPUBLISH:
		return json_pack("{s:s, s:o, s:s, s:b, s:I, s:I}", "event", "stream.unpublish",
				 "stream", ctl_text(e->name), "reason", reason_name(e->why),
				 "internal", e->internal, "duration_ms", (json_int_t)e->duration_ms,
				 "bytes", (json_int_t)e->bytes);
	case EVENT_PULL:
	case EVENT_PUSH:
		return json_pack("{s:s, s:s, s:s, s:s, s:o}", "event",
				 e->kind == EVENT_PUSH ? "push.state" : "pull.state", "id", e->name,
				 "state", e->state, "reason", reason_name(e->why), "detail",
				 ctl_text(e->detail));
	case EVENT_REFUSED:
		return json_pack("{s:s, s:o, s:s, s:s, s:I}", "event", "publish.refused", "stream",
				 ctl_text(e->name), "reason", reason_name(e->why), "address",
				 e->detail, "missed", (json_int_t)e->number);
	case EVENT_AUTH_ASK:
		return ask_json(e);
	case EVENT_WANTED:
		return json_pack("{s:s, s:o, s:s, s:o}", "event", "stream.wanted", "stream",
				 ctl_text(e->name), "domain", e->more->domain, "params",
				 ctl_text(e->more->params));
	case EVENT_UNWATCHED:
		return json_pack("{s:s, s:o}", "event", "stream.unwatched", "stream",
				 ctl_text(e->name));
	case EVENT_HLS_WANTED:
	case EVENT_HLS_IDLE:
		return json_pack("{s:s, s:o}", "event",
				 e->kind == EVENT_HLS_WANTED ? "hls.wanted" : "hls.idle", "stream",
				 ctl_text(e->name));
	case EVENT_VIEWER_START:
	case EVENT_VIEWER_STOP:
		return viewer_json(e);
	}
	return NULL;
}
