/* SPDX-License-Identifier: Apache-2.0 */
#include "session/leg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/stream.h"
#include "session/events.h"
#include "session/dial.h"
#include "session/redirect.h"

#define LEG_TEXT 128 /* of ours, about an address */

static void leg_resolve(struct leg *leg);

const char *leg_state_name(unsigned state)
{
	static const char *const names[] = {
		[SHM_RELAY_CONNECTING] = "connecting",
		[SHM_RELAY_RUNNING] = "running",
		[SHM_RELAY_FAILED] = "failed",
		[SHM_RELAY_WAITING] = "waiting",
	};

	must(state < array_len(names) && names[state]);
	return names[state];
}

static bool is_active(unsigned state)
{
	return state == SHM_RELAY_CONNECTING || state == SHM_RELAY_RUNNING;
}

static void count_active(struct leg *leg, unsigned before, unsigned after)
{
	enum counter which = leg->push ? CTR_PUSHES : CTR_PULLS;

	if (!is_active(before) && is_active(after))
		core_count(leg->core, which, 1);
	else if (is_active(before) && !is_active(after))
		core_uncount(leg->core, which, 1);
}

/* The only writer of leg->state. */
static void leg_set_state(struct leg *leg, enum shm_relay_state state, enum reason why)
{
	char detail[256];

	count_active(leg, leg->state, state);
	leg->state = (uint8_t)state;
	if (state == SHM_RELAY_CONNECTING)
		shm_set(&leg->shm->start_wall_ms, clock_wall_ms());
	else if (state == SHM_RELAY_RUNNING)
		shm_set(&leg->shm->first_media_wall_ms, clock_wall_ms());
	shm_set(&leg->shm->reason, why);
	shm_set(&leg->shm->state, state);
	relay_note(leg, leg->said);
	log_info("relay", "leg=%s kind=%s stream=%s state=%s reason=%s detail=%s core=%u", leg->id,
		 leg->push ? "push" : "pull", leg->stream, leg_state_name(state), reason_name(why),
		 log_q(detail, sizeof(detail), leg->said), leg->core->id);
	event_relay(leg->push, leg->id, leg_state_name(state), why, leg->said);
	leg->said[0] = '\0';
}

static void leg_fail(struct leg *leg, enum reason why)
{
	wheel_cancel(&leg->core->wheel, &leg->timer);
	leg_set_state(leg, SHM_RELAY_FAILED, why);
}

static void leg_let_go(struct leg *leg)
{
	if (leg->removed && !leg->client && !leg->resolving)
		relay_free(leg);
}

static void say_text(struct leg *leg, const char *text)
{
	leg_say(leg, "", (struct slice){(const uint8_t *)text, strlen(text)});
}

int leg_url(const struct leg *leg, struct url *out, const char **rule)
{
	return url_parse(out, leg->location ? leg->location : leg->url, rule);
}

void leg_say(struct leg *leg, const char *prefix, struct slice text)
{
	int n = snprintf(leg->said, sizeof(leg->said), "%s", prefix);
	size_t at = min_of((size_t)max_of(n, 0), sizeof(leg->said) - 1);

	for (size_t i = 0; i < text.n && at < sizeof(leg->said) - 1; i++)
		leg->said[at++] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?';
	leg->said[at] = '\0';
}

/* Another time it may be sent elsewhere, or nowhere. */
static void forget_redirects(struct leg *leg)
{
	free(leg->location);
	leg->location = NULL;
	leg->visited_n = 0;
}

/* ---- waiting for the local stream ------------------------------------------------------------ */

static bool stream_live(struct leg *leg)
{
	struct stream *s = stream_find(leg->core->engine->registry, leg->stream);

	if (s)
		stream_put(s, leg->core);
	return s != NULL;
}

/*
 * Registers first and looks then: a publisher that comes in between is seen by one of the two.
 */
static void leg_await(struct leg *leg, enum reason why)
{
	if (leg->state != SHM_RELAY_WAITING)
		leg_set_state(leg, SHM_RELAY_WAITING, why);
	relay_await(leg, true);
	if (!stream_live(leg))
		return;
	relay_await(leg, false);
	forget_redirects(leg);
	leg_resolve(leg);
}

void leg_wake(struct mail *m, struct core *core)
{
	struct leg *leg = container_of(m, struct leg, wake);

	relay_woken(leg);
	if (leg->removed)
		leg_let_go(leg);
	else if (leg->state == SHM_RELAY_WAITING && !leg->client)
		leg_await(leg, REASON_NONE);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static struct leg_session *client_new(struct leg *leg, const struct url *url)
{
	if (leg->push)
		return push_rtmp_new(leg);
	if (url->scheme == URL_HTTP || url->scheme == URL_HTTPS)
		return pull_flv_new(leg);
	return pull_rtmp_new(leg);
}

/* How far a try came: of several addresses, the one that came farthest tells most. */
static unsigned reach(enum reason why)
{
	switch (why) {
	case REASON_NONE:
		return 0;
	case REASON_ADDRESS_DENIED:
		return 1;
	case REASON_UNREACHABLE:
		return 2;
	case REASON_CONNECT_TIMEOUT:
		return 3;
	case REASON_CONNECT_REFUSED:
		return 4;
	default:
		return 5;
	}
}

static void leg_note_failure(struct leg *leg, enum reason why, const char *text)
{
	if (reach(why) <= reach((enum reason)leg->last_why))
		return;
	leg->last_why = (uint8_t)why;
	say_text(leg, text);
}

/* Starts a client. NONE, or why the next address has to be tried, with a sentence in text. */
static enum reason leg_try(struct leg *leg, const struct url *url, const struct net_dial *to,
			   char text[LEG_TEXT])
{
	const struct config *conf = engine_conf(leg->core->engine);
	char address[NET_ADDR_TEXT];
	struct leg_session *ls;
	enum reason why;

	text[0] = '\0';
	if (relay_meets_itself(conf, url, to->to, leg->stream)) {
		snprintf(text, LEG_TEXT, "%s itself", leg->push ? "pushes to" : "pulls from");
		return REASON_BAD_URL;
	}
	ls = client_new(leg, url);
	if (!ls)
		return REASON_NO_MEMORY;
	session_describe(&ls->session, leg->stream);
	why = session_connect(&ls->session, to);
	if (why == REASON_NONE) {
		ls->leg = leg;
		leg->client = ls;
		return REASON_NONE;
	}
	if (why == REASON_ADDRESS_DENIED)
		snprintf(text, LEG_TEXT, "relay.deny has %s", net_addr_text(address, to->to));
	session_close(&ls->session, why);
	return why;
}

/* Each address gets an equal share of the time that is left, so that a silent one is not the end. */
static void leg_next_address(struct leg *leg)
{
	char text[LEG_TEXT];
	const char *rule = "";
	struct dial dial;
	struct url url;
	enum reason why;

	if (leg_url(leg, &url, &rule))
		why = REASON_BAD_URL;
	else
		why = dial_init(&dial, engine_conf(leg->core->engine), &url, &rule);
	if (why != REASON_NONE) {
		say_text(leg, rule);
		leg_fail(leg, why);
		return;
	}
	while (leg->next_addr < leg->resolve.n) {
		uint64_t now = leg->core->now_us, end = leg->timer.deadline_us;
		uint64_t left_ms = end > now ? (end - now) / 1000 : 0;

		dial.net.timeout_ms =
			(uint32_t)max_of(left_ms / (leg->resolve.n - leg->next_addr), 1u);
		if (leg->bridge)
			dial.net.deny = NULL;
		dial.net.to = &leg->resolve.addr[leg->next_addr++];
		why = leg_try(leg, &url, &dial.net, text);
		if (why == REASON_NONE)
			return;
		leg_note_failure(leg, why, text);
	}
	leg_fail(leg, leg->last_why);
}

static void leg_resolved(struct mail *m, struct core *core)
{
	struct leg *leg = container_of(m, struct leg, resolved);

	leg->resolving = false;
	if (leg->removed) {
		leg_let_go(leg);
		return;
	}
	/* The deadline has passed meanwhile: the leg has failed already. */
	if (leg->state != SHM_RELAY_CONNECTING)
		return;
	leg->next_addr = 0;
	leg->last_why = (uint8_t)(leg->resolve.n ? REASON_NONE : leg->resolve.why);
	leg_next_address(leg);
}

/* On a resolver thread, or inside net_resolve(). */
static void resolver_done(struct net_resolve *r)
{
	struct leg *leg = container_of(r, struct leg, resolve);

	mail_post(leg->core, &leg->resolved);
}

static void connect_late(struct timer *t, uint64_t now_us)
{
	struct leg *leg = container_of(t, struct leg, timer);

	if (leg->client)
		session_close(&leg->client->session, REASON_CONNECT_TIMEOUT);
	else
		leg_fail(leg, REASON_CONNECT_TIMEOUT);
}

static void leg_resolve(struct leg *leg)
{
	const struct config *conf = engine_conf(leg->core->engine);
	const char *rule = "";
	struct url url;

	if (leg->state != SHM_RELAY_CONNECTING)
		leg_set_state(leg, SHM_RELAY_CONNECTING, REASON_NONE);
	if (leg_url(leg, &url, &rule)) {
		say_text(leg, rule);
		leg_fail(leg, REASON_BAD_URL);
		return;
	}
	leg->timer.fire = connect_late;
	wheel_arm(&leg->core->wheel, &leg->timer,
		  leg->core->now_us + (uint64_t)conf->relay_connect_timeout * 1000);
	memcpy(leg->resolve.host, url.host, sizeof(leg->resolve.host));
	leg->resolve.port = url.port;
	leg->resolve.done = resolver_done;
	leg->resolve.n = 0;
	leg->resolve.why = REASON_DNS_FAILED;
	leg->resolved.run = leg_resolved;
	leg->resolving = true;
	net_resolve(&leg->resolve);
}

/* What TLS has to say about the end of a connection. */
static const char *tls_text(const struct session *s, enum reason why)
{
	bool tls =
		why == REASON_TLS_HANDSHAKE || why == REASON_TLS_VERIFY || why == REASON_TLS_RECORD;

	return tls && s->conn ? net_tls_text(s->conn) : "";
}

bool leg_connected(struct leg_session *ls, enum reason why)
{
	struct leg *leg = ls->leg;
	const struct config *conf;

	if (!leg)
		return false;
	if (why != REASON_NONE) {
		leg_note_failure(leg, why, tls_text(&ls->session, why));
		ls->leg = NULL;
		leg->client = NULL;
		leg_next_address(leg);
		return false;
	}
	/* What was said of an address before this one. */
	leg->said[0] = '\0';
	conf = engine_conf(leg->core->engine);
	wheel_cancel(&leg->core->wheel, &leg->timer);
	session_deadline(&ls->session, (uint64_t)conf->relay_start_timeout,
			 REASON_HANDSHAKE_TIMEOUT);
	return true;
}

void leg_running(struct leg *leg)
{
	if (leg && !leg->removed && leg->state == SHM_RELAY_CONNECTING)
		leg_set_state(leg, SHM_RELAY_RUNNING, REASON_NONE);
}

/* ---- redirects ------------------------------------------------------------------------------- */

static uint64_t text_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3u;
	return h;
}

static bool seen_before(struct leg *leg, const char *where)
{
	uint64_t h = text_hash(where);

	for (unsigned i = 0; i < leg->visited_n; i++)
		if (leg->visited[i] == h)
			return true;
	leg->visited[leg->visited_n++] = h;
	return false;
}

/* Verified TLS is not given up because a server says so. */
static bool downgrades(const struct leg *leg, const struct url *from, const struct url *to)
{
	return engine_conf(leg->core->engine)->tls_verify && redirect_by_tls(from) &&
	       !redirect_by_tls(to);
}

enum reason leg_redirect(struct leg *leg, struct slice location)
{
	const char *rule = "";
	char to[REDIRECT_TEXT_MAX], joined[REDIRECT_TEXT_MAX], shown[REDIRECT_TEXT_MAX];
	struct url from, url;

	if (location.n == 0 || location.n >= sizeof(to)) {
		say_text(leg, "a redirect without a usable address");
		return REASON_REMOTE_STATUS;
	}
	memcpy(to, location.p, location.n);
	to[location.n] = '\0';
	log_url(shown, sizeof(shown), to);
	location = (struct slice){(uint8_t *)shown, strlen(shown)};
	if (leg_url(leg, &from, &rule) || redirect_join(&from, to, &url, &rule) ||
	    redirect_text(&url, joined) || downgrades(leg, &from, &url)) {
		leg_say(leg, "cannot follow a redirect to ", location);
		return REASON_BAD_URL;
	}
	if (leg->visited_n == 0 && redirect_text(&from, to) == 0)
		seen_before(leg, to);
	if (leg->visited_n > LEG_REDIRECTS_MAX) {
		say_text(leg, "more than 5 redirects");
		return REASON_REMOTE_STATUS;
	}
	if (seen_before(leg, joined)) {
		leg_say(leg, "redirects lead back to ", location);
		return REASON_REMOTE_STATUS;
	}
	free(leg->location);
	leg->location = strdup(joined);
	if (!leg->location)
		return REASON_NO_MEMORY;
	leg->redirected = true;
	return REASON_REMOTE_REDIRECT;
}

/* ---- the end of a session -------------------------------------------------------------------- */

/* A session's own reason, as seen from a leg. */
static enum reason remote_reason(struct leg *leg, enum reason why)
{
	switch (why) {
	case REASON_PEER_CLOSED:
	case REASON_PEER_RESET:
		return REASON_REMOTE_CLOSED;
	case REASON_TOO_SLOW:
	case REASON_SEND_STALLED:
		return REASON_REMOTE_SLOW;
	case REASON_NOT_RTMP:
	case REASON_BAD_HANDSHAKE:
	case REASON_BAD_CHUNK:
	case REASON_BAD_CONTROL:
	case REASON_BAD_COMMAND:
	case REASON_BAD_FLV:
	case REASON_BAD_MEDIA:
	case REASON_BAD_HTTP:
		if (!leg->said[0])
			say_text(leg, reason_help(why));
		return REASON_REMOTE_PROTOCOL;
	default:
		return why;
	}
}

void leg_ended(struct leg_session *ls, enum reason why)
{
	struct leg *leg = ls->leg;

	if (!leg || leg->removed)
		return;
	if (why == REASON_SOURCE_LOST) {
		leg_set_state(leg, SHM_RELAY_WAITING, why);
	} else if (!leg->redirected) {
		if (why == REASON_TLS_RECORD)
			say_text(leg, tls_text(&ls->session, why));
		leg_fail(leg, remote_reason(leg, why));
	}
}

void leg_gone(struct leg_session *ls)
{
	struct leg *leg = ls->leg;

	if (!leg)
		return;
	leg->client = NULL;
	if (leg->removed) {
		leg_let_go(leg);
	} else if (leg->redirected) {
		leg->redirected = false;
		leg_resolve(leg);
	} else if (leg->state == SHM_RELAY_WAITING) {
		leg_await(leg, REASON_SOURCE_LOST);
	}
}

/* ---- begin and remove ------------------------------------------------------------------------ */

void leg_begin(struct mail *m, struct core *core)
{
	struct leg *leg = container_of(m, struct leg, begin);

	if (leg->push)
		leg_await(leg, REASON_NONE);
	else
		leg_resolve(leg);
}

void leg_remove(struct mail *m, struct core *core)
{
	struct leg *leg = container_of(m, struct leg, remove);

	leg->removed = true;
	count_active(leg, leg->state, 0);
	wheel_cancel(&core->wheel, &leg->timer);
	if (leg->client && leg->client->leave)
		leg->client->leave(leg->client);
	else if (leg->client)
		session_close(&leg->client->session, REASON_REMOVED);
	leg_let_go(leg);
}
