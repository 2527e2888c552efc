/* SPDX-License-Identifier: Apache-2.0 */
#include "session/auth.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "session/admission.h"
#include "session/auth_remote.h"
#include "session/blocks.h"
#include "session/domains.h"
#include "session/events.h"
#include "session/hops.h"
#include "session/inner.h"

/* A viewer whose domain wants to know when it comes and goes. */
struct viewer_note {
	bool started;
	char domain[DOMAIN_NAME_MAX], params[1024];
};

/* ---- the question ---- */

/* Without any domain: whom the default one is open for. */
static enum reason check_open(const struct session *s)
{
	struct ip ip = net_addr_ip(&s->conn->peer);

	if (engine_conf(s->core->engine)->domain_open || s->local || ip_is_loopback(&ip))
		return REASON_NONE;
	return REASON_DOMAIN_UNKNOWN;
}

static enum reason check_domain(struct auth *a, struct session *s, const struct domain *d,
				const struct auth_request *q, const char *key)
{
	enum domain_type type = q->kind == AUTH_PUBLISH ? DOMAIN_INGEST : DOMAIN_PLAY;
	struct ip from = net_addr_ip(&s->conn->peer);
	struct admitted by;
	enum reason why;

	if (!d || d->type != type)
		return REASON_DOMAIN_UNKNOWN;
	if (!d->enabled)
		return REASON_DOMAIN_DISABLED;
	why = admission(d, q, &from, &by);
	if (why == REASON_NONE && q->kind == AUTH_PUBLISH && blocks_has(key))
		why = REASON_FORBIDDEN;
	if (why != REASON_NONE)
		return why;
	a->domain_mark = d->mark;
	a->key_mark = by.key_mark;
	a->until_s = by.until_s;
	return REASON_NONE;
}

/* The documented levels: short to 4 s, medium to 8 s, long. */
static int8_t tick_of(int16_t start_s)
{
	return start_s <= 4 ? TICK_LOW : start_s <= 8 ? TICK_NORMAL : TICK_BULK;
}

/* What its domain has for a viewer. Without memory its coming is not told. */
static void serve(struct auth *a, struct session *s, const struct domain *d,
		  const struct auth_request *q)
{
	const struct stream_name *name = q->name;

	const struct domain_play play =
		domain_play_rules(d, name->app, name->name, engine_conf(s->core->engine));
	int16_t start_s = q->suffix ? play.flv_s : play.rtmp_s;

	a->tick = start_s > 0 && !play.tick_given ? tick_of(start_s) : play.tick;
	a->hls = play.hls;
	a->late.delay_s = (uint16_t)play.delay_s;
	a->late.start_s = (uint8_t)max_of(start_s, 0);
	if (!d)
		return;
	a->triggered = d->triggered;
	a->pull_wait_ms = d->pull_wait_ms;
	a->pull_negative_ms = d->pull_negative_ms;
	a->tells = d->viewer_events;
	/* HLS is many requests: its viewers are told apart elsewhere (hls_viewers.h). */
	if (!a->tells || (q->suffix && !strcmp(q->suffix, "m3u8")))
		return;
	a->note = mem_resize(&s->mem, NULL, 0, sizeof(*a->note));
	if (!a->note)
		return;
	a->note->started = false;
	memcpy(a->note->domain, d->name, sizeof(a->note->domain));
	memcpy(a->note->params, name->params, sizeof(a->note->params));
}

static void note_free(struct auth *a, struct session *s)
{
	if (a->note)
		mem_free(&s->mem, a->note, sizeof(*a->note));
	a->note = NULL;
}

void auth_take_prefix(struct stream_name *name, char prefix[SIGN_PREFIX_MAX])
{
	const struct domain *d = domain_find(name->domain);

	sign_take_prefix(d ? (enum sign_type)d->sign.type : SIGN_NONE, name->app, prefix);
}

static enum reason check(struct auth *a, struct session *s, const struct auth_request *q, char *key,
			 void (*answered)(struct auth *a, const struct stream_name *name,
					  enum reason why))
{
	const struct domain *d = domain_find(q->name->domain);
	enum reason why;

	a->inner = inner_pass(q->name);
	if (a->inner || inner_name(q->name)) {
		stream_key(key, q->name);
		return a->inner ? REASON_NONE : REASON_DOMAIN_OURS;
	}
	domain_stream_key(key, q->name);
	if (domains_state() == DOMAINS_OPEN) {
		why = check_open(s);
		if (why == REASON_NONE && q->kind == AUTH_PUBLISH && blocks_has(key))
			why = REASON_FORBIDDEN;
	} else {
		why = check_domain(a, s, d, q, key);
		if (why == REASON_NONE &&
		    (q->kind == AUTH_PUBLISH ? d->remote.publish : d->remote.play))
			why = auth_remote(a, s, d, q, answered);
	}
	return why;
}

enum reason auth_check(struct auth *a, struct session *s, struct auth_request *q, char *key,
		       void (*answered)(struct auth *a, const struct stream_name *name,
					enum reason why))
{
	char prefix[SIGN_PREFIX_MAX];
	enum reason why;

	must(!a->wait && !(a->note && a->note->started));
	note_free(a, s);
	*a = (struct auth){0};
	auth_take_prefix(q->name, prefix);
	q->prefix = prefix;
	if (q->kind == AUTH_PLAY && hops_have_me(engine_conf(s->core->engine), q->name->params))
		why = REASON_PULL_LOOP;
	else
		why = check(a, s, q, key, answered);
	q->prefix = "";
	if (why == REASON_NONE && q->kind == AUTH_PLAY) {
		serve(a, s, a->inner ? NULL : domain_find(q->name->domain), q);
	} else if (why != REASON_NONE) {
		core_count(s->core, CTR_AUTH_REFUSED, 1);
		stream_key(key, q->name);
	}
	if (why == REASON_NONE && !a->inner && !a->wait)
		core_count(s->core, CTR_AUTH_ALLOWED, 1);
	session_describe(s, key);
	return why;
}

unsigned auth_http_status(enum reason why)
{
	switch (why) {
	case REASON_BAD_NAME:
	case REASON_DOMAIN_OURS:
		return 404;
	case REASON_CAP_ASKING:
	case REASON_NO_MEMORY:
		return 503;
	default:
		return 403;
	}
}

/* ---- while it lasts ---- */

bool auth_is_over(const struct auth *a)
{
	return a->until_s && a->until_s * 1000ull <= clock_wall_ms();
}

uint64_t auth_left_ms(const struct auth *a)
{
	uint64_t now_ms = clock_wall_ms();

	if (!a->until_s)
		return 0;
	return a->until_s * 1000ull > now_ms ? a->until_s * 1000ull - now_ms : 1;
}

static void tell(const struct auth *a, struct session *s, bool start, enum reason why)
{
	char id[20], address[NET_ADDR_TEXT] = "";
	struct event_viewer v = {
		.id = session_id_text(id, s),
		.stream = s->about ? s->about : "",
		.domain = a->note->domain,
		.params = start ? a->note->params : "",
		.protocol = s->protocol,
		.address = address,
		.duration_ms = (s->core->now_us - s->since_us) / 1000,
		.bytes = s->conn ? s->conn->bytes_out : 0,
	};

	if (s->conn)
		net_addr_text(address, &s->conn->peer);
	event_viewer(s->core, &v, start, why);
}

void auth_viewer(struct auth *a, struct session *s)
{
	if (a->until_s)
		session_deadline(s, auth_left_ms(a), REASON_AUTH_EXPIRED);
	if (!a->note)
		return;
	a->note->started = true;
	tell(a, s, true, REASON_NONE);
}

void auth_end(struct auth *a, struct session *s, enum reason why)
{
	auth_remote_end(a);
	if (!a->note)
		return;
	if (a->note->started)
		tell(a, s, false, why);
	note_free(a, s);
}
