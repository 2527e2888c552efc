/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_viewers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "base/check.h"
#include "core/shm.h"
#include "core/stream.h"
#include "media/url.h"
#include "net/net.h"
#include "session/domain_config.h"
#include "session/events.h"

#define SHARDS	256u
#define TICK_US 1000000u

/* A viewer of whom somebody wants to know. */
struct hls_viewer_note {
	uint64_t since_us;
	char domain[DOMAIN_NAME_MAX], address[NET_ADDR_TEXT];
};

struct hls_viewer {
	LIST_ENTRY(hls_viewer) shard; /* under its lock */
	LIST_ENTRY(hls_viewer) mine;  /* of the core that counts it */
	uint64_t id;
	struct stream *stream; /* with a reference */
	_Atomic uint64_t until_us;
	struct hls_viewer_note *note; /* or NULL */
};

LIST_HEAD(hls_viewer_list, hls_viewer);

static struct {
	_Atomic uint32_t total;
	struct {
		pthread_mutex_t lock;
		struct hls_viewer_list list;
	} shard[SHARDS];
	struct {
		struct hls_viewer_list mine;
		struct timer timer;
		struct core *core;
	} core[QUIET_CORES_MAX];
	pthread_once_t once;
} all = {.once = PTHREAD_ONCE_INIT};

static void make_locks(void)
{
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_init(&all.shard[i].lock, NULL);
}

/* ---- being counted ---- */

static void count(struct core *c, struct stream *s, uint64_t one)
{
	shm_add(&shm_audience_of(c->engine->shm, s->shm, c->id)->viewers_hls, one);
	core_count(c, CTR_VIEWERS_HLS, one);
}

static void tell(struct core *c, const struct hls_viewer *v, const char *params, bool start,
		 enum reason why)
{
	char id[HLS_VIEWER_TEXT];
	struct event_viewer e = {
		.id = id,
		.stream = v->stream->key,
		.domain = v->note->domain,
		.params = params,
		.protocol = "hls",
		.address = v->note->address,
		.duration_ms = (c->now_us - v->note->since_us) / 1000,
	};

	snprintf(id, sizeof(id), "%016" PRIx64, v->id);
	event_viewer(c, &e, start, why);
}

/* Without memory its coming and going are not told. */
static void note(struct core *c, struct hls_viewer *v, const struct hls_viewer_ask *asked)
{
	v->note = asked->domain ? calloc(1, sizeof(*v->note)) : NULL;
	if (!v->note)
		return;
	c->allocs++;
	v->note->since_us = c->now_us;
	snprintf(v->note->domain, sizeof(v->note->domain), "%s", asked->domain);
	snprintf(v->note->address, sizeof(v->note->address), "%s", asked->address);
	tell(c, v, asked->params, true, REASON_NONE);
}

static void forget(struct core *c, struct hls_viewer *v, enum reason why)
{
	unsigned shard = v->id % SHARDS;

	pthread_mutex_lock(&all.shard[shard].lock);
	LIST_REMOVE(v, shard);
	pthread_mutex_unlock(&all.shard[shard].lock);
	LIST_REMOVE(v, mine);
	count(c, v->stream, (uint64_t)0 - 1);
	if (v->note)
		tell(c, v, "", false, why);
	free(v->note);
	atomic_fetch_sub(&all.total, 1);
	stream_put(v->stream, c);
	free(v);
}

static void tick(struct timer *t, uint64_t now_us)
{
	unsigned i = (unsigned)((char *)t - (char *)&all.core[0].timer) / sizeof(all.core[0]);
	struct core *c = all.core[i].core;
	struct hls_viewer *v, *next;

	for (v = LIST_FIRST(&all.core[i].mine); v; v = next) {
		next = LIST_NEXT(v, mine);
		if (!stream_is_live(v->stream))
			forget(c, v, REASON_STREAM_ENDED);
		else if (now_us > atomic_load_explicit(&v->until_us, memory_order_relaxed))
			forget(c, v, REASON_IDLE_TIMEOUT);
	}
	if (!LIST_EMPTY(&all.core[i].mine))
		wheel_arm(&c->wheel, t, now_us + TICK_US);
}

static bool full(struct core *c, struct stream *s)
{
	int64_t max = engine_conf(c->engine)->limit_viewers, n = 0;

	for (unsigned i = 0; max && i < c->engine->cores_n; i++)
		n += (int64_t)shm_viewers(shm_audience_of(c->engine->shm, s->shm, i));
	return max && n >= max;
}

/* Takes the reference of s. */
static enum reason add(struct core *c, uint64_t id, struct stream *s,
		       const struct hls_viewer_ask *asked)
{
	unsigned shard = id % SHARDS;
	struct hls_viewer *v;

	if (full(c, s))
		return REASON_CAP_VIEWERS;
	if (atomic_load(&all.total) >= (uint64_t)engine_conf(c->engine)->limit_connections)
		return REASON_CAP_CONNECTIONS;
	v = calloc(1, sizeof(*v));
	if (!v)
		return REASON_NO_MEMORY;
	c->allocs++;
	v->id = id;
	v->stream = s;
	atomic_init(&v->until_us, c->now_us + asked->life_us);
	note(c, v, asked);
	atomic_fetch_add(&all.total, 1);
	count(c, s, 1);
	pthread_mutex_lock(&all.shard[shard].lock);
	LIST_INSERT_HEAD(&all.shard[shard].list, v, shard);
	pthread_mutex_unlock(&all.shard[shard].lock);
	LIST_INSERT_HEAD(&all.core[c->id].mine, v, mine);
	if (!timer_armed(&all.core[c->id].timer)) {
		all.core[c->id].core = c;
		all.core[c->id].timer.fire = tick;
		wheel_arm(&c->wheel, &all.core[c->id].timer, c->now_us + TICK_US);
	}
	return REASON_NONE;
}

/* True: it is known. One that belongs to another stream, or to an earlier life of this one, is not. */
static bool touch(uint64_t id, const struct stream *s, uint64_t until_us)
{
	unsigned shard = id % SHARDS;
	struct hls_viewer *v;

	pthread_mutex_lock(&all.shard[shard].lock);
	LIST_FOREACH (v, &all.shard[shard].list, shard)
		if (v->id == id && v->stream == s)
			break;
	if (v)
		atomic_store_explicit(&v->until_us, until_us, memory_order_relaxed);
	pthread_mutex_unlock(&all.shard[shard].lock);
	return v;
}

/* ---- identities ---- */

static uint64_t new_id(void)
{
	uint64_t id;

	must(getrandom(&id, sizeof(id), 0) == sizeof(id));
	return id;
}

static bool given_id(const char *params, uint64_t *id)
{
	char text[HLS_VIEWER_TEXT];

	if (!params_get(params, HLS_VIEWER_PARAM, text, sizeof(text)) || strlen(text) != 16 ||
	    strspn(text, "0123456789abcdef") != 16)
		return false;
	*id = strtoull(text, NULL, 16);
	return true;
}

enum reason hls_viewer_seen(struct core *c, const struct hls_viewer_ask *asked,
			    char text[HLS_VIEWER_TEXT], bool *made)
{
	struct stream *s = stream_find(c->engine->registry, asked->key);
	uint64_t id;
	enum reason why = REASON_NONE;

	pthread_once(&all.once, make_locks);
	*made = !given_id(asked->params, &id);
	if (*made)
		id = new_id();
	snprintf(text, HLS_VIEWER_TEXT, "%016" PRIx64, id);
	if (!s)
		return REASON_NONE; /* it has ended: who is left plays the rest uncounted */
	if (!touch(id, s, c->now_us + asked->life_us)) {
		why = add(c, id, s, asked);
		if (why == REASON_NONE)
			return why;
	}
	stream_put(s, c);
	/* Only the operator's own limit on viewers turns somebody away. */
	return why == REASON_CAP_VIEWERS ? why : REASON_NONE;
}

void hls_viewers_end(struct core *c, enum reason why)
{
	struct hls_viewer *v;

	wheel_cancel(&c->wheel, &all.core[c->id].timer);
	while ((v = LIST_FIRST(&all.core[c->id].mine)))
		forget(c, v, why);
}
