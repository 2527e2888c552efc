/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/store_redis_dial.h"

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 2000
#define CONNECT_MS   5000

struct redis_link {
	struct event_base *base;
	const struct redis_link_ops *ops;
	void *arg;
	struct redis_url url;
	redisAsyncContext *ac;
	struct redis_dial *dial;
	struct event *again, *patience; /* next connect; the present one takes too long */
	unsigned pause_ms;
	char trouble[256];
	bool up, closing;
};

/* ---- sending ------------------------------------------------------------------------------- */

void redis_args_add(struct redis_args *a, const char *text)
{
	must(a->n < REDIS_ARGS_MAX);
	a->v[a->n++] = text;
}

bool redis_link_send(struct redis_link *l, redisCallbackFn *fn, void *arg,
		     const struct redis_args *a)
{
	const char **v = (const char **)a->v;

	return l->ac && redisAsyncCommandArgv(l->ac, fn, arg, a->n, v, NULL) == REDIS_OK;
}

void redis_ignored(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct redis_link *l = ac->data;
	char text[300];

	if (!r || r->type != REDIS_REPLY_ERROR)
		return;
	log_warn("redis", "error=%s", log_q(text, sizeof(text), r->str));
	/* A master that has become a replica; the next connection goes to the new master. */
	if (l && l->ac == ac && !strncmp(r->str, "READONLY", 8))
		redis_link_drop(l, r->str);
}

/* ---- the connection ---------------------------------------------------------------------------- */

static void connect_later(struct redis_link *l)
{
	struct timeval tv = {l->pause_ms / 1000, l->pause_ms % 1000 * 1000};

	l->pause_ms = min_of(l->pause_ms * 2, PAUSE_MAX_MS);
	evtimer_add(l->again, &tv);
}

static void note_trouble(struct redis_link *l, const char *why)
{
	char text[300];

	if (!l->closing && strcmp(l->trouble, why))
		log_warn("redis_away", "why=%s", log_q(text, sizeof(text), why));
	snprintf(l->trouble, sizeof(l->trouble), "%s", why);
}

void redis_link_drop(struct redis_link *l, const char *why)
{
	redisAsyncContext *ac = l->ac;
	bool was_up = l->up;

	note_trouble(l, why);
	l->ac = NULL;
	l->up = false;
	evtimer_del(l->patience);
	if (was_up && !l->closing)
		l->ops->down(l->arg);
	if (ac) {
		ac->data = NULL;
		redisAsyncFree(ac);
	}
	if (!l->closing)
		connect_later(l);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
	struct redis_link *l = ac->data;

	if (!l || l->ac != ac)
		return;
	/* hiredis frees the context itself after this. */
	l->ac = NULL;
	redis_link_drop(l, ac->err ? ac->errstr : "Redis closed the connection");
}

/* 0: AUTH, SELECT; the last one is the PING. */
static void on_gate(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct redis_link *l = arg;

	if (l->ac == ac && r && r->type == REDIS_REPLY_ERROR)
		redis_link_drop(l, r->str);
}

/* What Sentinels say is a moment old. */
static void on_role(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct redis_link *l = arg;

	if (l->ac != ac || !r)
		return;
	if (r->type == REDIS_REPLY_ERROR)
		redis_link_drop(l, r->str);
	else if (r->type != REDIS_REPLY_ARRAY || !r->elements || !r->element[0]->str ||
		 strcmp(r->element[0]->str, "master"))
		redis_link_drop(l, "the Redis that the Sentinels named is no master");
}

/* No redirection is followed: with several masters the keys of others would be lost to us one by one. */
static void on_cluster(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct redis_link *l = arg;
	const char *size =
		r && r->type == REDIS_REPLY_STRING ? strstr(r->str, "cluster_size:") : NULL;
	int masters = size ? atoi(strchr(size, ':') + 1) : 1;
	char why[160];

	if (l->ac != ac || masters <= 1)
		return; /* no cluster is an error here, and fine */
	snprintf(
		why, sizeof(why),
		"redis.url names a node of a cluster of %d masters; one master must have every slot",
		masters);
	redis_link_drop(l, why);
}

static void on_greeted(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct redis_link *l = arg;

	if (l->ac != ac || !r)
		return;
	if (r->type == REDIS_REPLY_ERROR) {
		redis_link_drop(l, r->str);
		return;
	}
	evtimer_del(l->patience);
	l->up = true;
	l->pause_ms = PAUSE_MIN_MS;
	l->trouble[0] = 0;
	l->ops->up(l->arg);
}

static void on_connect(const redisAsyncContext *ac, int status)
{
	struct redis_link *l = ac->data;

	if (!l || l->ac != ac)
		return;
	if (status != REDIS_OK) {
		l->ac = NULL; /* hiredis frees it */
		redis_link_drop(l, ac->errstr);
		return;
	}
	if (l->url.user[0])
		REDIS_SEND(l, on_gate, l, "AUTH", l->url.user, l->url.password);
	else if (l->url.password[0])
		REDIS_SEND(l, on_gate, l, "AUTH", l->url.password);
	if (l->url.db[0])
		REDIS_SEND(l, on_gate, l, "SELECT", l->url.db);
	if (l->url.master[0])
		REDIS_SEND(l, on_role, l, "ROLE");
	REDIS_SEND(l, on_cluster, l, "CLUSTER", "INFO");
	REDIS_SEND(l, on_greeted, l, "PING");
}

static void attach(struct redis_link *l, redisAsyncContext *ac)
{
	if (ac->err) {
		redis_link_drop(l, ac->errstr);
		redisAsyncFree(ac);
		return;
	}
	l->ac = ac;
	ac->data = l;
	redisLibeventAttach(ac, l->base);
	redisAsyncSetConnectCallback(ac, on_connect);
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
	redis_link_patience(l, CONNECT_MS);
}

static void on_dialled(void *arg, redisAsyncContext *ac, const char *why)
{
	if (ac)
		attach(arg, ac);
	else
		redis_link_drop(arg, why);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct redis_link *l = arg;

	redis_dial_start(l->dial);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	redis_link_drop(arg, "Redis does not answer");
}

void redis_link_patience(struct redis_link *l, unsigned wait_ms)
{
	struct timeval tv = {wait_ms / 1000, wait_ms % 1000 * 1000};

	if (wait_ms)
		evtimer_add(l->patience, &tv);
	else
		evtimer_del(l->patience);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct redis_link *redis_link_new(struct event_base *base, struct evdns_base *dns, const char *url,
				  const struct redis_link_ops *ops, void *arg, char *err,
				  size_t err_n)
{
	struct redis_link *l = calloc(1, sizeof(*l));
	const char *broken;

	must(l);
	broken = redis_url_parse(&l->url, url);
	if (broken) {
		snprintf(err, err_n, "redis.url: %s", broken);
		free(l);
		return NULL;
	}
	l->base = base;
	l->ops = ops;
	l->arg = arg;
	l->pause_ms = PAUSE_MIN_MS;
	l->dial = redis_dial_new(base, dns, &l->url, on_dialled, l);
	l->again = evtimer_new(base, on_again, l);
	l->patience = evtimer_new(base, on_patience, l);
	must(l->again && l->patience);
	event_active(l->again, 0, 0);
	return l;
}

void redis_link_free(struct redis_link *l)
{
	if (!l)
		return;
	l->closing = true;
	redis_link_drop(l, "stopping");
	redis_dial_free(l->dial);
	event_free(l->again);
	event_free(l->patience);
	free(l);
}

const char *redis_link_trouble(const struct redis_link *l)
{
	return l->trouble;
}
