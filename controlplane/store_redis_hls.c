/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/store_redis_hls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/store_redis_link.h"

#define KEPT_MS "2592000000"

struct hls_ask {
	store_hls_got *fn;
	void *arg;
};

static int64_t number(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? strtoll(r->str, NULL, 10) : -1;
}

static void on_read(redisAsyncContext *ac, void *reply, void *arg)
{
	const redisReply *r = reply;
	struct hls_ask *ask = arg;
	struct store_hls h = {0};
	bool found =
		r && r->type == REDIS_REPLY_ARRAY && r->elements == 3 && number(r->element[0]) >= 0;

	if (found) {
		h.media_seq = number(r->element[0]);
		h.disc_seq = max_of(number(r->element[1]), 0);
		h.running = r->element[2]->type != REDIS_REPLY_STRING ||
			    strcmp(r->element[2]->str, "closed") != 0;
	}
	ask->fn(ask->arg, found, &h);
	free(ask);
}

static const char *key_of(char dst[600], const char *stream)
{
	snprintf(dst, 600, "mr:hls:%s", stream);
	return dst;
}

void store_hls_read(struct store *s, const char *stream, store_hls_got *fn, void *arg)
{
	struct hls_ask *ask = calloc(1, sizeof(*ask));
	char key[600];

	must(ask);
	*ask = (struct hls_ask){fn, arg};
	if (store_ready(s) && REDIS_SEND(store_link(s), on_read, ask, "HMGET", key_of(key, stream),
					 "MediaSeq", "DiscSeq", "State"))
		return;
	fn(arg, false, &(struct store_hls){0});
	free(ask);
}

void store_hls_save(struct store *s, const char *stream, const char *node,
		    const struct store_hls *h)
{
	char key[600], media[24], disc[24], time[24];

	if (!store_ready(s))
		return;
	snprintf(media, sizeof(media), "%lld", (long long)h->media_seq);
	snprintf(disc, sizeof(disc), "%lld", (long long)h->disc_seq);
	snprintf(time, sizeof(time), "%llu", (unsigned long long)clock_wall_ms());
	key_of(key, stream);
	REDIS_SEND(store_link(s), redis_ignored, NULL, "HSET", key, "MediaSeq", media, "DiscSeq",
		   disc, "State", h->running ? "running" : "closed", "Node", node, "Time", time);
	REDIS_SEND(store_link(s), redis_ignored, NULL, "PEXPIRE", key, KEPT_MS);
}
