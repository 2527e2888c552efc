/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/store_redis_link.h"

#define SILENCE_US    5000000u /* an answer that takes longer: the connection is given up */
#define EVENTS_KEPT   "10000"
#define DEAD_KEPT     "999" /* last index of mr:hooks:dead */
#define HEARTBEAT_END "10000"

enum store_state { STORE_AWAY, STORE_LOADING, STORE_READY };

struct store {
	struct redis_link *link;
	const struct store_ops *ops;
	void *arg;
	enum store_state state;
	bool loaded;
	size_t loading; /* answers of the load that are missing */
	struct store_health health;
	uint64_t asked_us; /* a heartbeat's answer is missing since then; 0: none is */
	struct {
		void (*fn)(void *arg);
		void *arg;
	} watch[STORE_WATCHERS];
	struct commit *parked; /* asked for while not ready: their answer comes from the loop */
	struct event *parked_turn;
};

/* One store_save until its last answer. */
struct commit {
	struct store *store;
	struct commit *next; /* parked */
	store_done *done;
	void *arg;
	unsigned missing;
	char error[256]; /* empty: none so far */
};

/* ---- sending ------------------------------------------------------------------------------- */

#define SEND(s, fn, arg, ...) REDIS_SEND((s)->link, fn, arg, __VA_ARGS__)

static const char *task_key(char dst[160], const char *id, const char *suffix)
{
	snprintf(dst, 160, "mr:task:{%s}%s", id, suffix);
	return dst;
}

static const char *trouble(const struct store *s)
{
	const char *why = redis_link_trouble(s->link);

	return *why ? why : "Redis is not connected";
}

/* ---- saving -------------------------------------------------------------------------------- */

static void commit_end(struct commit *c)
{
	if (c->done)
		c->done(c->arg, c->error[0] ? c->error : NULL);
	free(c);
}

static void commit_error(struct commit *c, const char *text)
{
	if (!c->error[0])
		snprintf(c->error, sizeof(c->error), "%s", text);
}

static void on_commit(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct commit *c = arg;

	if (!r)
		commit_error(c, "the connection to Redis was lost");
	else if (r->type == REDIS_REPLY_ERROR)
		commit_error(c, r->str);
	else if (r->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < r->elements; i++)
			if (r->element[i]->type == REDIS_REPLY_ERROR)
				commit_error(c, r->element[i]->str);
	if (!--c->missing)
		commit_end(c);
}

static void commit_send(struct commit *c, const struct redis_args *cmd)
{
	if (redis_link_send(c->store->link, on_commit, c, cmd))
		c->missing++;
	else
		commit_error(c, "the connection to Redis was lost");
}

#define COMMIT(c, ...)                                                                   \
	commit_send(c, &(struct redis_args){.v = {__VA_ARGS__},                          \
					    .n = sizeof((const char *[]){__VA_ARGS__}) / \
						 sizeof(char *)})

static void park(struct store *s, struct commit *c)
{
	c->next = s->parked;
	s->parked = c;
	event_active(s->parked_turn, 0, 0);
}

static void parked_end(struct store *s)
{
	while (s->parked) {
		struct commit *c = s->parked;

		s->parked = c->next;
		commit_end(c);
	}
}

static void on_parked_turn(evutil_socket_t fd, short what, void *arg)
{
	parked_end(arg);
}

/* The transaction: only keys of the task's own hash tag. */
static void commit_transaction(struct commit *c, const struct store_change *ch)
{
	char key[160], hooks_key[160];
	struct redis_args set = {{"HSET", task_key(key, ch->id, "")}, 2};

	task_key(hooks_key, ch->id, ":hooks");
	COMMIT(c, "MULTI");
	if (ch->remove) {
		COMMIT(c, "DEL", key);
	} else {
		for (size_t i = 0; i < TASK_FIELDS; i++) {
			redis_args_add(&set, ch->fields[i].name);
			redis_args_add(&set, ch->fields[i].value);
		}
		commit_send(c, &set);
	}
	if (ch->replace_hooks)
		COMMIT(c, "DEL", hooks_key);
	for (size_t i = 0; i < ch->hooks_n; i++)
		COMMIT(c, "RPUSH", hooks_key, ch->hooks[i]);
	COMMIT(c, "EXEC");
}

/*
 * The same, if the task is still ours. KEYS lease epoch task hooks; ARGV lease, its epoch, "set" or
 * "del", "all" or "add" (hooks), number of fields' words, these, hooks.
 */
static const char save_lua[] =
	"local l = redis.call('GET', KEYS[1])\n"
	"if ARGV[1] == '' then\n"
	"  if redis.call('EXISTS', KEYS[3]) == 1 then return redis.error_reply('BUSY the task exists') end\n"
	"elseif l ~= ARGV[1] and (l or redis.call('GET', KEYS[2]) ~= ARGV[2]) then\n"
	"  return redis.error_reply('LOST another node has the task')\n"
	"end\n"
	"local n = tonumber(ARGV[5])\n"
	"if ARGV[3] == 'del' then\n"
	"  redis.call('DEL', KEYS[3], KEYS[1])\n"
	"  redis.call('PEXPIRE', KEYS[2], 86400000)\n"
	"else\n"
	"  redis.call('HSET', KEYS[3], unpack(ARGV, 6, 5 + n))\n"
	"end\n"
	"if ARGV[4] == 'all' then redis.call('DEL', KEYS[4]) end\n"
	"for i = 6 + n, #ARGV do redis.call('RPUSH', KEYS[4], ARGV[i]) end\n"
	"return 1\n";

static void commit_fenced(struct commit *c, const struct store_change *ch)
{
	char lease[160], epoch[160], task[160], hooks[160], n[12];
	size_t sent = 0;
	const char *space = strchr(ch->lease, ' ');
	struct redis_args a = {{"EVAL", save_lua, "4", lease, epoch, task, hooks, ch->lease,
				space ? space + 1 : "", ch->remove ? "del" : "set",
				ch->replace_hooks ? "all" : "add", n},
			       12};

	task_key(lease, ch->id, ":lease");
	task_key(epoch, ch->id, ":epoch");
	task_key(task, ch->id, "");
	task_key(hooks, ch->id, ":hooks");
	snprintf(n, sizeof(n), "%d", ch->remove ? 0 : 2 * TASK_FIELDS);
	for (size_t i = 0; !ch->remove && i < TASK_FIELDS; i++) {
		redis_args_add(&a, ch->fields[i].name);
		redis_args_add(&a, ch->fields[i].value);
	}
	for (; sent < ch->hooks_n && a.n < REDIS_ARGS_MAX; sent++)
		redis_args_add(&a, ch->hooks[sent]);
	commit_send(c, &a);
	for (; sent < ch->hooks_n; sent++)
		COMMIT(c, "RPUSH", hooks, ch->hooks[sent]);
}

/* With its error where nothing can be sent. */
static struct commit *commit_new(struct store *s, store_done *done, void *arg)
{
	struct commit *c = calloc(1, sizeof(*c));

	must(c);
	c->store = s;
	c->done = done;
	c->arg = arg;
	if (s->state != STORE_READY)
		commit_error(c, trouble(s));
	return c;
}

/*
 * The indexes lie outside the transaction (another hash tag), so they err on the safe side: a task
 * is listed before it exists and until after it is gone, and so are pending callbacks.
 */
void store_save(struct store *s, const struct store_change *ch, store_done *done, void *arg)
{
	struct commit *c = commit_new(s, done, arg);
	char created[24], due[24];

	if (c->error[0]) {
		park(s, c);
		return;
	}
	snprintf(created, sizeof(created), "%lld", (long long)ch->created_ms);
	snprintf(due, sizeof(due), "%lld", (long long)ch->due_ms);
	if (ch->hooks_n)
		COMMIT(c, "SADD", "mr:hooks:pending", ch->id);
	if (!ch->remove)
		COMMIT(c, "ZADD", "mr:tasks", created, ch->id);
	if (ch->lease)
		commit_fenced(c, ch);
	else
		commit_transaction(c, ch);
	if (ch->remove) {
		COMMIT(c, "ZREM", "mr:tasks", ch->id);
		COMMIT(c, "ZREM", "mr:tasks:due", ch->id);
	} else {
		COMMIT(c, "ZADD", "mr:tasks:due", due, ch->id);
	}
	if (!c->missing)
		park(s, c);
}

void store_hook_gone(struct store *s, const char *task_id, const char *text, const char *dead_text,
		     bool last)
{
	char key[160];

	if (s->state != STORE_READY)
		return;
	if (dead_text) {
		SEND(s, redis_ignored, NULL, "LPUSH", "mr:hooks:dead", dead_text);
		SEND(s, redis_ignored, NULL, "LTRIM", "mr:hooks:dead", "0", DEAD_KEPT);
	}
	SEND(s, redis_ignored, NULL, "LREM", task_key(key, task_id, ":hooks"), "1", text);
	if (last)
		SEND(s, redis_ignored, NULL, "SREM", "mr:hooks:pending", task_id);
}

/* A question for the dead ones. */
struct dead_ask {
	store_dead *fn;
	void *arg;
};

static void on_dead(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct dead_ask *ask = arg;
	const char **texts;
	size_t n = r && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;

	texts = calloc(n + 1, sizeof(*texts));
	must(texts);
	for (size_t i = 0; i < n; i++)
		texts[i] = r->element[i]->str;
	ask->fn(ask->arg, texts, n,
		!r			       ? "the connection to Redis was lost"
		: r->type == REDIS_REPLY_ERROR ? r->str
					       : NULL);
	free(texts);
	free(ask);
}

void store_dead_list(struct store *s, store_dead *fn, void *arg)
{
	struct dead_ask *ask = calloc(1, sizeof(*ask));

	must(ask);
	*ask = (struct dead_ask){fn, arg};
	if (s->state == STORE_READY &&
	    SEND(s, on_dead, ask, "LRANGE", "mr:hooks:dead", "0", DEAD_KEPT))
		return;
	fn(arg, NULL, 0, trouble(s));
	free(ask);
}

/* It is in the task's queue before it leaves the dead: a crash between makes it come twice. */
void store_dead_end(struct store *s, const char *task_id, const char *dead_text, bool again,
		    store_done *done, void *arg)
{
	struct commit *c = commit_new(s, done, arg);
	char key[160];

	if (again && !c->error[0]) {
		COMMIT(c, "SADD", "mr:hooks:pending", task_id);
		COMMIT(c, "RPUSH", task_key(key, task_id, ":hooks"), dead_text);
	}
	if (!c->error[0])
		COMMIT(c, "LREM", "mr:hooks:dead", "1", dead_text);
	if (!c->missing)
		park(s, c);
}

void store_event(struct store *s, const struct task_field *f, size_t n)
{
	struct redis_args add = {{"XADD", "mr:events", "MAXLEN", "~", EVENTS_KEPT, "*"}, 6};

	if (s->state != STORE_READY)
		return;
	for (size_t i = 0; i < n; i++) {
		redis_args_add(&add, f[i].name);
		redis_args_add(&add, f[i].value);
	}
	redis_link_send(s->link, redis_ignored, NULL, &add);
}

/* ---- connection ---------------------------------------------------------------------------- */

static void on_heartbeat(redisAsyncContext *ac, void *reply, void *arg)
{
	struct store *s = arg;

	redis_ignored(ac, reply, NULL);
	if (reply && s->asked_us)
		s->health.latency_us = clock_us() - s->asked_us;
	s->asked_us = 0;
}

void store_heartbeat(struct store *s, const char *node, const struct task_field *f, size_t n)
{
	char key[128];
	struct redis_args set = {{"HSET", key}, 2};

	if (s->state != STORE_READY)
		return;
	if (s->asked_us) {
		if (clock_us() - s->asked_us > SILENCE_US)
			redis_link_drop(s->link, "Redis does not answer");
		return;
	}
	snprintf(key, sizeof(key), "mr:node:%s", node);
	for (size_t i = 0; i < n; i++) {
		redis_args_add(&set, f[i].name);
		redis_args_add(&set, f[i].value);
	}
	SEND(s, redis_ignored, NULL, "MULTI");
	redis_link_send(s->link, redis_ignored, NULL, &set);
	SEND(s, redis_ignored, NULL, "PEXPIRE", key, HEARTBEAT_END);
	if (SEND(s, on_heartbeat, s, "EXEC"))
		s->asked_us = clock_us();
}

/* Open answers follow as NULL: the state says that they are old. */
static void on_down(void *arg)
{
	struct store *s = arg;

	s->state = STORE_AWAY;
	s->asked_us = 0;
	s->loading = 0;
}

static void become_ready(struct store *s)
{
	bool first = !s->loaded;

	redis_link_patience(s->link, 0);
	s->loaded = true;
	s->state = STORE_READY;
	s->health.connects++;
	log_info("redis_ready", "first=%d", first);
	s->ops->ready(s->arg, first);
	for (size_t i = 0; i < STORE_WATCHERS && s->watch[i].fn; i++)
		s->watch[i].fn(s->watch[i].arg);
}

void store_watch(struct store *s, void (*fn)(void *arg), void *arg)
{
	size_t i = 0;

	while (i < STORE_WATCHERS && s->watch[i].fn)
		i++;
	must(i < STORE_WATCHERS);
	s->watch[i].fn = fn;
	s->watch[i].arg = arg;
}

/* ---- the first load ------------------------------------------------------------------------ */

/* One answer that belongs to a task id. */
struct wanted {
	struct store *store;
	char id[64];
};

static struct wanted *wanted_new(struct store *s, const char *id)
{
	struct wanted *w = calloc(1, sizeof(*w));

	must(w);
	w->store = s;
	snprintf(w->id, sizeof(w->id), "%s", id);
	return w;
}

static void load_answered(struct store *s)
{
	if (s->state == STORE_LOADING && !--s->loading)
		become_ready(s);
}

/* Still of this load? An error or a lost connection ends it. */
static bool load_goes_on(struct store *s, const redisReply *r)
{
	if (s->state != STORE_LOADING || !r)
		return false;
	if (r->type != REDIS_REPLY_ERROR)
		return true;
	redis_link_drop(s->link, r->str);
	return false;
}

static void on_load_task(redisAsyncContext *ac, void *reply, void *arg)
{
	struct task_field f[2 * TASK_FIELDS];
	const redisReply *r = reply;
	struct wanted *w = arg;
	size_t n = 0;

	if (!load_goes_on(w->store, r))
		goto out;
	for (size_t i = 0; i + 1 < r->elements && n < array_len(f); i += 2, n++) {
		f[n].name = r->element[i]->str;
		f[n].value = r->element[i + 1]->str;
	}
	if (n)
		w->store->ops->task(w->store->arg, w->id, f, n);
	else /* a crash between index and task, or after the task was deleted */
		SEND(w->store, redis_ignored, NULL, "ZREM", "mr:tasks", w->id);
	load_answered(w->store);
out:
	free(w);
}

static void on_load_hooks(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct wanted *w = arg;

	if (!load_goes_on(w->store, r))
		goto out;
	for (size_t i = 0; i < r->elements; i++)
		w->store->ops->hook(w->store->arg, w->id, r->element[i]->str);
	if (!r->elements)
		SEND(w->store, redis_ignored, NULL, "SREM", "mr:hooks:pending", w->id);
	load_answered(w->store);
out:
	free(w);
}

/* A list of ids: asks for what belongs to each. */
static void load_each(struct store *s, const redisReply *r, bool hooks)
{
	char key[160];

	for (size_t i = 0; i < r->elements; i++) {
		const char *id = r->element[i]->str;
		struct wanted *w;
		bool sent;

		if (!id || strlen(id) >= sizeof(w->id))
			continue;
		w = wanted_new(s, id);
		task_key(key, id, hooks ? ":hooks" : "");
		if (hooks)
			sent = SEND(s, on_load_hooks, w, "LRANGE", key, "0", "-1");
		else
			sent = SEND(s, on_load_task, w, "HGETALL", key);
		if (sent)
			s->loading++;
		else
			free(w);
	}
	load_answered(s);
}

static void on_load_ids(redisAsyncContext *ac, void *reply, void *arg)
{
	if (load_goes_on(arg, reply))
		load_each(arg, reply, false);
}

static void on_load_pending(redisAsyncContext *ac, void *reply, void *arg)
{
	if (load_goes_on(arg, reply))
		load_each(arg, reply, true);
}

static void on_up(void *arg)
{
	struct store *s = arg;

	if (s->loaded) {
		become_ready(s);
		return;
	}
	s->state = STORE_LOADING;
	s->loading = 2;
	redis_link_patience(s->link, SILENCE_US / 1000);
	SEND(s, on_load_ids, s, "ZRANGE", "mr:tasks", "0", "-1");
	SEND(s, on_load_pending, s, "SMEMBERS", "mr:hooks:pending");
}

static const struct redis_link_ops link_ops = {on_up, on_down};

/* ---- life ---------------------------------------------------------------------------------- */

struct store *store_new(struct event_base *base, struct evdns_base *dns, const char *url,
			const struct store_ops *ops, void *arg, char *err, size_t err_n)
{
	struct store *s = calloc(1, sizeof(*s));

	must(s);
	s->ops = ops;
	s->arg = arg;
	s->parked_turn = evtimer_new(base, on_parked_turn, s);
	must(s->parked_turn);
	s->link = redis_link_new(base, dns, url, &link_ops, s, err, err_n);
	if (s->link)
		return s;
	event_free(s->parked_turn);
	free(s);
	return NULL;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	on_down(s);
	redis_link_free(s->link);
	parked_end(s);
	event_free(s->parked_turn);
	free(s);
}

bool store_ready(const struct store *s)
{
	return s->state == STORE_READY;
}

struct store_health store_health(const struct store *s)
{
	return s->health;
}

const char *store_trouble(const struct store *s)
{
	return redis_link_trouble(s->link);
}

struct redis_link *store_link(struct store *s)
{
	return s->link;
}
