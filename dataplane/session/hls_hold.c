/* SPDX-License-Identifier: Apache-2.0 */
#include "session/hls_hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BUCKETS 256u

LIST_HEAD(hls_holds, hls_hold);

/* `n` by the core and read by all; the lists by the core alone. */
static struct {
	_Atomic uint32_t total;
	struct {
		_Atomic uint32_t n;
		struct hls_holds bucket[BUCKETS];
	} __attribute__((aligned(64))) core[QUIET_CORES_MAX];
} all;

struct news {
	struct mail mail;
	char key[];
};

static struct hls_holds *bucket_of(const struct core *c, const char *key)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *key; key++)
		hash = (hash ^ (uint8_t)*key) * 16777619u;
	return &all.core[c->id].bucket[(hash ^ hash >> 16) % BUCKETS];
}

bool hls_hold_begin(struct hls_hold *h, struct core *c, const char *key,
		    void (*run)(struct hls_hold *h))
{
	must(!h->key);
	if (atomic_load(&all.total) >= (uint64_t)engine_conf(c->engine)->limit_waiting)
		return false;
	h->key = key;
	h->run = run;
	LIST_INSERT_HEAD(bucket_of(c, key), h, link);
	/* Sequentially consistent, as the look at the playlist that follows it here and the look at `n` that
	 * follows a change there: one of the two sees the other. */
	atomic_fetch_add(&all.core[c->id].n, 1);
	atomic_fetch_add(&all.total, 1);
	core_count(c, CTR_HLS_HOLDING, 1);
	atomic_thread_fence(memory_order_seq_cst);
	return true;
}

void hls_hold_end(struct hls_hold *h, struct core *c)
{
	if (!h->key)
		return;
	LIST_REMOVE(h, link);
	h->key = NULL;
	atomic_fetch_sub(&all.core[c->id].n, 1);
	atomic_fetch_sub(&all.total, 1);
	core_uncount(c, CTR_HLS_HOLDING, 1);
}

/* Those of this name leave the list first: what they do may change it. */
static void wake(struct core *c, const char *key)
{
	struct hls_holds ready = LIST_HEAD_INITIALIZER(ready);
	struct hls_hold *h, *next;

	for (h = LIST_FIRST(bucket_of(c, key)); h; h = next) {
		next = LIST_NEXT(h, link);
		if (strcmp(h->key, key) != 0)
			continue;
		LIST_REMOVE(h, link);
		LIST_INSERT_HEAD(&ready, h, link);
	}
	while ((h = LIST_FIRST(&ready))) {
		hls_hold_end(h, c);
		h->run(h);
	}
}

static void heard(struct mail *m, struct core *c)
{
	struct news *news = container_of(m, struct news, mail);

	wake(c, news->key);
	free(news);
}

void hls_hold_notify(struct engine *e, const char *key)
{
	size_t n = strlen(key) + 1;

	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < e->cores_n; i++) {
		struct news *news;

		if (!atomic_load(&all.core[i].n))
			continue;
		/* Without memory they wait for the next change, or until their time is over. */
		news = malloc(sizeof(*news) + n);
		if (!news)
			return;
		news->mail.run = heard;
		memcpy(news->key, key, n);
		mail_post(e->cores[i], &news->mail);
	}
}
