/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <hiredis/adapters/libevent.h>

#include "base/check.h"
#include "controlplane/store_redis_link.h"

#define SENTINEL_MS 1000 /* one that does not answer within it is left out */

struct redis_dial {
	struct event_base *base;
	struct evdns_base *dns;
	const struct redis_url *url;
	redis_dialled *fn;
	void *arg;
	struct evdns_getaddrinfo_request *resolving;
	struct event *begin, *late;
	redisAsyncContext *sentinel; /* that is being asked */
	struct redis_host master;    /* as it said */
	bool asking;		     /* the name that is resolved is a Sentinel's */
	unsigned next, tried;	     /* Sentinels */
};

static void failed(struct redis_dial *d, const char *why)
{
	d->fn(d->arg, NULL, why);
}

/* ---- names ------------------------------------------------------------------------------------- */

static void ask_sentinel(struct redis_dial *d, redisAsyncContext *ac);
static void sentinel_failed(struct redis_dial *d, const char *why);

static redisAsyncContext *connect_to(const struct evutil_addrinfo *a)
{
	char ip[64] = "";
	int port;

	if (a->ai_family == AF_INET6) {
		const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)a->ai_addr;

		evutil_inet_ntop(AF_INET6, &s->sin6_addr, ip, sizeof(ip));
		port = ntohs(s->sin6_port);
	} else {
		const struct sockaddr_in *s = (const struct sockaddr_in *)a->ai_addr;

		evutil_inet_ntop(AF_INET, &s->sin_addr, ip, sizeof(ip));
		port = ntohs(s->sin_port);
	}
	return redisAsyncConnect(ip, port);
}

static void on_resolved(int result, struct evutil_addrinfo *list, void *arg)
{
	struct redis_dial *d = arg;

	if (result == EVUTIL_EAI_CANCEL)
		return;
	d->resolving = NULL;
	if (result && d->asking)
		sentinel_failed(d, evutil_gai_strerror(result));
	else if (result)
		failed(d, evutil_gai_strerror(result));
	else if (d->asking)
		ask_sentinel(d, connect_to(list));
	else
		d->fn(d->arg, connect_to(list), "no memory");
	if (list)
		evutil_freeaddrinfo(list);
}

static void resolve(struct redis_dial *d, const struct redis_host *h, bool asking)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct evdns_getaddrinfo_request *r;

	d->asking = asking;
	/* An address is answered from within, and may have begun the next name already. */
	d->resolving = NULL;
	r = evdns_getaddrinfo(d->dns, h->host, h->port, &hints, on_resolved, d);
	if (r)
		d->resolving = r;
}

/* ---- Sentinels --------------------------------------------------------------------------------- */

static void sentinel_close(struct redis_dial *d)
{
	redisAsyncContext *ac = d->sentinel;

	d->sentinel = NULL;
	evtimer_del(d->late);
	if (ac) {
		ac->data = NULL;
		redisAsyncFree(ac);
	}
}

static void sentinel_failed(struct redis_dial *d, const char *why)
{
	char text[256];

	sentinel_close(d);
	d->next = (d->next + 1) % d->url->hosts_n;
	if (++d->tried < d->url->hosts_n) {
		resolve(d, &d->url->hosts[d->next], true);
		return;
	}
	snprintf(text, sizeof(text), "no Sentinel names the master %s: %s", d->url->master, why);
	failed(d, text);
}

/* [host, port], or nothing: it does not know the name. */
static void on_master(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct redis_dial *d = ac->data;
	char why[200];

	if (!d || d->sentinel != ac || !r)
		return; /* on_closed tells */
	if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 || !r->element[0]->str ||
	    !r->element[1]->str || strlen(r->element[0]->str) >= sizeof(d->master.host) ||
	    strlen(r->element[1]->str) >= sizeof(d->master.port)) {
		snprintf(why, sizeof(why), "%s",
			 r->type == REDIS_REPLY_ERROR ? r->str : "it does not know it");
		sentinel_failed(d, why);
		return;
	}
	snprintf(d->master.host, sizeof(d->master.host), "%s", r->element[0]->str);
	snprintf(d->master.port, sizeof(d->master.port), "%s", r->element[1]->str);
	sentinel_close(d);
	resolve(d, &d->master, false);
}

static void on_closed(const redisAsyncContext *ac, int status)
{
	struct redis_dial *d = ac->data;

	if (!d || d->sentinel != ac)
		return;
	d->sentinel = NULL; /* hiredis frees it */
	sentinel_failed(d, ac->err ? ac->errstr : "the Sentinel closed the connection");
}

static void on_connected(const redisAsyncContext *ac, int status)
{
	if (status != REDIS_OK)
		on_closed(ac, status);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	sentinel_failed(arg, "the Sentinel does not answer");
}

static void ask_sentinel(struct redis_dial *d, redisAsyncContext *ac)
{
	struct timeval tv = {SENTINEL_MS / 1000, SENTINEL_MS % 1000 * 1000};

	if (!ac || ac->err) {
		char why[128];

		snprintf(why, sizeof(why), "%s", ac ? ac->errstr : "no memory");
		if (ac)
			redisAsyncFree(ac);
		sentinel_failed(d, why);
		return;
	}
	d->sentinel = ac;
	ac->data = d;
	redisLibeventAttach(ac, d->base);
	redisAsyncSetConnectCallback(ac, on_connected);
	redisAsyncSetDisconnectCallback(ac, on_closed);
	redisAsyncCommand(ac, on_master, NULL, "SENTINEL get-master-addr-by-name %s",
			  d->url->master);
	evtimer_add(d->late, &tv);
}

/* ---- beginning --------------------------------------------------------------------------------- */

static void on_begin(evutil_socket_t fd, short what, void *arg)
{
	struct redis_dial *d = arg;

	if (d->url->path[0])
		d->fn(d->arg, redisAsyncConnectUnix(d->url->path), "no memory");
	else if (d->url->master[0])
		resolve(d, &d->url->hosts[d->next], true);
	else
		resolve(d, &d->url->hosts[0], false);
}

void redis_dial_start(struct redis_dial *d)
{
	d->tried = 0;
	event_active(d->begin, EV_TIMEOUT, 0);
}

struct redis_dial *redis_dial_new(struct event_base *base, struct evdns_base *dns,
				  const struct redis_url *url, redis_dialled *fn, void *arg)
{
	struct redis_dial *d = calloc(1, sizeof(*d));

	must(d);
	*d = (struct redis_dial){.base = base, .dns = dns, .url = url, .fn = fn, .arg = arg};
	d->begin = evtimer_new(base, on_begin, d);
	d->late = evtimer_new(base, on_late, d);
	must(d->begin && d->late);
	return d;
}

void redis_dial_free(struct redis_dial *d)
{
	if (!d)
		return;
	if (d->resolving)
		evdns_getaddrinfo_cancel(d->resolving);
	sentinel_close(d);
	event_free(d->begin);
	event_free(d->late);
	free(d);
}
