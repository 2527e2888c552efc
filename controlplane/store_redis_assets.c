/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_assets.h"

#include <stdlib.h>

#include "base/check.h"
#include "controlplane/store_redis_link.h"

#define KEY  "mr:assets"
#define AWAY "Redis is not connected"

struct ask {
	union {
		store_assets *all;
		store_done *done;
	} fn;
	void *arg;
};

static struct ask *ask_new(void *arg)
{
	struct ask *a = calloc(1, sizeof(*a));

	must(a);
	a->arg = arg;
	return a;
}

static const char *error_of(const redisReply *r)
{
	if (!r)
		return "the connection to Redis was lost";
	return r->type == REDIS_REPLY_ERROR ? r->str : NULL;
}

static void on_all(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	const char *error = error_of(r), **texts;
	size_t n = !error && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;
	struct ask *a = arg;

	texts = calloc(n + 1, sizeof(*texts));
	must(texts);
	for (size_t i = 0; i < n; i++)
		texts[i] = r->element[i]->str ? r->element[i]->str : "";
	a->fn.all(a->arg, texts, n / 2, error);
	free(texts);
	free(a);
}

void store_assets_read(struct store *s, store_assets *fn, void *arg)
{
	struct ask *a = ask_new(arg);

	a->fn.all = fn;
	if (REDIS_SEND(store_link(s), on_all, a, "HGETALL", KEY))
		return;
	fn(arg, NULL, 0, AWAY);
	free(a);
}

static void on_added(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	const char *error = error_of(r);
	struct ask *a = arg;

	if (!error && r->type == REDIS_REPLY_INTEGER && !r->integer)
		error = "EXISTS";
	a->fn.done(a->arg, error);
	free(a);
}

void store_asset_add(struct store *s, const char *id, const char *text, store_done *done, void *arg)
{
	struct ask *a = ask_new(arg);

	a->fn.done = done;
	if (REDIS_SEND(store_link(s), on_added, a, "HSETNX", KEY, id, text))
		return;
	done(arg, AWAY);
	free(a);
}

static void on_removed(redisAsyncContext *ac, void *reply, void *arg)
{
	struct ask *a = arg;

	a->fn.done(a->arg, error_of(reply));
	free(a);
}

void store_asset_remove(struct store *s, const char *id, store_done *done, void *arg)
{
	struct ask *a = ask_new(arg);

	a->fn.done = done;
	if (REDIS_SEND(store_link(s), on_removed, a, "HDEL", KEY, id))
		return;
	done(arg, AWAY);
	free(a);
}
