/* SPDX-License-Identifier: Apache-2.0 */
/* Of the store: answers to the commands of mr:cmd. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "controlplane/store_redis.h"
#include "controlplane/store_redis_bus.h"
#include "controlplane/store_redis_link.h"

#define DONE_MS	 "86400000" /* an answer is kept for this long */
#define REPLY_MS "3600000"  /* and waits for its reader for this long */

/* A question for the answer. */
struct seen_ask {
	store_seen *fn;
	void *arg;
};

static void on_seen(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct seen_ask *ask = arg;
	const char *error = NULL;

	if (!r)
		error = "the connection to Redis was lost";
	else if (r->type == REDIS_REPLY_ERROR)
		error = r->str;
	ask->fn(ask->arg, r && r->type == REDIS_REPLY_STRING ? r->str : NULL, error);
	free(ask);
}

void store_command_seen(struct store *s, const char *correlation, store_seen *fn, void *arg)
{
	struct seen_ask *ask;
	char key[128];

	if (!store_ready(s)) {
		fn(arg, NULL, "Redis is not connected");
		return;
	}
	ask = calloc(1, sizeof(*ask));
	must(ask);
	*ask = (struct seen_ask){fn, arg};
	snprintf(key, sizeof(key), "mr:cmd:done:%s", correlation);
	if (REDIS_SEND(store_link(s), on_seen, ask, "GET", key))
		return;
	fn(arg, NULL, "Redis is not connected");
	free(ask);
}

void store_command_done(struct store *s, const char *entry, const char *correlation,
			const char *text)
{
	struct redis_link *l = store_link(s);
	char done[128], list[128];

	if (!store_ready(s))
		return;
	snprintf(done, sizeof(done), "mr:cmd:done:%s", correlation);
	snprintf(list, sizeof(list), "mr:cmd:reply:%s", correlation);
	if (*correlation) {
		REDIS_SEND(l, redis_ignored, NULL, "SET", done, text, "PX", DONE_MS);
		REDIS_SEND(l, redis_ignored, NULL, "DEL", list);
		REDIS_SEND(l, redis_ignored, NULL, "RPUSH", list, text);
		REDIS_SEND(l, redis_ignored, NULL, "PEXPIRE", list, REPLY_MS);
	}
	REDIS_SEND(l, redis_ignored, NULL, "XACK", BUS_STREAM, BUS_GROUP, entry);
	REDIS_SEND(l, redis_ignored, NULL, "XDEL", BUS_STREAM, entry);
}

void store_command_back(struct store *s, const char *entry, const struct task_field *f, size_t n)
{
	struct redis_args add = {{"XADD", BUS_STREAM, "*"}, 3};
	struct redis_link *l = store_link(s);

	if (!store_ready(s))
		return;
	for (size_t i = 0; i < n; i++) {
		redis_args_add(&add, f[i].name);
		redis_args_add(&add, f[i].value);
	}
	redis_link_send(l, redis_ignored, NULL, &add);
	REDIS_SEND(l, redis_ignored, NULL, "XACK", BUS_STREAM, BUS_GROUP, entry);
	REDIS_SEND(l, redis_ignored, NULL, "XDEL", BUS_STREAM, entry);
}
