/* SPDX-License-Identifier: Apache-2.0 */
#include "session/wanted.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "core/shm.h"
#include "session/domains.h"
#include "session/events.h"
#include "session/inner.h"

#define WAYS	 4u
#define SETS	 2048u
#define EVERY_US 1000000u

struct want {
	uint64_t tag; /* of the name */
	uint64_t asked_us, none_until_us;
};

static struct {
	pthread_mutex_t lock;
	struct want table[SETS * WAYS];
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t tag_of(const char *key)
{
	const struct slice all_of[] = {
		{(const uint8_t *)inner_key(), strlen(inner_key())},
		{(const uint8_t *)key, strlen(key)},
	};
	char digest[DIGEST_TEXT];

	digest_md5(digest, all_of, array_len(all_of));
	digest[16] = '\0';
	return strtoull(digest, NULL, 16);
}

static uint64_t last_use(const struct want *w)
{
	return max_of(w->asked_us, w->none_until_us);
}

/* Its place, or that of the one that has mattered for the longest time, made empty. */
static struct want *find(uint64_t tag)
{
	struct want *set = &all.table[tag % SETS * WAYS], *oldest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].tag == tag)
			return &set[i];
		if (last_use(&set[i]) < last_use(oldest))
			oldest = &set[i];
	}
	*oldest = (struct want){.tag = tag};
	return oldest;
}

bool wanted(struct core *c, const char *key, const struct stream_name *name)
{
	uint64_t tag = tag_of(key);
	bool none, ask;
	struct want *w;

	pthread_mutex_lock(&all.lock);
	w = find(tag);
	none = c->now_us < w->none_until_us;
	ask = !none && (!w->asked_us || c->now_us >= w->asked_us + EVERY_US);
	if (ask)
		w->asked_us = c->now_us;
	pthread_mutex_unlock(&all.lock);
	if (ask) {
		core_count(c, CTR_WANTED, 1);
		event_wanted(key, name->domain, name->params);
	}
	return !none;
}

void wanted_in_vain(struct core *c, const char *key, uint64_t negative_ms)
{
	uint64_t tag = tag_of(key);

	pthread_mutex_lock(&all.lock);
	find(tag)->none_until_us = c->now_us + negative_ms * 1000;
	pthread_mutex_unlock(&all.lock);
}

/* Viewers and pushes now; *joins: how many there have ever been. */
static uint64_t watching(struct core *c, const struct stream *s, uint64_t *joins)
{
	uint64_t n = 0;

	*joins = 0;
	for (unsigned i = 0; i < c->engine->cores_n; i++) {
		const struct shm_audience *a = shm_audience_of(c->engine->shm, s->shm, i);

		n += shm_get(&a->viewers_rtmp) + shm_get(&a->viewers_flv) +
		     shm_get(&a->viewers_ws) + shm_get(&a->pushes);
		*joins += shm_get(&a->joins);
	}
	return n;
}

void unwatched_look(struct unwatched *u, struct core *c, const struct stream *s, uint64_t *next_ms)
{
	uint64_t idle_ms = domain_pull_idle_ms(s->key), joins, age_ms;
	bool watched;

	if (!idle_ms)
		return;
	watched = watching(c, s, &joins) || joins != u->joins;
	u->joins = joins;
	if (watched || !u->since_us)
		u->since_us = c->now_us;
	age_ms = (c->now_us - u->since_us) / 1000;
	if (age_ms >= idle_ms) {
		event_unwatched(s->key);
		u->since_us = c->now_us;
		age_ms = 0;
	}
	*next_ms = min_of(*next_ms, idle_ms - age_ms);
}
