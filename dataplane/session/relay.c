/* SPDX-License-Identifier: Apache-2.0 */
#include "session/relay.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/log.h"
#include "core/shm.h"
#include "media/http_basic.h"
#include "session/ctl_request.h"
#include "session/dial.h"
#include "session/leg.h"

#define BUCKETS 4096u

LIST_HEAD(leg_list, leg);

/* Every leg that is listed, by id; waiting pushes by stream too. Never locked on the media path. */
static struct {
	pthread_mutex_t lock;
	struct engine *engine;
	struct leg_list by_id[BUCKETS], waiting[BUCKETS];
	struct leg_list removed; /* unlisted, still on its core */
	unsigned n;
	_Atomic unsigned waiting_n;
	_Atomic uint64_t push_until_us;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint32_t hash_n(const char *text, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)text[i]) * 16777619u;
	return h;
}

static struct leg_list *bucket_of(struct leg_list *in, const char *text)
{
	return &in[hash_n(text, strlen(text)) % BUCKETS];
}

static struct leg *leg_find(const char *id, bool push)
{
	struct leg *leg;

	LIST_FOREACH (leg, bucket_of(table.by_id, id), link)
		if (leg->push == push && strcmp(leg->id, id) == 0)
			return leg;
	return NULL;
}

void relay_push_until(uint64_t until_us)
{
	atomic_store_explicit(&table.push_until_us, until_us, memory_order_relaxed);
}

uint64_t relay_push_left_ms(uint64_t now_us)
{
	uint64_t until_us = atomic_load_explicit(&table.push_until_us, memory_order_relaxed);

	if (!until_us)
		return UINT64_MAX;
	return until_us > now_us ? (until_us - now_us + 999) / 1000 : 0;
}

/* The legs of one task have the same id up to the first ':' and share a core. */
static struct core *core_for(struct engine *e, const char *id)
{
	return e->cores[hash_n(id, strcspn(id, ":")) % e->cores_n];
}

/* ---- checks of a new leg --------------------------------------------------------------------- */

static const char *scheme_rule(const struct url *u, bool push)
{
	static const char http[] = "schemes http and https are not supported for a destination; "
				   "use rtmp or rtmps";

	switch (u->scheme) {
	case URL_RTMP:
	case URL_RTMPS:
		return NULL;
	case URL_HTTP:
	case URL_HTTPS:
		return push ? http : NULL;
	case URL_SRT:
		return "scheme srt is not supported by this build";
	case URL_RTSP:
		return "scheme rtsp is not supported by this build";
	default:
		return "scheme must be rtmp, rtmps, or http or https for an HTTP-FLV source";
	}
}

static bool is_rtmp(const struct url *u)
{
	return u->scheme == URL_RTMP || u->scheme == URL_RTMPS;
}

static const char *userinfo_rule(const struct url *u)
{
	char basic[HTTP_BASIC_MAX];

	if (!u->userinfo[0])
		return NULL;
	if (is_rtmp(u))
		return "RTMP has no common way to send user and password (Adobe's authentication "
		       "is not supported); put what the server wants into the path or the query";
	return http_basic(basic, u) ? "user or password has a bad percent-escape" : NULL;
}

static bool is_own(const union net_addr *a)
{
	return net_place_of(a) == NET_BYPASS || net_addr_is_local(a);
}

/* Whether `at` ("host:port" of a listener) takes connections to that address. */
static bool listener_matches(const char *at, const union net_addr *to)
{
	static const struct ip any = {0};
	struct ip to_ip = net_addr_ip(to), own_ip;
	union net_addr own;

	if (net_addr_parse(&own, at) || own.in.sin_port != to->in.sin_port)
		return false;
	own_ip = net_addr_ip(&own);
	if (memcmp(&own_ip, &to_ip, sizeof(to_ip)) == 0)
		return true;
	if (own.sa.sa_family == AF_INET)
		return own.in.sin_addr.s_addr == htonl(INADDR_ANY) && ip_is_v4(&to_ip) &&
		       is_own(to);
	return memcmp(&own_ip, &any, sizeof(any)) == 0 && is_own(to);
}

static bool own_listener(const char *listeners, const union net_addr *to)
{
	char list[sizeof(((struct config *)0)->rtmp_listen)], *save = NULL;

	snprintf(list, sizeof(list), "%s", listeners);
	for (char *at = strtok_r(list, " ", &save); at; at = strtok_r(NULL, " ", &save))
		if (listener_matches(at, to))
			return true;
	return false;
}

/* The stream that u means on a Millrace; false if none. */
static bool url_stream(const struct url *u, char key[STREAM_KEY_MAX])
{
	char app[512], stream[2048], tc_url[1024], suffix[16], target[2100];
	const char *field, *rule;
	struct stream_name name;

	if (is_rtmp(u)) {
		if (url_rtmp_split(u, app, stream, tc_url, &rule) ||
		    stream_name_rtmp(&name, (struct slice){(uint8_t *)tc_url, strlen(tc_url)},
				     (struct slice){(uint8_t *)app, strlen(app)},
				     (struct slice){(uint8_t *)stream, strlen(stream)}, &field,
				     &rule))
			return false;
	} else {
		int n = snprintf(target, sizeof(target), "%s%s%s", u->path, u->query[0] ? "?" : "",
				 u->query);

		if (stream_name_http(&name, (struct slice){(uint8_t *)target, (size_t)n},
				     (struct slice){(const uint8_t *)u->host, strlen(u->host)},
				     suffix, &field, &rule))
			return false;
	}
	stream_key(key, &name);
	return true;
}

bool relay_meets_itself(const struct config *conf, const struct url *u, const union net_addr *to,
			const char *stream)
{
	const char *const listeners[] = {
		[URL_RTMP] = conf->rtmp_listen,
		[URL_RTMPS] = conf->rtmps_listen,
		[URL_HTTP] = conf->http_listen,
		[URL_HTTPS] = conf->https_listen,
	};
	char key[STREAM_KEY_MAX];

	/* The name first: asking about addresses costs system calls. */
	return url_stream(u, key) && strcmp(key, stream) == 0 &&
	       own_listener(listeners[u->scheme], to);
}

/* What is known before the name is resolved; the leg looks at every address once more. */
static bool literal_meets_itself(const struct config *conf, const struct url *u, const char *stream)
{
	char text[sizeof(u->host) + 16];
	union net_addr to;

	snprintf(text, sizeof(text), u->v6 ? "[%s]:%u" : "%s:%u", u->host, u->port);
	return net_addr_parse(&to, text) == 0 && relay_meets_itself(conf, u, &to, stream);
}

bool relay_id_ok(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");

	return n > 0 && id[n] == '\0' && n < sizeof(((struct shm_relay *)0)->id);
}

/* NONE and the stream's normal form in `key`, or why not. */
static enum reason spec_check(struct engine *e, const struct relay_spec *spec,
			      char key[STREAM_KEY_MAX], const char **rule)
{
	char app[512], stream[2048], tc_url[1024];
	struct stream_name name;
	struct url url;

	*rule = "must be 1 to 63 letters, digits, or any of . _ : -";
	if (!relay_id_ok(spec->id))
		return REASON_BAD_NAME;
	if (stream_name_key(&name, spec->stream, rule))
		return REASON_BAD_NAME;
	stream_key(key, &name);
	if (url_parse(&url, spec->url, rule))
		return REASON_BAD_URL;
	*rule = scheme_rule(&url, spec->push);
	if (*rule)
		return REASON_BAD_URL;
	*rule = userinfo_rule(&url);
	if (*rule)
		return REASON_BAD_URL;
	if (is_rtmp(&url) && url_rtmp_split(&url, app, stream, tc_url, rule))
		return REASON_BAD_URL;
	*rule = spec->push ? "pushes to itself" : "pulls from itself";
	if (literal_meets_itself(engine_conf(e), &url, key))
		return REASON_BAD_URL;
	*rule = NULL;
	return REASON_NONE;
}

/* ---- create, remove, list -------------------------------------------------------------------- */

static void leg_destroy(struct leg *leg)
{
	free(leg->id);
	free(leg->url);
	free(leg->stream);
	free(leg->location);
	free(leg);
}

static struct leg *leg_make(struct engine *e, const struct relay_spec *spec, const char *key)
{
	struct leg *leg = calloc(1, sizeof(*leg));

	if (!leg)
		return NULL;
	leg->id = strdup(spec->id);
	leg->url = strdup(spec->url);
	leg->stream = strdup(key);
	if (!leg->id || !leg->url || !leg->stream || shm_relay_take(e->shm, spec->id, &leg->slot)) {
		leg_destroy(leg);
		return NULL;
	}
	leg->push = spec->push;
	leg->internal = spec->internal;
	leg->bridge = spec->bridge;
	leg->core = core_for(e, spec->id);
	leg->shm = shm_relay_of(e->shm, leg->slot);
	shm_set(&leg->shm->is_push, spec->push);
	shm_set(&leg->shm->state, spec->push ? SHM_RELAY_WAITING : SHM_RELAY_CONNECTING);
	leg->begin.run = leg_begin;
	leg->remove.run = leg_remove;
	leg->wake.run = leg_wake;
	return leg;
}

int relays_init(struct engine *e)
{
	struct conf_error err;
	char text[sizeof(err.text)];

	table.engine = e;
	if (dial_trust(engine_conf(e), &err) == 0)
		return 0;
	log_error("relay", "message=%s", log_q(text, sizeof(text), err.text));
	return -EINVAL;
}

void relays_fini(struct engine *e)
{
	struct leg *leg;

	for (unsigned i = 0; i < BUCKETS; i++)
		while ((leg = LIST_FIRST(&table.by_id[i]))) {
			LIST_REMOVE(leg, link);
			leg_destroy(leg);
		}
	while ((leg = LIST_FIRST(&table.removed))) {
		LIST_REMOVE(leg, link);
		leg_destroy(leg);
	}
	memset(table.waiting, 0, sizeof(table.waiting));
	table.n = 0;
	table.waiting_n = 0;
	table.engine = NULL;
	dial_forget();
}

enum reason relay_create(struct engine *e, const struct relay_spec *spec, bool *conflict,
			 const char **rule)
{
	char key[STREAM_KEY_MAX];
	enum reason why = spec_check(e, spec, key, rule);
	struct leg *leg;

	*conflict = false;
	if (why != REASON_NONE)
		return why;
	pthread_mutex_lock(&table.lock);
	leg = leg_find(spec->id, spec->push);
	if (leg) {
		*conflict = strcmp(leg->url, spec->url) != 0 || strcmp(leg->stream, key) != 0 ||
			    leg->internal != spec->internal;
		goto out;
	}
	*rule = "limits.relays is reached";
	why = REASON_CAP_RELAYS;
	if (table.n >= (unsigned)engine_conf(e)->limit_relays)
		goto out;
	*rule = "no memory for another relay";
	why = REASON_NO_MEMORY;
	leg = leg_make(e, spec, key);
	if (!leg)
		goto out;
	why = REASON_NONE;
	LIST_INSERT_HEAD(bucket_of(table.by_id, leg->id), leg, link);
	leg->listed = true;
	table.n++;
	mail_post(leg->core, &leg->begin);
out:
	pthread_mutex_unlock(&table.lock);
	return why;
}

/* Under the lock. */
static void unlist(struct leg *leg)
{
	LIST_REMOVE(leg, link);
	LIST_INSERT_HEAD(&table.removed, leg, link);
	leg->listed = false;
	table.n--;
	mail_post(leg->core, &leg->remove);
}

bool relay_remove(struct engine *e, const char *id, bool push)
{
	struct leg *leg;

	pthread_mutex_lock(&table.lock);
	leg = leg_find(id, push);
	if (leg)
		unlist(leg);
	pthread_mutex_unlock(&table.lock);
	return leg != NULL;
}

void relay_remove_pushes(struct engine *e)
{
	struct leg *leg, *next;

	pthread_mutex_lock(&table.lock);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (leg = LIST_FIRST(&table.by_id[i]); leg; leg = next) {
			next = LIST_NEXT(leg, link);
			if (leg->push)
				unlist(leg);
		}
	pthread_mutex_unlock(&table.lock);
}

unsigned relay_bridges(struct engine *e, unsigned *not_yet)
{
	struct leg *leg, *next;
	unsigned n = 0;

	*not_yet = 0;
	pthread_mutex_lock(&table.lock);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (leg = LIST_FIRST(&table.by_id[i]); leg; leg = next) {
			uint64_t state = shm_get(&leg->shm->state);

			next = LIST_NEXT(leg, link);
			if (!leg->bridge)
				continue;
			if (state == SHM_RELAY_FAILED) {
				unlist(leg);
				continue;
			}
			n++;
			*not_yet += state != SHM_RELAY_RUNNING;
		}
	pthread_mutex_unlock(&table.lock);
	return n;
}

static json_t *leg_json(const struct leg *leg)
{
	char url[sizeof(((struct relay_spec *)0)->url)], digest[DIGEST_TEXT];
	json_t *o = json_pack("{s:o, s:o, s:s, s:o, s:s, s:s, s:i, s:i}", "id", ctl_text(leg->id),
			      "url", ctl_text(log_url(url, sizeof(url), leg->url)), "url_digest",
			      digest_text(digest, leg->url), "stream", ctl_text(leg->stream),
			      "state", leg_state_name((unsigned)shm_get(&leg->shm->state)),
			      "reason", reason_name((unsigned)shm_get(&leg->shm->reason)), "slot",
			      (int)leg->slot, "core", (int)leg->core->id);

	if (o && leg->detail[0])
		json_object_set_new(o, "detail", ctl_text(leg->detail));
	return o;
}

json_t *relay_list(struct engine *e, bool push)
{
	json_t *list = json_array();
	struct leg *leg;

	pthread_mutex_lock(&table.lock);
	for (unsigned i = 0; list && i < BUCKETS; i++)
		LIST_FOREACH (leg, &table.by_id[i], link)
			if (leg->push == push && !leg->bridge)
				json_array_append_new(list, leg_json(leg));
	pthread_mutex_unlock(&table.lock);
	return list;
}

/* ---- for legs, on their cores ---------------------------------------------------------------- */

void relay_await(struct leg *leg, bool on)
{
	pthread_mutex_lock(&table.lock);
	if (on && !leg->waiting && !leg->waking && leg->listed) {
		LIST_INSERT_HEAD(bucket_of(table.waiting, leg->stream), leg, waiting_link);
		leg->waiting = true;
		table.waiting_n++;
	} else if (!on && leg->waiting) {
		LIST_REMOVE(leg, waiting_link);
		leg->waiting = false;
		table.waiting_n--;
	}
	pthread_mutex_unlock(&table.lock);
}

void relay_note(struct leg *leg, const char *detail)
{
	pthread_mutex_lock(&table.lock);
	snprintf(leg->detail, sizeof(leg->detail), "%s", detail);
	pthread_mutex_unlock(&table.lock);
}

void relay_woken(struct leg *leg)
{
	pthread_mutex_lock(&table.lock);
	leg->waking = false;
	pthread_mutex_unlock(&table.lock);
}

void relay_free(struct leg *leg)
{
	bool still_used;

	relay_await(leg, false);
	pthread_mutex_lock(&table.lock);
	still_used = leg->waking;
	if (!still_used)
		LIST_REMOVE(leg, link);
	pthread_mutex_unlock(&table.lock);
	if (still_used)
		return;
	shm_relay_give(table.engine->shm, leg->slot);
	leg_destroy(leg);
}

void relays_stream_live(const char *key)
{
	struct leg *leg, *next;

	if (atomic_load(&table.waiting_n) == 0)
		return;
	pthread_mutex_lock(&table.lock);
	for (leg = LIST_FIRST(bucket_of(table.waiting, key)); leg; leg = next) {
		next = LIST_NEXT(leg, waiting_link);
		if (strcmp(leg->stream, key) != 0)
			continue;
		LIST_REMOVE(leg, waiting_link);
		leg->waiting = false;
		table.waiting_n--;
		leg->waking = true;
		mail_post(leg->core, &leg->wake);
	}
	pthread_mutex_unlock(&table.lock);
}
