/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The undelivered callbacks of one task, in order: when the first may be tried and what follows a try.
 *
 *   waiting --due--> (hookq_due) in flight --delivered or tries used up--> the next one, at once
 *                    in flight --failed--> waiting for the interval
 *
 * Only the first is ever in flight, so a receiver sees a task's events in order; it may see one more
 * than once. No clock, no network. Threads: one owner.
 */
#ifndef CONTROLPLANE_HOOKQ_H
#define CONTROLPLANE_HOOKQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>

/*
 * One callback. `text` is how it stands in Redis: {"id","url","body"}, body being text too; those of
 * the live service have "about", whose object's text is here. An empty body: it is a GET.
 */
struct hook {
	TAILQ_ENTRY(hook) link;
	char *text, *id, *url, *body, *about;
	int tries;	    /* made so far, in this process */
	uint64_t queued_us; /* since when it waits in this process, on the monotonic clock */
};

struct hookq {
	TAILQ_HEAD(hooks_head, hook) list;
	size_t n;
	bool in_flight;
	uint64_t due_us; /* no try before this */
};

enum hook_end { HOOK_DELIVERED, HOOK_AGAIN, HOOK_DEAD, HOOK_DROPPED };

/* From its parts, or from the text in Redis (NULL: that is not one). */
struct hook *hook_new(const char *id, const char *url, const char *body);
/* about: an object; borrowed. */
struct hook *hook_new_about(const char *id, const char *url, const char *body, json_t *about);
struct hook *hook_parse(const char *text);
void hook_free(struct hook *h);

void hookq_init(struct hookq *q);
void hookq_fini(struct hookq *q);
/* Takes ownership. */
void hookq_add(struct hookq *q, struct hook *h);
/* The first one if it may be tried now: it is in flight from here on, with one more try. */
struct hook *hookq_due(struct hookq *q, uint64_t now_us);
/* UINT64_MAX: nothing is waiting. */
uint64_t hookq_next_us(const struct hookq *q);
/*
 * How the try in flight ended. DELIVERED and DEAD: *gone is the hook, out of the queue and the
 * caller's; AGAIN: it waits interval_us.
 */
enum hook_end hookq_done(struct hookq *q, bool delivered, int tries_max, uint64_t interval_us,
			 uint64_t now_us, struct hook **gone);
/* Takes h, which is in it, out: it is the caller's. A try of it that is in flight does not count. */
void hookq_drop(struct hookq *q, struct hook *h);

#endif
