/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packaging workers: processes with an HLS channel to the data plane each, started when a stream
 * needs a place, ended when none has needed them for a while.
 *
 *   opening --the data plane gave a channel--> running --its process is gone--> (gone)
 *
 * Packets for one that is opening wait. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_PACKAGE_POOL_H
#define CONTROLPLANE_PACKAGE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "api/config.h"
#include "controlplane/dp.h"

struct event_base;
struct pool;
struct pool_worker;

struct pool_ops {
	void (*said)(void *arg, struct pool_worker *w, const json_t *packet);
	/* It is freed after this; never from within pool_place(). */
	void (*gone)(void *arg, struct pool_worker *w);
};

struct pool_count {
	size_t workers;
	uint64_t lost; /* ended by themselves */
};

struct pool *pool_new(struct event_base *base, struct dp *dp, const struct config *conf,
		      const char *program, const struct pool_ops *ops, void *arg);
/* After the data plane's client is freed. */
void pool_free(struct pool *p);
/* A place for one more stream at the emptiest worker; alone: at one that nobody else gets. */
struct pool_worker *pool_place(struct pool *p, bool alone);
/* The place is free again. */
void pool_leave(struct pool_worker *w);
/* Takes the reference. */
void pool_tell(struct pool_worker *w, json_t *packet);
/* The data plane is away: every worker is ended, gone() is not called. */
void pool_close(struct pool *p);
/* About once a second. */
void pool_tick(struct pool *p);
struct pool_count pool_count(const struct pool *p);
/* 0: it is opening. */
int pool_pid(const struct pool_worker *w);

#endif
