/* SPDX-License-Identifier: Apache-2.0 */
#include "session/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BUCKETS 256u

LIST_HEAD(waiting_list, waiting);

/* `n` by the core and read by all; the lists by the core alone. */
static struct waiting_kind {
	_Atomic uint32_t total;
	struct {
		_Atomic uint32_t n;
		struct waiting_list bucket[BUCKETS];
	} __attribute__((aligned(64))) core[QUIET_CORES_MAX];
} kinds[WAITING_KINDS];

static const enum counter gauges[WAITING_KINDS] = {
	[WAITING_FOR_STREAM] = CTR_PLAYERS_WAITING,
	[WAITING_FOR_SEGMENT] = CTR_HLS_HOLDING,
};

struct news {
	struct mail mail;
	enum waiting_for what;
	char key[];
};

static struct waiting_list *bucket_of(const struct core *c, enum waiting_for what, const char *key)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *key; key++)
		hash = (hash ^ (uint8_t)*key) * 16777619u;
	return &kinds[what].core[c->id].bucket[(hash ^ hash >> 16) % BUCKETS];
}

bool waiting_begin(struct waiting *w, struct core *c, enum waiting_for what, const char *key,
		   void (*run)(struct waiting *w))
{
	struct waiting_kind *kind = &kinds[what];

	must(!w->key);
	if (atomic_load(&kind->total) >= (uint64_t)engine_conf(c->engine)->limit_waiting)
		return false;
	w->what = what;
	w->key = key;
	w->run = run;
	LIST_INSERT_HEAD(bucket_of(c, what, key), w, link);
	/* Sequentially consistent, as the look that follows it here and the look at `n` that follows a
	 * change in waiting_notify(): one of the two sees the other. */
	atomic_fetch_add(&kind->core[c->id].n, 1);
	atomic_fetch_add(&kind->total, 1);
	core_count(c, gauges[what], 1);
	atomic_thread_fence(memory_order_seq_cst);
	return true;
}

void waiting_end(struct waiting *w, struct core *c)
{
	if (!w->key)
		return;
	LIST_REMOVE(w, link);
	w->key = NULL;
	atomic_fetch_sub(&kinds[w->what].core[c->id].n, 1);
	atomic_fetch_sub(&kinds[w->what].total, 1);
	core_uncount(c, gauges[w->what], 1);
}

/* Those of this name leave the list first: what they do may change it. */
static void wake(struct core *c, enum waiting_for what, const char *key)
{
	struct waiting_list ready = LIST_HEAD_INITIALIZER(ready);
	struct waiting *w, *next;

	for (w = LIST_FIRST(bucket_of(c, what, key)); w; w = next) {
		next = LIST_NEXT(w, link);
		if (strcmp(w->key, key) != 0)
			continue;
		LIST_REMOVE(w, link);
		LIST_INSERT_HEAD(&ready, w, link);
	}
	while ((w = LIST_FIRST(&ready))) {
		waiting_end(w, c);
		w->run(w);
	}
}

static void heard(struct mail *m, struct core *c)
{
	struct news *news = container_of(m, struct news, mail);

	wake(c, news->what, news->key);
	free(news);
}

void waiting_notify(struct engine *e, enum waiting_for what, const char *key)
{
	size_t n = strlen(key) + 1;

	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < e->cores_n; i++) {
		struct news *news;

		if (!atomic_load(&kinds[what].core[i].n))
			continue;
		/* Without memory they wait for the next change, or until their time is over. */
		news = malloc(sizeof(*news) + n);
		if (!news)
			return;
		news->mail.run = heard;
		news->what = what;
		memcpy(news->key, key, n);
		mail_post(e->cores[i], &news->mail);
	}
}
