/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/redis_url.h"

#define PAUSE_MIN_MS  100
#define PAUSE_MAX_MS  2000
#define SILENCE_US    5000000u /* an answer that takes longer: the connection is given up */
#define EVENTS_KEPT   "10000"
#define DEAD_KEPT     "999" /* last index of mr:hooks:dead */
#define HEARTBEAT_END "10000"

enum store_state { STORE_AWAY, STORE_CONNECTING, STORE_LOADING, STORE_READY };

struct store {
	struct event_base *base;
	struct evdns_base *dns;
	const struct store_ops *ops;
	void *arg;
	struct redis_url url;
	enum store_state state;
	redisAsyncContext *ac;
	struct evdns_getaddrinfo_request *resolving;
	struct event *again, *patience; /* next connect; the present one takes too long */
	unsigned pause_ms;
	char trouble[256];
	bool loaded, closing;
	size_t loading; /* answers of the load that are missing */
	struct store_health health;
	uint64_t asked_us;     /* a heartbeat's answer is missing since then; 0: none is */
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

#define ARGS_MAX 96

struct command {
	const char *v[ARGS_MAX];
	int n;
};

static void arg_add(struct command *c, const char *text)
{
	must(c->n < ARGS_MAX);
	c->v[c->n++] = text;
}

/* false: nothing was sent and fn will not be called. */
static bool command_send(struct store *s, const struct command *c, redisCallbackFn *fn, void *arg)
{
	const char **v = (const char **)c->v;

	return s->ac && redisAsyncCommandArgv(s->ac, fn, arg, c->n, v, NULL) == REDIS_OK;
}

#define SEND(s, fn, arg, ...)                                                                   \
	command_send(                                                                           \
		s,                                                                              \
		&(struct command){.v = {__VA_ARGS__},                                           \
				  .n = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)}, \
		fn, arg)

/* For answers that matter to nobody: an error is logged, no more. */
static void on_ignored(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	char text[300];

	if (r && r->type == REDIS_REPLY_ERROR)
		log_warn("redis", "error=%s", log_q(text, sizeof(text), r->str));
}

static const char *task_key(char dst[160], const char *id, const char *suffix)
{
	snprintf(dst, 160, "mr:task:{%s}%s", id, suffix);
	return dst;
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

static void commit_send(struct commit *c, const struct command *cmd)
{
	if (command_send(c->store, cmd, on_commit, c))
		c->missing++;
	else
		commit_error(c, "the connection to Redis was lost");
}

#define COMMIT(c, ...)                                   \
	commit_send(                                     \
		c, &(struct command){.v = {__VA_ARGS__}, \
				     .n = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)})

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
	struct command set = {{"HSET", task_key(key, ch->id, "")}, 2};

	task_key(hooks_key, ch->id, ":hooks");
	COMMIT(c, "MULTI");
	if (ch->remove) {
		COMMIT(c, "DEL", key);
	} else {
		for (size_t i = 0; i < TASK_FIELDS; i++) {
			arg_add(&set, ch->fields[i].name);
			arg_add(&set, ch->fields[i].value);
		}
		commit_send(c, &set);
	}
	if (ch->replace_hooks)
		COMMIT(c, "DEL", hooks_key);
	for (size_t i = 0; i < ch->hooks_n; i++)
		COMMIT(c, "RPUSH", hooks_key, ch->hooks[i]);
	COMMIT(c, "EXEC");
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
		commit_error(c, s->trouble[0] ? s->trouble : "Redis is not connected");
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
		SEND(s, on_ignored, NULL, "LPUSH", "mr:hooks:dead", dead_text);
		SEND(s, on_ignored, NULL, "LTRIM", "mr:hooks:dead", "0", DEAD_KEPT);
	}
	SEND(s, on_ignored, NULL, "LREM", task_key(key, task_id, ":hooks"), "1", text);
	if (last)
		SEND(s, on_ignored, NULL, "SREM", "mr:hooks:pending", task_id);
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
	fn(arg, NULL, 0, s->trouble[0] ? s->trouble : "Redis is not connected");
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
	struct command add = {{"XADD", "mr:events", "MAXLEN", "~", EVENTS_KEPT, "*"}, 6};

	if (s->state != STORE_READY)
		return;
	for (size_t i = 0; i < n; i++) {
		arg_add(&add, f[i].name);
		arg_add(&add, f[i].value);
	}
	command_send(s, &add, on_ignored, NULL);
}

/* ---- connection ---------------------------------------------------------------------------- */

static void away(struct store *s, const char *why);

static void on_heartbeat(redisAsyncContext *ac, void *reply, void *arg)
{
	struct store *s = arg;

	on_ignored(ac, reply, NULL);
	if (reply && s->asked_us)
		s->health.latency_us = clock_us() - s->asked_us;
	s->asked_us = 0;
}

void store_heartbeat(struct store *s, const char *node, const struct task_field *f, size_t n)
{
	char key[128];
	struct command set = {{"HSET", key}, 2};

	if (s->state != STORE_READY)
		return;
	if (s->asked_us) {
		if (clock_us() - s->asked_us > SILENCE_US)
			away(s, "Redis does not answer");
		return;
	}
	snprintf(key, sizeof(key), "mr:node:%s", node);
	for (size_t i = 0; i < n; i++) {
		arg_add(&set, f[i].name);
		arg_add(&set, f[i].value);
	}
	SEND(s, on_ignored, NULL, "MULTI");
	command_send(s, &set, on_ignored, NULL);
	SEND(s, on_ignored, NULL, "PEXPIRE", key, HEARTBEAT_END);
	if (SEND(s, on_heartbeat, s, "EXEC"))
		s->asked_us = clock_us();
}

static void connect_later(struct store *s)
{
	struct timeval tv = {s->pause_ms / 1000, s->pause_ms % 1000 * 1000};

	s->pause_ms = min_of(s->pause_ms * 2, PAUSE_MAX_MS);
	evtimer_add(s->again, &tv);
}

static void note_trouble(struct store *s, const char *why)
{
	char text[300];

	if (!s->closing && strcmp(s->trouble, why))
		log_warn("redis_away", "why=%s", log_q(text, sizeof(text), why));
	snprintf(s->trouble, sizeof(s->trouble), "%s", why);
}

/* Ends the connection; open answers come as NULL from within, so the state is set first. */
static void away(struct store *s, const char *why)
{
	redisAsyncContext *ac = s->ac;

	note_trouble(s, why);
	s->state = STORE_AWAY;
	s->ac = NULL;
	s->asked_us = 0;
	s->loading = 0;
	evtimer_del(s->patience);
	if (ac) {
		ac->data = NULL;
		redisAsyncFree(ac);
	}
	if (!s->closing)
		connect_later(s);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
	struct store *s = ac->data;

	if (!s || s->ac != ac)
		return;
	/* hiredis frees the context itself after this. */
	s->ac = NULL;
	away(s, ac->err ? ac->errstr : "Redis closed the connection");
}

static void become_ready(struct store *s)
{
	bool first = !s->loaded;

	evtimer_del(s->patience);
	s->loaded = true;
	s->state = STORE_READY;
	s->pause_ms = PAUSE_MIN_MS;
	s->trouble[0] = 0;
	s->health.connects++;
	log_info("redis_ready", "first=%d", first);
	s->ops->ready(s->arg, first);
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
	away(s, r->str);
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
		SEND(w->store, on_ignored, NULL, "ZREM", "mr:tasks", w->id);
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
		SEND(w->store, on_ignored, NULL, "SREM", "mr:hooks:pending", w->id);
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

static void on_greeted(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct store *s = arg;

	if (s->state != STORE_CONNECTING || !r)
		return;
	if (r->type == REDIS_REPLY_ERROR) {
		away(s, r->str);
		return;
	}
	if (s->loaded) {
		become_ready(s);
		return;
	}
	s->state = STORE_LOADING;
	s->loading = 2;
	SEND(s, on_load_ids, s, "ZRANGE", "mr:tasks", "0", "-1");
	SEND(s, on_load_pending, s, "SMEMBERS", "mr:hooks:pending");
}

static void on_gate(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct store *s = arg;

	if (s->state == STORE_CONNECTING && r && r->type == REDIS_REPLY_ERROR)
		away(s, r->str);
}

static void on_connect(const redisAsyncContext *ac, int status)
{
	struct store *s = ac->data;

	if (!s || s->ac != ac)
		return;
	if (status != REDIS_OK) {
		s->ac = NULL; /* hiredis frees it */
		away(s, ac->errstr);
		return;
	}
	if (s->url.user[0])
		SEND(s, on_gate, s, "AUTH", s->url.user, s->url.password);
	else if (s->url.password[0])
		SEND(s, on_gate, s, "AUTH", s->url.password);
	if (s->url.db[0])
		SEND(s, on_gate, s, "SELECT", s->url.db);
	SEND(s, on_greeted, s, "PING");
}

static void attach(struct store *s, redisAsyncContext *ac)
{
	struct timeval patience = {SILENCE_US / 1000000, 0};

	if (!ac || ac->err) {
		away(s, ac ? ac->errstr : "no memory");
		if (ac)
			redisAsyncFree(ac);
		return;
	}
	s->ac = ac;
	ac->data = s;
	redisLibeventAttach(ac, s->base);
	redisAsyncSetConnectCallback(ac, on_connect);
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
	evtimer_add(s->patience, &patience);
}

static void on_resolved(int result, struct evutil_addrinfo *list, void *arg)
{
	struct store *s = arg;
	char ip[64] = "";

	s->resolving = NULL;
	if (s->closing)
		goto out;
	if (result) {
		away(s, evutil_gai_strerror(result));
		goto out;
	}
	if (list->ai_family == AF_INET6)
		evutil_inet_ntop(AF_INET6, &((struct sockaddr_in6 *)list->ai_addr)->sin6_addr, ip,
				 sizeof(ip));
	else
		evutil_inet_ntop(AF_INET, &((struct sockaddr_in *)list->ai_addr)->sin_addr, ip,
				 sizeof(ip));
	attach(s, redisAsyncConnect(ip, atoi(s->url.port)));
out:
	if (list)
		evutil_freeaddrinfo(list);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct store *s = arg;

	s->state = STORE_CONNECTING;
	if (s->url.path[0]) {
		attach(s, redisAsyncConnectUnix(s->url.path));
		return;
	}
	/* hiredis would resolve names while everything else waits. */
	s->resolving = evdns_getaddrinfo(s->dns, s->url.host, s->url.port, &hints, on_resolved, s);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	away(arg, "Redis does not answer");
}

/* ---- life ---------------------------------------------------------------------------------- */

struct store *store_new(struct event_base *base, struct evdns_base *dns, const char *url,
			const struct store_ops *ops, void *arg, char *err, size_t err_n)
{
	struct store *s = calloc(1, sizeof(*s));
	const char *broken;

	must(s);
	broken = redis_url_parse(&s->url, url);
	if (broken) {
		snprintf(err, err_n, "redis.url: %s", broken);
		free(s);
		return NULL;
	}
	s->base = base;
	s->dns = dns;
	s->ops = ops;
	s->arg = arg;
	s->pause_ms = PAUSE_MIN_MS;
	s->again = evtimer_new(base, on_again, s);
	s->patience = evtimer_new(base, on_patience, s);
	s->parked_turn = evtimer_new(base, on_parked_turn, s);
	must(s->again && s->patience && s->parked_turn);
	event_active(s->again, 0, 0);
	return s;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	s->closing = true;
	if (s->resolving)
		evdns_getaddrinfo_cancel(s->resolving);
	away(s, "stopping");
	parked_end(s);
	event_free(s->again);
	event_free(s->patience);
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
	return s->trouble;
}
