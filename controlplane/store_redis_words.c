/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_words.h"

#include <stdlib.h>

#include "base/check.h"
#include "controlplane/store_redis_link.h"

struct question {
	store_reply_fn *fn;
	void *arg;
};

static void on_reply(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct question *q = arg;
	struct store_reply out = {0};
	const char **texts = NULL;

	if (!r) {
		out.error = "the connection to Redis was lost";
	} else if (r->type == REDIS_REPLY_ERROR) {
		out.error = r->str;
	} else if (r->type == REDIS_REPLY_ARRAY) {
		texts = calloc(r->elements + 1, sizeof(*texts));
		must(texts);
		for (size_t i = 0; i < r->elements; i++)
			texts[i] = r->element[i]->str;
		out.text = texts;
		out.n = r->elements;
	} else {
		out.text = (const char *const *)&r->str;
		out.n = r->str ? 1 : 0;
		out.number = r->integer;
	}
	q->fn(q->arg, &out);
	free(texts);
	free(q);
}

static void args_of(struct redis_args *a, const char *const *words, size_t n)
{
	a->n = 0;
	for (size_t i = 0; i < n; i++)
		redis_args_add(a, words[i]);
}

void store_ask(struct store *s, const char *const *words, size_t n, store_reply_fn *fn, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));
	const char *why = store_trouble(s);
	struct redis_args a;

	must(q);
	*q = (struct question){fn, arg};
	args_of(&a, words, n);
	if (store_ready(s) && redis_link_send(store_link(s), on_reply, q, &a))
		return;
	free(q);
	fn(arg, &(struct store_reply){.error = *why ? why : "Redis is not connected"});
}

void store_tell(struct store *s, const char *const *words, size_t n)
{
	struct redis_args a;

	args_of(&a, words, n);
	if (store_ready(s))
		redis_link_send(store_link(s), redis_ignored, NULL, &a);
}
