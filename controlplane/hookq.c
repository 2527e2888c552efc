/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/hookq.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static char *keep(const char *text)
{
	char *copy = strdup(text);

	must(copy);
	return copy;
}

/* about: borrowed, may be NULL. */
static struct hook *hook_of(char *text, const char *id, const char *url, const char *body,
			    const json_t *about)
{
	struct hook *h = calloc(1, sizeof(*h));

	must(h);
	h->text = text;
	h->id = keep(id);
	h->url = keep(url);
	h->body = keep(body);
	h->about = json_is_object(about) ? json_dumps(about, JSON_COMPACT) : NULL;
	return h;
}

struct hook *hook_new_about(const char *id, const char *url, const char *body, json_t *about)
{
	json_t *all =
		json_pack("{ss ss ss sO*}", "id", id, "url", url, "body", body, "about", about);
	char *text = json_dumps(all, JSON_COMPACT);

	must(text);
	json_decref(all);
	return hook_of(text, id, url, body, about);
}

struct hook *hook_new(const char *id, const char *url, const char *body)
{
	return hook_new_about(id, url, body, NULL);
}

struct hook *hook_parse(const char *text)
{
	json_t *all = json_loads(text, 0, NULL);
	const char *id, *url, *body;
	struct hook *h = NULL;

	if (!json_unpack(all, "{ss ss ss}", "id", &id, "url", &url, "body", &body))
		h = hook_of(keep(text), id, url, body, json_object_get(all, "about"));
	json_decref(all);
	return h;
}

void hook_free(struct hook *h)
{
	if (!h)
		return;
	free(h->text);
	free(h->id);
	free(h->url);
	free(h->body);
	free(h->about);
	free(h);
}

void hookq_init(struct hookq *q)
{
	*q = (struct hookq){0};
	TAILQ_INIT(&q->list);
}

void hookq_fini(struct hookq *q)
{
	struct hook *h;

	while ((h = TAILQ_FIRST(&q->list))) {
		TAILQ_REMOVE(&q->list, h, link);
		hook_free(h);
	}
	q->n = 0;
}

void hookq_add(struct hookq *q, struct hook *h)
{
	TAILQ_INSERT_TAIL(&q->list, h, link);
	q->n++;
}

struct hook *hookq_due(struct hookq *q, uint64_t now_us)
{
	struct hook *h = TAILQ_FIRST(&q->list);

	if (!h || q->in_flight || q->due_us > now_us)
		return NULL;
	q->in_flight = true;
	h->tries++;
	return h;
}

uint64_t hookq_next_us(const struct hookq *q)
{
	return TAILQ_EMPTY(&q->list) || q->in_flight ? UINT64_MAX : q->due_us;
}

enum hook_end hookq_done(struct hookq *q, bool delivered, int tries_max, uint64_t interval_us,
			 uint64_t now_us, struct hook **gone)
{
	struct hook *h = TAILQ_FIRST(&q->list);

	must(h && q->in_flight);
	q->in_flight = false;
	*gone = NULL;
	if (!delivered && h->tries < tries_max) {
		q->due_us = now_us + interval_us;
		return HOOK_AGAIN;
	}
	TAILQ_REMOVE(&q->list, h, link);
	q->n--;
	q->due_us = 0;
	*gone = h;
	return delivered ? HOOK_DELIVERED : HOOK_DEAD;
}

void hookq_drop(struct hookq *q, struct hook *h)
{
	if (h == TAILQ_FIRST(&q->list)) {
		q->in_flight = false;
		q->due_us = 0;
	}
	TAILQ_REMOVE(&q->list, h, link);
	q->n--;
}
