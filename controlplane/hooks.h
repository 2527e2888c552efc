/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery of callbacks: POST with a JSON body, or GET, at least once, in order per task or stream.
 *
 * One queue per task (hookq.h), one request per task in flight; a dead or slow receiver delays only
 * its own tasks. Redirects are not followed. What is delivered or given up leaves Redis too.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_HOOKS_H
#define CONTROLPLANE_HOOKS_H

#include "api/config.h"
#include "controlplane/hookq.h"
#include "controlplane/store_redis.h"

struct hooks;

struct hooks_count {
	uint64_t delivered, failed, dead; /* callbacks, tries, callbacks */
	size_t pending;
	uint64_t oldest_us; /* since when the oldest of them waits; 0: none does */
};

/* Callbacks with an "about" belong to the live service. */
struct hooks_live_ops {
	/* The domain and the key that sign it; false: it is not signed. */
	bool (*key)(void *arg, const char *about, const char **domain, const char **key);
	/* It was delivered (why ""), given up or dropped. */
	void (*ended)(void *arg, const struct hook *h, const char *why);
};

/* conf is read at every try: a reload applies at once. */
struct hooks *hooks_new(struct event_base *base, const struct config *conf);
void hooks_free(struct hooks *h);
/* Until it is set, what leaves a queue stays in Redis. */
void hooks_set_store(struct hooks *h, struct store *store);
void hooks_set_live(struct hooks *h, const struct hooks_live_ops *ops, void *arg);
/* Takes the hook. */
void hooks_add(struct hooks *h, const char *task_id, struct hook *hook);
/* The texts of a task's queue in order; *n is set, the caller frees the list (not the texts). */
const char **hooks_texts(struct hooks *h, const char *task_id, size_t *n);
/* Each undelivered callback: by task, in order. */
void hooks_each(struct hooks *h, void (*each)(void *arg, const char *task_id, const struct hook *),
		void *arg);
/* NULL: none has this id. */
struct hook *hooks_find(struct hooks *h, const char *id, const char **task_id);
/* Gives an undelivered callback up for good; false: none has this id. */
bool hooks_drop(struct hooks *h, const char *id);
/* Another node delivers those of this task now. */
void hooks_forget(struct hooks *h, const char *task_id);
/* Each task that has undelivered callbacks. */
void hooks_each_task(struct hooks *h, void (*each)(void *arg, const char *task_id), void *arg);
/* Looks at every task's queue. */
struct hooks_count hooks_count(const struct hooks *h);

#endif
