/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks, undelivered callbacks, events and the heartbeat in Redis (REDIS.md has the layout).
 *
 *   away --connected, AUTH and SELECT fine--> loading (the first time) --all read--> ready
 *   any --connection lost or silent--> away, tried again with a growing pause (0.1 s to 2 s)
 *
 * Everything goes through one connection in order, so a later change never overtakes an earlier
 * one. A change is confirmed when its transaction was executed; when the connection is lost before,
 * nobody knows, and the owner of the truth (tasks.h) writes it again after the next `ready`.
 *
 * Threads: the event loop's. Only files whose names begin with store_redis know hiredis.
 */
#ifndef CONTROLPLANE_STORE_REDIS_H
#define CONTROLPLANE_STORE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/model.h"

struct event_base;
struct evdns_base;
struct store;

struct store_ops {
	/* During the first load: every task in order of creation (n fields), then every callback. */
	void (*task)(void *arg, const char *id, const struct task_field *f, size_t n);
	void (*hook)(void *arg, const char *task_id, const char *text);
	/* first: the load is complete; otherwise the connection is back: write what you have. */
	void (*ready)(void *arg, bool first);
};

/* What happens to one task in one transaction. */
struct store_change {
	const char *id;
	bool remove;			 /* the task is deleted, fields are ignored */
	const struct task_field *fields; /* TASK_FIELDS of them */
	int64_t created_ms, due_ms;	 /* for the two indexes */
	bool replace_hooks;		 /* hooks[] is the whole list, not an addition */
	const char *const *hooks;
	size_t hooks_n;
	/* Several nodes: "<owner> <epoch>", who alone may write; "": a creation; NULL: one node. */
	const char *lease;
};

/* error: NULL, or why nothing is confirmed. Called exactly once, never from within store_save(). */
typedef void store_done(void *arg, const char *error);

/*
 * url: as redis.url has it. NULL with one line in err where it cannot be read. The connection is
 * made by the loop.
 */
struct store *store_new(struct event_base *base, struct evdns_base *dns, const char *url,
			const struct store_ops *ops, void *arg, char *err, size_t err_n);
/* Every save that is open ends with an error. */
void store_free(struct store *s);
bool store_ready(const struct store *s);
/* fn is called each time the connection became ready, after store_ops. At most STORE_WATCHERS of them. */
#define STORE_WATCHERS 8
void store_watch(struct store *s, void (*fn)(void *arg), void *arg);
/* Why it is not ready; "" where nothing is known yet. */
const char *store_trouble(const struct store *s);
/* How often the connection became ready, and how long the last heartbeat took; 0: none yet. */
struct store_health {
	uint64_t connects, latency_us;
};
struct store_health store_health(const struct store *s);
/* Only while ready; otherwise done() gets the error from the loop. done may be NULL. */
void store_save(struct store *s, const struct store_change *c, store_done *done, void *arg);

/*
 * The rest is written if Redis is there and otherwise left out; what must not be lost is written
 * again by the owner after `ready`.
 */
/* A callback is delivered, or dead: dead_text then goes to mr:hooks:dead. last: none is left. */
void store_hook_gone(struct store *s, const char *task_id, const char *text, const char *dead_text,
		     bool last);
/* The texts of mr:hooks:dead, newest first; error: NULL, or why there are none. Called once. */
typedef void store_dead(void *arg, const char *const *texts, size_t n, const char *error);
void store_dead_list(struct store *s, store_dead *fn, void *arg);
/* A dead callback waits again (again) or is forgotten; dead_text: as it was listed. */
void store_dead_end(struct store *s, const char *task_id, const char *dead_text, bool again,
		    store_done *done, void *arg);
/* The kept answer of a command, NULL where there is none; error: NULL, or why it is not known. */
typedef void store_seen(void *arg, const char *text, const char *error);
/* fn is called once; from within where Redis is away. */
void store_command_seen(struct store *s, const char *correlation, store_seen *fn, void *arg);
/* A command of mr:cmd is answered and leaves the stream; correlation "": nobody can be answered. */
void store_command_done(struct store *s, const char *entry, const char *correlation,
			const char *text);
/* It goes to the end of the stream instead, as n fields, for another node. */
void store_command_back(struct store *s, const char *entry, const struct task_field *f, size_t n);
/* One line of mr:events: n fields. */
void store_event(struct store *s, const struct task_field *f, size_t n);
/* mr:node:<node>, which ends by itself 10 s after the last call; also watches the connection. */
void store_heartbeat(struct store *s, const char *node, const struct task_field *f, size_t n);

#endif
