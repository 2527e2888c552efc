/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the store: the way to a Redis, until there is a connection.
 *
 * Names are resolved by the loop (hiredis would wait for them). With Sentinels the first one that
 * answers says who the master is; the next try asks the next one first. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_DIAL_H
#define CONTROLPLANE_STORE_REDIS_DIAL_H

#include <hiredis/async.h>

#include "controlplane/redis_url.h"

struct event_base;
struct evdns_base;
struct redis_dial;

/*
 * ac: to be attached, connected or not yet; NULL with why. Called once per redis_dial_start(), not
 * from within.
 */
typedef void redis_dialled(void *arg, redisAsyncContext *ac, const char *why);

/* url must outlive it. */
struct redis_dial *redis_dial_new(struct event_base *base, struct evdns_base *dns,
				  const struct redis_url *url, redis_dialled *fn, void *arg);
/* A start that is under way does not end. */
void redis_dial_free(struct redis_dial *d);
void redis_dial_start(struct redis_dial *d);

#endif
