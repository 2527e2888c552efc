/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/store_redis_link.h"

#define FIELDS_MAX   48
#define FORGOTTEN_MS ((int64_t)7 * 86400 * 1000)

static const char away[] = "the connection to Redis was lost";

void store_node_seen(struct store *s, const char *node, int64_t now_ms)
{
	struct redis_link *l = store_link(s);
	char now[24], old[24];

	if (!store_ready(s))
		return;
	snprintf(now, sizeof(now), "%lld", (long long)now_ms);
	snprintf(old, sizeof(old), "%lld", (long long)(now_ms - FORGOTTEN_MS));
	REDIS_SEND(l, redis_ignored, NULL, "ZADD", "mr:nodes", now, node);
	REDIS_SEND(l, redis_ignored, NULL, "ZREMRANGEBYSCORE", "mr:nodes", "-inf", old);
}

/* One reading of all, until its last answer. */
struct reading {
	struct store *store;
	store_node *fn;
	store_nodes_read_done *done;
	void *arg;
	size_t missing;
	const char *error;
};

struct one {
	struct reading *reading;
	int64_t seen_ms;
	char name[65];
};

static void answered(struct reading *g)
{
	if (--g->missing)
		return;
	g->done(g->arg, g->error);
	free(g);
}

static void on_node(redisAsyncContext *ac, void *reply, void *arg)
{
	struct task_field f[FIELDS_MAX];
	const redisReply *r = reply;
	struct one *one = arg;
	size_t n = 0;

	for (size_t i = 0;
	     r && r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements && n < array_len(f);
	     i += 2, n++) {
		f[n].name = r->element[i]->str;
		f[n].value = r->element[i + 1]->str;
	}
	if (r)
		one->reading->fn(one->reading->arg, one->name, one->seen_ms, f, n);
	else
		one->reading->error = away;
	answered(one->reading);
	free(one);
}

static void ask_node(struct reading *g, const char *name, const char *seen)
{
	struct one *one = calloc(1, sizeof(*one));
	char key[128];

	must(one);
	one->reading = g;
	one->seen_ms = strtoll(seen, NULL, 10);
	snprintf(one->name, sizeof(one->name), "%s", name);
	snprintf(key, sizeof(key), "mr:node:%s", name);
	if (REDIS_SEND(store_link(g->store), on_node, one, "HGETALL", key)) {
		g->missing++;
		return;
	}
	g->error = away;
	free(one);
}

static void on_names(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct reading *g = arg;

	if (!r || r->type != REDIS_REPLY_ARRAY)
		g->error = away;
	for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2)
		if (strlen(r->element[i]->str) < sizeof(((struct one *)0)->name))
			ask_node(g, r->element[i]->str, r->element[i + 1]->str);
	answered(g);
}

void store_nodes_read(struct store *s, store_node *fn, store_nodes_read_done *done, void *arg)
{
	struct reading *g = calloc(1, sizeof(*g));

	must(g);
	*g = (struct reading){s, fn, done, arg, 1, NULL};
	if (store_ready(s) &&
	    REDIS_SEND(store_link(s), on_names, g, "ZRANGE", "mr:nodes", "0", "-1", "WITHSCORES"))
		return;
	done(arg, "Redis is not connected");
	free(g);
}
