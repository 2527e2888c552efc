/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/relays.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static int order_by_id(const void *a, const void *b)
{
	return strcmp(((const struct relay *)a)->task->id, ((const struct relay *)b)->task->id);
}

/* Then by relay; a key without one finds any. */
static int order_by_url(const void *a, const void *b)
{
	const struct claim *ca = a, *cb = b;
	int order = strcmp(ca->url, cb->url);

	if (order || !ca->relay || !cb->relay)
		return order;
	return (ca->relay > cb->relay) - (ca->relay < cb->relay);
}

void relays_init(struct relays *rs)
{
	*rs = (struct relays){0};
	TAILQ_INIT(&rs->list);
}

struct relay *relays_find(const struct relays *rs, const char *id)
{
	struct task task = {.id = (char *)id};
	struct relay key = {.task = &task};
	void *node = tfind(&key, &rs->by_id, order_by_id);

	return node ? *(struct relay **)node : NULL;
}

struct relay *relays_by_dst(const struct relays *rs, const char *dst_url)
{
	struct claim key = {.url = dst_url};
	void *node = tfind(&key, &rs->by_dst, order_by_url);

	return node ? (*(struct claim **)node)->relay : NULL;
}

struct relay *relays_rival(const struct relays *rs, const struct task *t)
{
	for (unsigned i = 0; i < dests_count(t); i++) {
		struct relay *r = relays_by_dst(rs, dests_url(t, i));

		if (r && strcmp(r->task->id, t->id))
			return r;
	}
	return NULL;
}

static void insert(void **tree, void *what, int (*order)(const void *, const void *))
{
	void **node = tsearch(what, tree, order);

	must(node && *node == what);
}

static void claim_all(struct relays *rs, struct relay *r)
{
	r->claims = dests_count(r->task);
	r->claim = calloc(r->claims, sizeof(*r->claim));
	must(r->claim);
	for (unsigned i = 0; i < r->claims; i++) {
		r->claim[i] = (struct claim){dests_url(r->task, i), r};
		insert(&rs->by_dst, &r->claim[i], order_by_url);
	}
}

static void disclaim_all(struct relays *rs, struct relay *r)
{
	for (unsigned i = 0; i < r->claims; i++)
		tdelete(&r->claim[i], &rs->by_dst, order_by_url);
	free(r->claim);
}

struct relay *relays_add(struct relays *rs, struct task *t)
{
	struct relay *r = calloc(1, sizeof(*r));

	must(r);
	r->task = t;
	legs_init(&r->legs);
	STAILQ_INIT(&r->waiters);
	insert(&rs->by_id, r, order_by_id);
	claim_all(rs, r);
	TAILQ_INSERT_TAIL(&rs->list, r, link);
	rs->n++;
	return r;
}

void relays_del(struct relays *rs, struct relay *r)
{
	must(STAILQ_EMPTY(&r->waiters) && !r->wake.slot);
	tdelete(r, &rs->by_id, order_by_id);
	disclaim_all(rs, r);
	TAILQ_REMOVE(&rs->list, r, link);
	rs->n--;
	legs_fini(&r->legs);
	task_free(r->task);
	free(r);
}

void relays_swap(struct relays *rs, struct relay *r, struct task *next)
{
	disclaim_all(rs, r);
	task_free(r->task);
	r->task = next;
	claim_all(rs, r);
}

void relay_wait(struct relay *r, void (*fn)(void *arg), void *arg)
{
	struct waiter *w = calloc(1, sizeof(*w));

	must(w);
	w->fn = fn;
	w->arg = arg;
	STAILQ_INSERT_TAIL(&r->waiters, w, link);
}

void relay_wake(struct relay *r)
{
	STAILQ_HEAD(, waiter) all = STAILQ_HEAD_INITIALIZER(all);
	struct waiter *w;

	STAILQ_CONCAT(&all, &r->waiters);
	while ((w = STAILQ_FIRST(&all))) {
		STAILQ_REMOVE_HEAD(&all, link);
		w->fn(w->arg);
		free(w);
	}
}
