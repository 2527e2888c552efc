/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/store_redis_link.h"

#define EVENT_FIELDS 16
#define EVENTS_BATCH "200"

/* KEYS lease epoch task hooks; ARGV owner, ms, "own" or "any" */
static const char take_lua[] =
	"local l = redis.call('GET', KEYS[1])\n"
	"local mine = l and string.sub(l, 1, #ARGV[1] + 1) == ARGV[1] .. ' '\n"
	"if (l and not mine) or (ARGV[3] == 'own' and not mine) then\n"
	"  return {0, l or '', redis.call('PTTL', KEYS[1])}\n"
	"end\n"
	"local e = redis.call('INCR', KEYS[2])\n"
	"redis.call('PERSIST', KEYS[2])\n"
	"redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. e, 'PX', ARGV[2])\n"
	"return {e, redis.call('HGETALL', KEYS[3]), redis.call('LRANGE', KEYS[4], 0, -1)}\n";

/* KEYS lease epoch; ARGV lease, its epoch, ms */
static const char renew_lua[] = "local l = redis.call('GET', KEYS[1])\n"
				"if l == ARGV[1] then\n"
				"  redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
				"  return 1\n"
				"end\n"
				"if l or redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end\n"
				"redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])\n"
				"return 1\n";

/* KEYS lease; ARGV lease, ms */
static const char end_lua[] =
	"if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n";

struct ask {
	char id[64];
	union {
		store_took *took;
		store_renewed *renewed;
		store_read_task *task;
		store_read_event *event;
		store_read_id *each;
	} fn;
	void *arg;
};

static struct ask *ask_new(const char *id, void *arg)
{
	struct ask *a = calloc(1, sizeof(*a));

	must(a);
	snprintf(a->id, sizeof(a->id), "%s", id);
	a->arg = arg;
	return a;
}

static const char *key_of(char dst[160], const char *id, const char *suffix)
{
	snprintf(dst, 160, "mr:task:{%s}%s", id, suffix);
	return dst;
}

static size_t pairs(const redisReply *r, struct task_field *f, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements && n < max;
	     i += 2, n++) {
		f[n].name = r->element[i]->str;
		f[n].value = r->element[i + 1]->str;
	}
	return n;
}

/* ---- leases ------------------------------------------------------------------------------------- */

static void took(struct ask *a, const redisReply *r)
{
	struct task_field f[2 * TASK_FIELDS];
	struct store_taken t = {.epoch = (uint64_t)r->element[0]->integer, .fields = f};
	const redisReply *hooks = r->element[2];
	const char **texts;

	if (!t.epoch) {
		snprintf(t.holder, sizeof(t.holder), "%s", r->element[1]->str);
		t.held_ms = r->element[2]->integer;
		a->fn.took(a->arg, a->id, &t);
		return;
	}
	t.n = pairs(r->element[1], f, array_len(f));
	texts = calloc(hooks->elements + 1, sizeof(*texts));
	must(texts);
	for (size_t i = 0; i < hooks->elements; i++)
		texts[i] = hooks->element[i]->str;
	t.hooks = texts;
	t.hooks_n = hooks->elements;
	a->fn.took(a->arg, a->id, &t);
	free(texts);
}

static void on_took(redisAsyncContext *ac, void *reply, void *arg)
{
	struct ask *a = arg;
	const redisReply *r = reply;

	redis_ignored(ac, reply, NULL);
	if (r && r->type == REDIS_REPLY_ARRAY && r->elements == 3)
		took(a, r);
	else
		a->fn.took(a->arg, a->id,
			   &(struct store_taken){.error = r && r->str ? r->str : "Redis is away"});
	free(a);
}

void store_lease_take(struct store *s, const char *id, const char *owner, int64_t lease_ms,
		      bool own, store_took *fn, void *arg)
{
	char lease[160], epoch[160], task[160], hooks[160], ms[24];
	struct ask *a = ask_new(id, arg);

	a->fn.took = fn;
	snprintf(ms, sizeof(ms), "%lld", (long long)lease_ms);
	if (REDIS_SEND(store_link(s), on_took, a, "EVAL", take_lua, "4",
		       key_of(lease, id, ":lease"), key_of(epoch, id, ":epoch"),
		       key_of(task, id, ""), key_of(hooks, id, ":hooks"), owner, ms,
		       own ? "own" : "any"))
		return;
	fn(arg, id, &(struct store_taken){.error = "Redis is away"});
	free(a);
}

static void on_renewed(redisAsyncContext *ac, void *reply, void *arg)
{
	struct ask *a = arg;
	const redisReply *r = reply;
	bool known = r && r->type == REDIS_REPLY_INTEGER;

	redis_ignored(ac, reply, NULL);
	a->fn.renewed(a->arg, a->id, known, known && r->integer);
	free(a);
}

void store_lease_renew(struct store *s, const char *id, const char *lease, int64_t lease_ms,
		       store_renewed *fn, void *arg)
{
	char lease_key[160], epoch[160], ms[24];
	struct ask *a = ask_new(id, arg);

	a->fn.renewed = fn;
	snprintf(ms, sizeof(ms), "%lld", (long long)lease_ms);
	if (!REDIS_SEND(store_link(s), on_renewed, a, "EVAL", renew_lua, "2",
			key_of(lease_key, id, ":lease"), key_of(epoch, id, ":epoch"), lease,
			strchr(lease, ' ') + 1, ms))
		free(a);
}

void store_lease_end(struct store *s, const char *id, const char *lease, int64_t ms)
{
	char key[160], text[24];

	snprintf(text, sizeof(text), "%lld", (long long)ms);
	REDIS_SEND(store_link(s), redis_ignored, NULL, "EVAL", end_lua, "1",
		   key_of(key, id, ":lease"), lease, text);
}

/* ---- what others changed -------------------------------------------------------------------------- */

static void on_task(redisAsyncContext *ac, void *reply, void *arg)
{
	struct task_field f[2 * TASK_FIELDS];
	struct ask *a = arg;
	const redisReply *r = reply;

	if (r && r->type == REDIS_REPLY_ARRAY)
		a->fn.task(a->arg, a->id, f, pairs(r, f, array_len(f)));
	else
		a->fn.task(a->arg, a->id, NULL, 0);
	free(a);
}

void store_task_read(struct store *s, const char *id, store_read_task *fn, void *arg)
{
	struct ask *a = ask_new(id, arg);
	char key[160];

	a->fn.task = fn;
	if (REDIS_SEND(store_link(s), on_task, a, "HGETALL", key_of(key, id, "")))
		return;
	fn(arg, id, NULL, 0);
	free(a);
}

static void on_events(redisAsyncContext *ac, void *reply, void *arg)
{
	struct task_field f[EVENT_FIELDS];
	struct ask *a = arg;
	const redisReply *r = reply;

	if (r && r->type == REDIS_REPLY_ARRAY && !r->elements && !strcmp(a->id, "newest"))
		a->fn.event(a->arg, "0-0", NULL, 0);
	for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
		const redisReply *e = r->element[i];

		if (e->type != REDIS_REPLY_ARRAY || e->elements != 2)
			continue;
		a->fn.event(a->arg, e->element[0]->str, f, pairs(e->element[1], f, array_len(f)));
	}
	free(a);
}

void store_events_read(struct store *s, const char *after, store_read_event *fn, void *arg)
{
	struct redis_link *l = store_link(s);
	struct ask *a = ask_new(*after ? "" : "newest", arg);
	char from[64];

	a->fn.event = fn;
	snprintf(from, sizeof(from), "(%s", after);
	if (!(*after ? REDIS_SEND(l, on_events, a, "XRANGE", "mr:events", from, "+", "COUNT",
				  EVENTS_BATCH)
		     : REDIS_SEND(l, on_events, a, "XREVRANGE", "mr:events", "+", "-", "COUNT",
				  "1")))
		free(a);
}

static void on_ids(redisAsyncContext *ac, void *reply, void *arg)
{
	struct ask *a = arg;
	const redisReply *r = reply;

	for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i < r->elements; i++)
		if (r->element[i]->str && strlen(r->element[i]->str) <= TASK_ID_MAX)
			a->fn.each(a->arg, r->element[i]->str);
	free(a);
}

void store_ids_read(struct store *s, const char *key, store_read_id *fn, void *arg)
{
	struct ask *a = ask_new("", arg);
	bool set = !strcmp(key, "mr:hooks:pending");

	a->fn.each = fn;
	if (!(set ? REDIS_SEND(store_link(s), on_ids, a, "SMEMBERS", key)
		  : REDIS_SEND(store_link(s), on_ids, a, "ZRANGE", key, "0", "-1")))
		free(a);
}
