/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to Redis that comes back: AUTH, SELECT, growing pauses, patience; with Sentinels it
 * follows the master.
 *
 *   away --connected, AUTH and SELECT fine--> up --lost or given up--> away, tried again (0.1 s to 2 s)
 *
 * Answers that are open when the connection is lost come as NULL, after down(). Threads: the event
 * loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_LINK_H
#define CONTROLPLANE_STORE_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/async.h>

struct event_base;
struct evdns_base;
struct redis_link;

struct redis_link_ops {
	void (*up)(void *arg);
	void (*down)(void *arg);
};

/* A command: its words. */
#define REDIS_ARGS_MAX 512

struct redis_args {
	const char *v[REDIS_ARGS_MAX];
	int n;
};

/* url: as redis.url has it; NULL with one line in err where it cannot be read. */
struct redis_link *redis_link_new(struct event_base *base, struct evdns_base *dns, const char *url,
				  const struct redis_link_ops *ops, void *arg, char *err,
				  size_t err_n);
/* down() is not called; open answers come as NULL. */
void redis_link_free(struct redis_link *l);
/* Why it is away; "" where nothing is known yet or it is up. */
const char *redis_link_trouble(const struct redis_link *l);
/* Gives the connection up and begins anew. */
void redis_link_drop(struct redis_link *l, const char *why);
/* Gives it up if this is not called again within wait_ms; 0: it may take its time. */
void redis_link_patience(struct redis_link *l, unsigned wait_ms);
/* false: nothing was sent and fn will not be called. */
bool redis_link_send(struct redis_link *l, redisCallbackFn *fn, void *arg,
		     const struct redis_args *a);

void redis_args_add(struct redis_args *a, const char *text);

#define REDIS_SEND(l, fn, arg, ...)                      \
	redis_link_send(                                 \
		l, fn, arg,                              \
		&(struct redis_args){.v = {__VA_ARGS__}, \
				     .n = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)})

/* For answers that matter to nobody: an error is logged; READONLY ends the connection. */
void redis_ignored(redisAsyncContext *ac, void *reply, void *arg);
/* The store's own connection, for the parts of the store. */
struct store;
struct redis_link *store_link(struct store *s);

#endif
