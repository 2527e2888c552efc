/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_letters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "controlplane/store_redis_link.h"

#define BLOCK_S	   "2"
#define SILENCE_MS 7000
#define TEXT_OF(n) #n
#define TEXT(n)	   TEXT_OF(n)

struct letters {
	struct redis_link *link;
	letters_read *fn;
	void *arg;
	char key[96];
	bool up;
};

static void on_letter(redisAsyncContext *ac, void *reply, void *arg);

static void wait_for_one(struct letters *l)
{
	redis_link_patience(l->link, SILENCE_MS);
	REDIS_SEND(l->link, on_letter, l, "BLPOP", l->key, BLOCK_S);
}

/* [key, text], or nothing came */
static void on_letter(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct letters *l = arg;

	if (!r || !l->up)
		return;
	if (r->type == REDIS_REPLY_ERROR) {
		redis_link_drop(l->link, r->str);
		return;
	}
	if (r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[1]->str)
		l->fn(l->arg, r->element[1]->str, r->element[1]->len);
	wait_for_one(l);
}

static void on_up(void *arg)
{
	struct letters *l = arg;

	l->up = true;
	REDIS_SEND(l->link, redis_ignored, NULL, "DEL", l->key);
	wait_for_one(l);
}

static void on_down(void *arg)
{
	struct letters *l = arg;

	l->up = false;
}

static const struct redis_link_ops link_ops = {on_up, on_down};

struct letters *letters_new(struct event_base *base, struct evdns_base *dns, const char *url,
			    const char *node, letters_read *fn, void *arg, char *err, size_t err_n)
{
	struct letters *l = calloc(1, sizeof(*l));

	must(l);
	l->fn = fn;
	l->arg = arg;
	snprintf(l->key, sizeof(l->key), "mr:post:%s", node);
	l->link = redis_link_new(base, dns, url, &link_ops, l, err, err_n);
	if (l->link)
		return l;
	free(l);
	return NULL;
}

void letters_free(struct letters *l)
{
	if (!l)
		return;
	on_down(l);
	redis_link_free(l->link);
	free(l);
}

bool store_letter(struct store *s, const char *node, const char *text)
{
	struct redis_link *l = store_link(s);
	char key[96];

	snprintf(key, sizeof(key), "mr:post:%s", node);
	return store_ready(s) && REDIS_SEND(l, redis_ignored, NULL, "RPUSH", key, text) &&
	       REDIS_SEND(l, redis_ignored, NULL, "PEXPIRE", key, TEXT(LETTER_MS));
}
