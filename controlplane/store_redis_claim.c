/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "controlplane/store_redis_link.h"

#define CLAIM_MS "10000" /* a task is written within it, or the claim has ended */

/* KEYS claim; ARGV id, ms, an id that does not count. It is ours, or whose it is and for how long. */
static const char claim_lua[] = "local v = redis.call('GET', KEYS[1])\n"
				"local ttl = redis.call('PTTL', KEYS[1])\n"
				"if v == ARGV[1] then\n"
				"  if ttl >= 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n"
				"  return {ARGV[1], 0}\n"
				"end\n"
				"if not v or (v == ARGV[3] and ttl < 0) then\n"
				"  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
				"  return {ARGV[1], 0}\n"
				"end\n"
				"return {v, ttl}\n";

/* KEYS claim; ARGV id */
static const char keep_lua[] =
	"local v = redis.call('GET', KEYS[1])\n"
	"if not v or v == ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end\n";
static const char end_lua[] =
	"if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end\n";

struct ask {
	struct store *store;
	store_claimed *fn;
	void *arg;
	char *dst_url;
	char id[64], owner[64];
};

static void answer(struct ask *a, const char *error, const char *owner)
{
	a->fn(a->arg, error, owner);
	free(a->dst_url);
	free(a);
}

static const char *key_of(char dst[128], const char *dst_url)
{
	char hex[DIGEST_TEXT];

	snprintf(dst, 128, "mr:dst:%s", digest_text(hex, dst_url));
	return dst;
}

static void on_claimed(redisAsyncContext *ac, void *reply, void *arg);

static bool ask(struct ask *a, const char *gone)
{
	char key[128];

	return REDIS_SEND(store_link(a->store), on_claimed, a, "EVAL", claim_lua, "1",
			  key_of(key, a->dst_url), a->id, CLAIM_MS, gone);
}

/* The owner's destination as its task says. */
static void on_owner(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct ask *a = arg;

	if (!r)
		answer(a, "the connection to Redis was lost", NULL);
	else if (r->type == REDIS_REPLY_STRING && !strcmp(r->str, a->dst_url))
		answer(a, NULL, a->owner);
	else if (!ask(a, a->owner))
		answer(a, "the connection to Redis was lost", NULL);
}

static void on_claimed(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct ask *a = arg;
	char key[160];

	if (!r || r->type != REDIS_REPLY_ARRAY || r->elements != 2 || !r->element[0]->str) {
		answer(a, r && r->str ? r->str : "the connection to Redis was lost", NULL);
		return;
	}
	if (!strcmp(r->element[0]->str, a->id)) {
		answer(a, NULL, NULL);
		return;
	}
	/* One that ends by itself is of a task that is being written just now. */
	snprintf(a->owner, sizeof(a->owner), "%s", r->element[0]->str);
	snprintf(key, sizeof(key), "mr:task:{%s}", a->owner);
	if (r->element[1]->integer >= 0)
		answer(a, NULL, a->owner);
	else if (!REDIS_SEND(store_link(a->store), on_owner, a, "HGET", key, "DstUrl"))
		answer(a, "the connection to Redis was lost", NULL);
}

void store_claim(struct store *s, const char *dst_url, const char *id, store_claimed *fn, void *arg)
{
	struct ask *a = calloc(1, sizeof(*a));

	must(a);
	*a = (struct ask){.store = s, .fn = fn, .arg = arg, .dst_url = strdup(dst_url)};
	must(a->dst_url);
	snprintf(a->id, sizeof(a->id), "%s", id);
	if (!store_ready(s) || !ask(a, ""))
		answer(a, "Redis is not connected", NULL);
}

static void tell(struct store *s, const char *lua, const char *dst_url, const char *id)
{
	char key[128];

	if (store_ready(s))
		REDIS_SEND(store_link(s), redis_ignored, NULL, "EVAL", lua, "1",
			   key_of(key, dst_url), id);
}

void store_claim_keep(struct store *s, const char *dst_url, const char *id)
{
	tell(s, keep_lua, dst_url, id);
}

void store_claim_end(struct store *s, const char *dst_url, const char *id)
{
	tell(s, end_lua, dst_url, id);
}
