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

static int order_by_dst(const void *a, const void *b)
{
	return strcmp(((const struct relay *)a)->task->dst_url,
		      ((const struct relay *)b)->task->dst_url);
}

static struct relay *look_up(void *const *tree, struct task *key_task,
			     int (*order)(const void *, const void *))
{
	struct relay key = {.task = key_task};
	void *node = tfind(&key, tree, order);

	return node ? *(struct relay **)node : NULL;
}

void relays_init(struct relays *rs)
{
	*rs = (struct relays){0};
	TAILQ_INIT(&rs->list);
}

struct relay *relays_find(const struct relays *rs, const char *id)
{
	struct task key = {.id = (char *)id};

	return look_up(&rs->by_id, &key, order_by_id);
}

struct relay *relays_by_dst(const struct relays *rs, const char *dst_url)
{
	struct task key = {.dst_url = (char *)dst_url};

	return look_up(&rs->by_dst, &key, order_by_dst);
}

static void insert(void **tree, struct relay *r, int (*order)(const void *, const void *))
{
	struct relay **node = tsearch(r, tree, order);

	must(node && *node == r);
}

struct relay *relays_add(struct relays *rs, struct task *t)
{
	struct relay *r = calloc(1, sizeof(*r));

	must(r);
	r->task = t;
	legs_init(&r->legs);
	STAILQ_INIT(&r->waiters);
	insert(&rs->by_id, r, order_by_id);
	insert(&rs->by_dst, r, order_by_dst);
	TAILQ_INSERT_TAIL(&rs->list, r, link);
	rs->n++;
	return r;
}

void relays_del(struct relays *rs, struct relay *r)
{
	must(STAILQ_EMPTY(&r->waiters) && !r->wake.slot);
	tdelete(r, &rs->by_id, order_by_id);
	tdelete(r, &rs->by_dst, order_by_dst);
	TAILQ_REMOVE(&rs->list, r, link);
	rs->n--;
	task_free(r->task);
	free(r);
}

void relays_swap(struct relays *rs, struct relay *r, struct task *next)
{
	tdelete(r, &rs->by_dst, order_by_dst);
	task_free(r->task);
	r->task = next;
	insert(&rs->by_dst, r, order_by_dst);
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
