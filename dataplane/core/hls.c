/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "core/hls_writer.h"

#define SETTLE_US 200000u
#define LINGER_US 60000000ull /* a stream that nobody packages stays at least so long */

/* ---- finding ---- */

static _Atomic(struct hls_stream *) *bucket_of(struct hls *h, const char *key)
{
	uint64_t hash = 14695981039346656037ull; /* FNV-1a */

	for (; *key; key++)
		hash = (hash ^ (uint8_t)*key) * 1099511628211ull;
	return &h->bucket[(hash ^ hash >> 32) % array_len(h->bucket)];
}

struct hls_stream *hls_find(struct hls *h, const char *key)
{
	struct hls_stream *s = atomic_load_explicit(bucket_of(h, key), memory_order_acquire);

	while (s && strcmp(s->key, key) != 0)
		s = atomic_load_explicit(&s->next, memory_order_acquire);
	return s;
}

/* ---- streams come and go ---- */

static struct hls_stream *stream_new(const char *key)
{
	struct hls_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->writer = hls_writer_new();
	if (!s->writer) {
		free(s);
		return NULL;
	}
	snprintf(s->key, sizeof(s->key), "%s", key);
	return s;
}

static void stream_free(struct hls_stream *s)
{
	hls_view_free(atomic_load(&s->view));
	hls_writer_free(s->writer);
	free(s);
}

static void stream_add(struct hls *h, struct hls_stream *s)
{
	_Atomic(struct hls_stream *) *bucket = bucket_of(h, s->key);

	atomic_store(&s->next, atomic_load(bucket));
	atomic_store_explicit(bucket, s, memory_order_release);
	TAILQ_INSERT_TAIL(&h->streams, s, all);
}

/* Out of the table; a core may be looking at it until each has passed a quiet point. */
static void stream_del(struct hls *h, struct hls_stream *s)
{
	_Atomic(struct hls_stream *) *at = bucket_of(h, s->key);
	char name[600];

	while (atomic_load(at) != s)
		at = &atomic_load(at)->next;
	atomic_store_explicit(at, atomic_load(&s->next), memory_order_release);
	TAILQ_REMOVE(&h->streams, s, all);
	TAILQ_INSERT_TAIL(&h->dead, s, all);
	s->stamp = quiet_stamp(h->engine->quiet);
	log_info("hls_gone", "stream=%s", log_q(name, sizeof(name), s->key));
}

/* The writer's present state becomes what is read. Without memory the old view stays. */
static void publish(struct hls *h, struct hls_stream *s)
{
	struct hls_view *v = hls_view_new(s->writer, s->owner != NULL), *old;

	if (!v)
		return;
	old = atomic_exchange_explicit(&s->view, v, memory_order_acq_rel);
	if (old) {
		old->stamp = quiet_stamp(h->engine->quiet);
		old->next = h->retired;
		h->retired = old;
	}
	if (h->changed)
		h->changed(h->engine, s->key);
}

struct hls *hls_new(struct engine *e)
{
	struct hls *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->engine = e;
	TAILQ_INIT(&h->streams);
	TAILQ_INIT(&h->dead);
	return h;
}

void hls_free(struct hls *h)
{
	struct hls_stream *s;
	struct hls_view *v;

	if (!h)
		return;
	TAILQ_CONCAT(&h->dead, &h->streams, all);
	while ((s = TAILQ_FIRST(&h->dead))) {
		TAILQ_REMOVE(&h->dead, s, all);
		stream_free(s);
	}
	while ((v = h->retired)) {
		h->retired = v->next;
		hls_view_free(v);
	}
	segments_settle(&h->store);
	free(h);
}

/* ---- what workers do ---- */

int hls_open(struct hls *h, const struct hls_open *o, const void *owner, uint64_t now_us,
	     struct hls_fault *f)
{
	struct hls_stream *s = hls_find(h, o->key);
	const struct hls_fault no_memory = {"limit", "", "no memory", -1};
	bool fresh = !s;

	if (s && s->owner) {
		*f = (struct hls_fault){"conflict", "stream", "is open already", -1};
		return -EINVAL;
	}
	if (fresh)
		s = stream_new(o->key);
	if (!s) {
		*f = no_memory;
		return -EINVAL;
	}
	if (hls_rules_open(s->writer, fresh, o, engine_conf(h->engine), now_us, f)) {
		if (fresh)
			stream_free(s);
		return -EINVAL;
	}
	s->owner = owner;
	s->told_us = now_us;
	atomic_store(&s->asked_us, now_us);
	publish(h, s);
	if (!atomic_load(&s->view)) {
		stream_free(s);
		*f = no_memory;
		return -EINVAL;
	}
	if (fresh)
		stream_add(h, s);
	return 0;
}

int hls_put(struct hls *h, struct hls_stream *s, struct hls_put *p, bool full, uint64_t now_us,
	    struct hls_fault *f)
{
	int r = hls_rules_check(s->writer, p, f);

	if (!r && full) {
		p->kind = HLS_GAP;
		p->m = (struct m3u8_segment){
			.seq = p->m.seq,
			.duration_us = p->m.duration_us,
			.pdt_ms = p->m.pdt_ms,
			.discontinuity = p->m.discontinuity,
			.gap = true,
		};
	}
	if (!r)
		r = hls_rules_put(s->writer, p, engine_conf(h->engine), now_us, f);
	if (r)
		segment_put(p->object);
	else if (p->kind != HLS_INIT && p->kind != HLS_KEY)
		publish(h, s);
	return r;
}

static void stop(struct hls *h, struct hls_stream *s, bool ended, uint64_t now_us)
{
	hls_writer_interrupt(s->writer, engine_conf(h->engine), now_us);
	s->writer->ended = ended;
	s->owner = NULL;
	publish(h, s);
}

void hls_close(struct hls *h, struct hls_stream *s, uint64_t now_us)
{
	stop(h, s, false, now_us);
}

void hls_end(struct hls *h, struct hls_stream *s, uint64_t now_us)
{
	stop(h, s, true, now_us);
}

void hls_disown(struct hls *h, const void *owner, uint64_t now_us)
{
	struct hls_stream *s;

	TAILQ_FOREACH (s, &h->streams, all)
		if (s->owner == owner)
			hls_close(h, s, now_us);
}

/* ---- tidying up ---- */

static void free_retired(struct hls *h)
{
	struct hls_view **at = &h->retired, *v;

	while ((v = *at)) {
		if (!quiet_passed(h->engine->quiet, v->stamp)) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		hls_view_free(v);
	}
}

static void free_dead(struct hls *h)
{
	struct hls_stream *s, *next;

	for (s = TAILQ_FIRST(&h->dead); s; s = next) {
		next = TAILQ_NEXT(s, all);
		if (!quiet_passed(h->engine->quiet, s->stamp))
			continue;
		TAILQ_REMOVE(&h->dead, s, all);
		stream_free(s);
	}
}

/* Players still have a playlist's length to play, and ask for it in that time (RFC 8216, 6.2.2). */
static bool is_over(const struct hls_stream *s, uint64_t now_us)
{
	uint64_t stay_us = 2 * hls_writer_length_us(s->writer) + LINGER_US;

	return !s->owner && now_us > s->writer->updated_us + stay_us;
}

void hls_settle(struct hls *h, uint64_t now_us)
{
	struct hls_stream *s, *next;

	if (now_us < h->settled_us + SETTLE_US)
		return;
	h->settled_us = now_us;
	for (s = TAILQ_FIRST(&h->streams); s; s = next) {
		next = TAILQ_NEXT(s, all);
		if (is_over(s, now_us))
			stream_del(h, s);
	}
	free_retired(h);
	free_dead(h);
	segments_settle(&h->store);
}
