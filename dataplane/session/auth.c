/* SPDX-License-Identifier: Apache-2.0 */
#include "session/auth.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "session/auth_remote.h"
#include "session/blocks.h"
#include "session/domains.h"
#include "session/events.h"
#include "session/hops.h"
#include "session/inner.h"

#define PATH_MAX_BYTES 512 /* of a path as it may have been signed */

/* A viewer whose domain wants to know when it comes and goes. */
struct viewer_note {
	bool started;
	char domain[DOMAIN_NAME_MAX], params[1024];
};

/* ---- addresses and referers ---- */

static bool ranges_hold(const struct domain_ranges *r, const struct ip *ip)
{
	for (unsigned i = 0; i < r->n; i++)
		if (cidr_holds(&r->range[i], ip))
			return true;
	return false;
}

static bool ips_allow(const struct domain_ips *ips, const struct ip *ip)
{
	if (ranges_hold(&ips->deny, ip))
		return false;
	return !ips->allow.n || ranges_hold(&ips->allow, ip);
}

static bool address_allowed(const struct domain *d, const struct session *s, enum auth_kind kind)
{
	struct ip ip = net_addr_ip(&s->conn->peer);

	return ips_allow(kind == AUTH_PUBLISH && d->ip_publish.given ? &d->ip_publish : &d->ip,
			 &ip);
}

/* "http://user@Host:80/page" gives "Host". */
static struct slice host_of(struct slice url)
{
	const uint8_t *mark = memmem(url.p, url.n, "://", 3), *end, *at;
	size_t n;

	if (mark)
		url = (struct slice){mark + 3, url.n - (size_t)(mark + 3 - url.p)};
	for (n = 0; n < url.n && !strchr("/?#", url.p[n]);)
		n++;
	at = memrchr(url.p, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - url.p);
		url.p = at + 1;
	}
	end = memchr(url.p, ':', n);
	return (struct slice){url.p, end ? (size_t)(end - url.p) : n};
}

static bool host_matches(const char *pattern, struct slice host)
{
	size_t n;

	if (!strcmp(pattern, "*"))
		return true;
	if (pattern[0] != '*') {
		n = strlen(pattern);
		return host.n == n && !strncasecmp((const char *)host.p, pattern, n);
	}
	n = strlen(++pattern); /* ".example.com" */
	return host.n > n && !strncasecmp((const char *)host.p + host.n - n, pattern, n);
}

/* Whoever links to the stream: a browser says so by HTTP, nobody does by RTMP. */
static bool referer_allowed(const struct domain *d, const struct auth_request *q)
{
	struct slice host;
	bool listed = false;

	if (d->referer == DOMAIN_REFERER_OFF || !q->suffix)
		return true;
	if (!q->referer.n)
		return d->referer_empty;
	host = host_of(q->referer);
	for (unsigned i = 0; i < d->referers_n && !listed; i++)
		listed = host_matches(d->referers[i], host);
	return listed == (d->referer == DOMAIN_REFERER_ALLOW);
}

/* ---- signatures ---- */

/* What signers percent-encode: all but letters, digits and "-._~/". */
static void encode(char dst[PATH_MAX_BYTES], const char *plain)
{
	char *end = dst + PATH_MAX_BYTES - 4;

	for (; *plain && dst < end; plain++) {
		uint8_t c = (uint8_t)*plain;

		if (isalnum(c) || strchr("-._~/", c))
			*dst++ = (char)c;
		else
			dst += sprintf(dst, "%%%02X", c);
	}
	*dst = '\0';
}

/* The paths of a request that may have been signed: as it was written, plain, encoded, the master's. */
struct signed_paths {
	char text[SIGN_PATHS_MAX][PATH_MAX_BYTES];
	const char *path[SIGN_PATHS_MAX];
};

static void paths_of(struct signed_paths *out, const struct auth_request *q)
{
	const struct stream_name *name = q->name;
	const char *suffix = q->suffix ? q->suffix : "";
	int n = snprintf(out->text[0], PATH_MAX_BYTES, "/%s/%s%s%s", name->app, name->name,
			 *suffix ? "." : "", suffix);

	memset(out->path, 0, sizeof(out->path));
	must(n > 0 && n < PATH_MAX_BYTES);
	out->path[0] = out->text[0];
	encode(out->text[1], out->text[0]);
	if (strcmp(out->text[0], out->text[1]) != 0)
		out->path[1] = out->text[1];
	if (q->path.n && q->path.n < PATH_MAX_BYTES) {
		memcpy(out->text[2], q->path.p, q->path.n);
		out->text[2][q->path.n] = '\0';
		if (strcmp(out->text[0], out->text[2]) != 0)
			out->path[2] = out->text[2];
	}
	if (strcmp(suffix, "m3u8") != 0)
		return;
	snprintf(out->text[3], PATH_MAX_BYTES, "/%s/%s/master.m3u8", name->app, name->name);
	out->path[3] = out->text[3];
}

static enum reason check_signature(struct auth *a, const struct domain *d,
				   const struct auth_request *q)
{
	bool wanted = q->kind == AUTH_PUBLISH ? d->sign_publish : d->sign_play;
	uint64_t until_s, now_s = clock_wall_ms() / 1000;
	struct signed_paths paths;

	if (!wanted || d->sign.type == SIGN_NONE)
		return REASON_NONE;
	paths_of(&paths, q);
	switch (sign_check(&d->sign, paths.path, SIGN_PATHS_MAX, q->name->params, now_s,
			   &until_s)) {
	case SIGN_OK:
		if (d->sign_cut)
			a->until_s = until_s;
		return REASON_NONE;
	case SIGN_EXPIRED:
		return REASON_AUTH_EXPIRED;
	case SIGN_MISMATCH:
		return REASON_AUTH_MISMATCH;
	case SIGN_MISSING:
	case SIGN_MALFORMED:
		break;
	}
	return REASON_AUTH_MISSING;
}

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
	enum reason why;

	if (!d || d->type != type)
		return REASON_DOMAIN_UNKNOWN;
	if (!d->enabled)
		return REASON_DOMAIN_DISABLED;
	if (!address_allowed(d, s, q->kind))
		return REASON_IP_DENIED;
	if (!referer_allowed(d, q))
		return REASON_REFERER_DENIED;
	why = check_signature(a, d, q);
	if (why == REASON_NONE && q->kind == AUTH_PUBLISH && blocks_has(key))
		why = REASON_FORBIDDEN;
	return why;
}

/* What its domain has for a viewer. Without memory its coming is not told. */
static void serve(struct auth *a, struct session *s, const struct domain *d,
		  const struct auth_request *q)
{
	const struct stream_name *name = q->name;

	a->play = domain_play_rules(d, name->app, engine_conf(s->core->engine));
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

enum reason auth_check(struct auth *a, struct session *s, const struct auth_request *q, char *key,
		       void (*answered)(struct auth *a, const struct stream_name *name,
					enum reason why))
{
	enum reason why;

	must(!a->wait && !(a->note && a->note->started));
	note_free(a, s);
	*a = (struct auth){0};
	if (q->kind == AUTH_PLAY && hops_have_me(engine_conf(s->core->engine), q->name->params))
		why = REASON_PULL_LOOP;
	else
		why = check(a, s, q, key, answered);
	if (why == REASON_NONE && q->kind == AUTH_PLAY) {
		serve(a, s, a->inner ? NULL : domain_find(q->name->domain), q);
	} else if (why != REASON_NONE) {
		core_count(s->core, CTR_AUTH_REFUSED, 1);
		stream_key(key, q->name);
	}
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
	return a->until_s && a->until_s * 1000 <= clock_wall_ms();
}

uint64_t auth_left_ms(const struct auth *a)
{
	uint64_t now_ms = clock_wall_ms();

	if (!a->until_s)
		return 0;
	return a->until_s * 1000 > now_ms ? a->until_s * 1000 - now_ms : 1;
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
