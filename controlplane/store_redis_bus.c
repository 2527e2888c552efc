/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/store_redis_link.h"

#define BLOCK_MS     2000
#define SILENCE_MS   (BLOCK_MS + 5000)
#define FIELDS_MAX   256
#define TEXT_OF(n)   #n
#define TEXT(n)	     TEXT_OF(n)
#define LOOK_LEFT_US ((uint64_t)BUS_LEFT_MS * 1000)

struct bus {
	struct redis_link *link;
	const struct bus_ops *ops;
	void *arg;
	char node[65];
	bool up, asked, old_done; /* old_done: nothing of before is left */
	bool wanted;		  /* the owner is ready for more */
	uint64_t looked_us;	  /* for what others left */
};

/* ---- entries ----------------------------------------------------------------------------------- */

/* [id, [name, value, ...]]; no list where the entry was deleted meanwhile. */
static void hand_over(struct bus *b, const redisReply *entry, bool again)
{
	struct bus_field f[FIELDS_MAX];
	const redisReply *words;
	size_t n = 0;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || !entry->element[0]->str)
		return;
	words = entry->element[1];
	if (words->type != REDIS_REPLY_ARRAY) {
		REDIS_SEND(b->link, redis_ignored, NULL, "XACK", BUS_STREAM, BUS_GROUP,
			   entry->element[0]->str);
		return;
	}
	for (size_t i = 0; i + 1 < words->elements && n < FIELDS_MAX; i += 2, n++)
		f[n] = (struct bus_field){words->element[i]->str, words->element[i + 1]->str,
					  words->element[i]->len, words->element[i + 1]->len};
	b->ops->entry(b->arg, entry->element[0]->str, f, n, again);
}

static size_t hand_over_all(struct bus *b, const redisReply *entries, bool again)
{
	if (!entries || entries->type != REDIS_REPLY_ARRAY)
		return 0;
	for (size_t i = 0; i < entries->elements; i++)
		hand_over(b, entries->element[i], again);
	return entries->elements;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void ask(struct bus *b);

/* Still of this connection, and no error? */
static bool is_fine(struct bus *b, const redisReply *r)
{
	b->asked = false;
	if (!r || !b->up)
		return false;
	redis_link_patience(b->link, 0);
	if (r->type != REDIS_REPLY_ERROR)
		return true;
	/* NOGROUP after the stream was deleted: the group is made again. */
	redis_link_drop(b->link, r->str);
	return false;
}

static void batch_read(struct bus *b, size_t n)
{
	if (!n) {
		ask(b);
		return;
	}
	b->wanted = false;
	b->ops->batch(b->arg);
}

static void on_read(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct bus *b = arg;
	bool again = !b->old_done;
	size_t n = 0;

	if (!is_fine(b, r))
		return;
	if (r->type == REDIS_REPLY_ARRAY && r->elements && r->element[0]->elements == 2)
		n = hand_over_all(b, r->element[0]->element[1], again);
	b->old_done = b->old_done || !n;
	batch_read(b, n);
}

/* [next id, entries, deleted ids] */
static void on_left(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct bus *b = arg;
	size_t n = 0;

	if (!is_fine(b, r))
		return;
	if (r->type == REDIS_REPLY_ARRAY && r->elements >= 2)
		n = hand_over_all(b, r->element[1], true);
	batch_read(b, n);
}

static void ask(struct bus *b)
{
	uint64_t now = clock_us();

	if (!b->up || b->asked || !b->wanted)
		return;
	b->asked = true;
	redis_link_patience(b->link, SILENCE_MS);
	if (b->old_done && now - b->looked_us > LOOK_LEFT_US) {
		b->looked_us = now;
		REDIS_SEND(b->link, on_left, b, "XAUTOCLAIM", BUS_STREAM, BUS_GROUP, b->node,
			   TEXT(BUS_LEFT_MS), "0-0", "COUNT", TEXT(BUS_BATCH));
	} else if (b->old_done) {
		REDIS_SEND(b->link, on_read, b, "XREADGROUP", "GROUP", BUS_GROUP, b->node, "COUNT",
			   TEXT(BUS_BATCH), "BLOCK", TEXT(BLOCK_MS), "STREAMS", BUS_STREAM, ">");
	} else {
		REDIS_SEND(b->link, on_read, b, "XREADGROUP", "GROUP", BUS_GROUP, b->node, "COUNT",
			   TEXT(BUS_BATCH), "STREAMS", BUS_STREAM, "0");
	}
}

static void on_group(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct bus *b = arg;

	if (!r || !b->up)
		return;
	if (r->type == REDIS_REPLY_ERROR && strncmp(r->str, "BUSYGROUP", 9)) {
		redis_link_drop(b->link, r->str);
		return;
	}
	ask(b);
}

static void on_up(void *arg)
{
	struct bus *b = arg;

	b->up = true;
	b->asked = b->old_done = false;
	REDIS_SEND(b->link, on_group, b, "XGROUP", "CREATE", BUS_STREAM, BUS_GROUP, "0",
		   "MKSTREAM");
}

static void on_down(void *arg)
{
	struct bus *b = arg;

	b->up = b->asked = false;
}

static const struct redis_link_ops link_ops = {on_up, on_down};

/* ---- life ---------------------------------------------------------------------------------- */

struct bus *bus_new(struct event_base *base, struct evdns_base *dns, const char *url,
		    const char *node, const struct bus_ops *ops, void *arg, char *err, size_t err_n)
{
	struct bus *b = calloc(1, sizeof(*b));

	must(b);
	b->ops = ops;
	b->arg = arg;
	snprintf(b->node, sizeof(b->node), "%s", node);
	b->link = redis_link_new(base, dns, url, &link_ops, b, err, err_n);
	if (b->link)
		return b;
	free(b);
	return NULL;
}

void bus_free(struct bus *b)
{
	if (!b)
		return;
	on_down(b);
	redis_link_free(b->link);
	free(b);
}

void bus_more(struct bus *b)
{
	b->wanted = true;
	ask(b);
}

void bus_restart(struct bus *b)
{
	b->old_done = false;
}
