/* SPDX-License-Identifier: Apache-2.0 */
#include "session/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

LIST_HEAD(waiting_list, waiting);

/* `n` by the core and read by all; the list by the core alone. */
static struct {
	_Atomic uint32_t total;
	struct {
		_Atomic uint32_t n;
		struct waiting_list list;
	} __attribute__((aligned(64))) core[QUIET_CORES_MAX];
} all;

struct news {
	struct mail mail;
	char key[];
};

bool waiting_begin(struct waiting *w, struct core *c, const char *key,
		   void (*run)(struct waiting *w))
{
	must(!w->key);
	if (atomic_load(&all.total) >= (uint64_t)engine_conf(c->engine)->limit_waiting)
		return false;
	w->key = key;
	w->run = run;
	LIST_INSERT_HEAD(&all.core[c->id].list, w, link);
	/*
	 * The registry's lock orders this against waiting_notify(): a look that finds no stream came
	 * before the stream was put in, so this count is seen after.
	 */
	atomic_fetch_add(&all.core[c->id].n, 1);
	atomic_fetch_add(&all.total, 1);
	return true;
}

void waiting_end(struct waiting *w, struct core *c)
{
	if (!w->key)
		return;
	LIST_REMOVE(w, link);
	w->key = NULL;
	atomic_fetch_sub(&all.core[c->id].n, 1);
	atomic_fetch_sub(&all.total, 1);
}

/* Those of this name leave the list first: what they do may change it. */
static void wake(struct core *c, const char *key)
{
	struct waiting_list ready = LIST_HEAD_INITIALIZER(ready);
	struct waiting *w, *next;

	for (w = LIST_FIRST(&all.core[c->id].list); w; w = next) {
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

	wake(c, news->key);
	free(news);
}

void waiting_notify(struct engine *e, const char *key)
{
	size_t n = strlen(key) + 1;

	for (unsigned i = 0; i < e->cores_n; i++) {
		struct news *news;

		if (!atomic_load(&all.core[i].n))
			continue;
		/* Without memory they wait until their time is over. */
		news = malloc(sizeof(*news) + n);
		if (!news)
			return;
		news->mail.run = heard;
		memcpy(news->key, key, n);
		mail_post(e->cores[i], &news->mail);
	}
}
