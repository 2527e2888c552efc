/* SPDX-License-Identifier: Apache-2.0 */
/* Which streams there are: names, references, and the end of a stream. */
#include "core/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "core/shm.h"
#include "core/stream_writer.h"

#define GRAVE_US 5000u /* between two looks whether a dead stream's readers are gone */

struct registry {
	pthread_mutex_t lock;
	struct engine *engine;
	uint64_t seed; /* names come from peers: who knows the order of buckets could fill one */
	unsigned live, max;
	uint32_t mask;
	LIST_HEAD(, stream) all; /* ended ones too, until they are freed */
	struct stream *bucket[];
};

static uint32_t bucket_of(const struct registry *r, const char *key)
{
	uint64_t h = r->seed;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 0x100000001b3u;
	h ^= h >> 32;
	return (uint32_t)(h * 0x9e3779b97f4a7c15u >> 32) & r->mask;
}

static struct stream *lookup(struct registry *r, const char *key)
{
	struct stream *s = r->bucket[bucket_of(r, key)];

	while (s && strcmp(s->key, key))
		s = s->hash_next;
	return s;
}

static void unlink_name(struct registry *r, struct stream *s)
{
	struct stream **at = &r->bucket[bucket_of(r, s->key)];

	while (*at != s)
		at = &(*at)->hash_next;
	*at = s->hash_next;
	r->live--;
}

/* ---- a stream's memory ---- */

struct stream_memory {
	struct stream stream;
	struct stream_writer writer;
};

static void stream_free(struct stream *s)
{
	struct engine *e = s->engine;

	for (unsigned f = 0; f < STREAM_LOGS_MAX; f++)
		wlog_free(stream_own_log(s, f));
	core_uncount(stream_home(s), CTR_LOG_BLOCKS, s->writer->blocks);
	headers_free(s);
	if (s->writer->room.mem)
		buf_fini(&s->writer->room);
	if (s->shm)
		shm_stream_give(e->shm, s->slot);
	free(container_of(s, struct stream_memory, stream));
}

static bool is_held(const struct stream *s)
{
	for (unsigned f = 0; f < STREAM_LOGS_MAX; f++) {
		struct wlog *log = stream_own_log(s, f);

		if (log && wlog_is_held(log))
			return true;
	}
	return false;
}

static void grave_fire(struct timer *t, uint64_t now_us)
{
	struct stream *s = container_of(t, struct stream, grave);
	struct registry *r = s->engine->registry;

	if (!quiet_passed(s->engine->quiet, s->grave_stamp) || is_held(s)) {
		wheel_arm(&stream_home(s)->wheel, t, now_us + GRAVE_US);
		return;
	}
	pthread_mutex_lock(&r->lock);
	LIST_REMOVE(s, all);
	pthread_mutex_unlock(&r->lock);
	stream_free(s);
}

/* No reference is left; cores that just gave one up may still be reading in their present turn. */
static void bury(struct mail *m, struct core *home)
{
	struct stream *s = container_of(m, struct stream, bury);

	s->grave_stamp = quiet_stamp(s->engine->quiet);
	s->grave.fire = grave_fire;
	wheel_arm(&home->wheel, &s->grave, home->now_us + GRAVE_US);
}

static struct stream *stream_new(struct engine *e, struct core *home, const char *key)
{
	struct stream_memory *both = calloc(1, sizeof(*both));
	struct stream *s;
	struct wlog *log;

	if (!both)
		return NULL;
	s = &both->stream;
	s->writer = &both->writer;
	s->engine = e;
	s->home = home->id;
	memcpy(s->key, key, strlen(key) + 1);
	s->bury.run = bury;
	atomic_init(&s->refs, 1);
	log = stream_new_log(s, WIRE_RTMP);
	home->allocs += 2;
	if (!log) {
		stream_free(s);
		return NULL;
	}
	stream_add_log(s, WIRE_RTMP, log);
	timeline_init(&s->writer->timeline, !strcmp(engine_conf(e)->stream_time, "zero"));
	s->writer->video_gap = true;
	return s;
}

/* ---- the registry ---- */

struct registry *registry_new(struct engine *e, unsigned streams_max)
{
	uint32_t buckets = 64;
	struct registry *r;

	while (buckets < streams_max && buckets < 1u << 30)
		buckets *= 2;
	r = calloc(1, sizeof(*r) + buckets * sizeof(r->bucket[0]));
	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	LIST_INIT(&r->all);
	r->engine = e;
	r->max = streams_max;
	r->mask = buckets - 1;
	if (getrandom(&r->seed, sizeof(r->seed), 0) != sizeof(r->seed))
		r->seed = clock_us();
	return r;
}

void registry_free(struct registry *r)
{
	struct stream *s;

	if (!r)
		return;
	while ((s = LIST_FIRST(&r->all))) {
		LIST_REMOVE(s, all);
		stream_free(s);
	}
	pthread_mutex_destroy(&r->lock);
	free(r);
}

unsigned registry_count(struct registry *r)
{
	unsigned n;

	pthread_mutex_lock(&r->lock);
	n = r->live;
	pthread_mutex_unlock(&r->lock);
	return n;
}

struct stream *stream_find(struct registry *r, const char *key)
{
	struct stream *s;

	pthread_mutex_lock(&r->lock);
	s = lookup(r, key);
	if (s)
		stream_get(s);
	pthread_mutex_unlock(&r->lock);
	return s;
}

/* The limits as they are now; asked again when the stream is put in. Under the lock. */
static int admit(struct registry *r, const char *key)
{
	if (lookup(r, key))
		return -EEXIST;
	return r->live >= r->max ? -ENOSPC : 0;
}

static int put_in(struct registry *r, struct stream *s)
{
	uint32_t at = bucket_of(r, s->key);
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = admit(r, s->key);
	if (!rc) {
		s->hash_next = r->bucket[at];
		r->bucket[at] = s;
		r->live++;
		LIST_INSERT_HEAD(&r->all, s, all);
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int stream_publish(struct registry *r, struct core *home, const char *key, bool internal,
		   struct stream **out)
{
	struct stream *s;
	int rc;

	if (!*key || strlen(key) >= sizeof(s->key))
		return -EINVAL;
	pthread_mutex_lock(&r->lock);
	rc = admit(r, key);
	pthread_mutex_unlock(&r->lock);
	if (rc)
		return rc;
	s = stream_new(r->engine, home, key);
	if (!s)
		return -ENOMEM;
	s->internal = internal;
	rc = shm_stream_take(r->engine->shm, key, &s->slot);
	if (!rc) {
		s->shm = shm_stream_of(r->engine->shm, s->slot);
		shm_set(&s->shm->internal, internal);
		shm_set(&s->shm->publish_wall_ms, clock_wall_ms());
		rc = put_in(r, s);
	}
	if (rc) {
		stream_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void stream_end(struct stream *s, struct core *home, enum reason why)
{
	struct registry *r = s->engine->registry;

	stream_flush(s, home);
	shm_set(&s->shm->publish_wall_ms, 0);
	atomic_store_explicit(&s->end_reason, why, memory_order_relaxed);
	/* After the last bytes: who sees the end sees them too. */
	atomic_store_explicit(&s->state, STREAM_ENDED, memory_order_release);
	pthread_mutex_lock(&r->lock);
	unlink_name(r, s);
	pthread_mutex_unlock(&r->lock);
	stream_put(s, home);
}

struct stream *stream_get(struct stream *s)
{
	must(atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed) > 0);
	return s;
}

void stream_put(struct stream *s, struct core *core)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	if (core && core->id == s->home)
		bury(&s->bury, core);
	else
		mail_post(stream_home(s), &s->bury);
}

void registry_each(struct registry *r, void (*each)(void *arg, struct stream *s), void *arg)
{
	struct stream **list, *s;
	unsigned n = 0;

	pthread_mutex_lock(&r->lock);
	list = malloc((r->live + 1) * sizeof(*list));
	for (uint32_t i = 0; list && i <= r->mask; i++)
		for (s = r->bucket[i]; s; s = s->hash_next)
			list[n++] = stream_get(s);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < n; i++) {
		each(arg, list[i]);
		stream_put(list[i], NULL);
	}
	free(list);
}
