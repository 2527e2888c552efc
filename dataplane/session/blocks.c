/* SPDX-License-Identifier: Apache-2.0 */
#include "session/blocks.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/clock.h"
#include "media/stream_name.h"

#define BUCKETS	   1024u
#define REASON_MAX 200

struct block {
	LIST_ENTRY(block) link;
	int64_t until_ms; /* 0: no end */
	char reason[REASON_MAX + 1];
	char key[];
};

LIST_HEAD(block_list, block);

static struct {
	pthread_mutex_t lock;
	unsigned n;
	struct block_list bucket[BUCKETS];
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct block_list *bucket_of(const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 16777619u;
	return &all.bucket[h % BUCKETS];
}

static void forget(struct block *b)
{
	LIST_REMOVE(b, link);
	free(b);
	all.n--;
}

static struct block *find(const char *key)
{
	struct block *b;

	LIST_FOREACH (b, bucket_of(key), link)
		if (!strcmp(b->key, key))
			break;
	if (b && b->until_ms && b->until_ms <= (int64_t)clock_wall_ms()) {
		forget(b);
		return NULL;
	}
	return b;
}

static void forget_old(int64_t now_ms)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		struct block *b, *next;

		for (b = LIST_FIRST(&all.bucket[i]); b; b = next) {
			next = LIST_NEXT(b, link);
			if (b->until_ms && b->until_ms <= now_ms)
				forget(b);
		}
	}
}

static struct block *add(const char *key)
{
	size_t n = strlen(key) + 1;
	struct block *b;

	if (all.n >= BLOCKS_MAX)
		forget_old((int64_t)clock_wall_ms());
	b = all.n < BLOCKS_MAX ? calloc(1, sizeof(*b) + n) : NULL;
	if (!b)
		return NULL;
	memcpy(b->key, key, n);
	LIST_INSERT_HEAD(bucket_of(key), b, link);
	all.n++;
	return b;
}

int blocks_set(const char *key, int64_t until_ms, const char *reason, struct ctl_error *e)
{
	struct block *b;

	if (until_ms < 0)
		return ctl_error_set(e, "bad_field", "until_ms", "must be 0 or a time");
	if (strlen(reason) > REASON_MAX)
		return ctl_error_set(e, "bad_field", "reason", "must be at most %d bytes long",
				     REASON_MAX);
	pthread_mutex_lock(&all.lock);
	b = find(key);
	if (!b)
		b = add(key);
	if (b) {
		b->until_ms = until_ms;
		strcpy(b->reason, reason);
	}
	pthread_mutex_unlock(&all.lock);
	return b ? 0
		 : ctl_error_set(e, "limit", "stream", "%d streams are blocked already",
				 BLOCKS_MAX);
}

void blocks_remove(const char *key)
{
	struct block *b;

	pthread_mutex_lock(&all.lock);
	b = find(key);
	if (b)
		forget(b);
	pthread_mutex_unlock(&all.lock);
}

bool blocks_has(const char *key)
{
	bool has;

	pthread_mutex_lock(&all.lock);
	has = all.n && find(key);
	pthread_mutex_unlock(&all.lock);
	return has;
}

json_t *blocks_list(void)
{
	json_t *list = json_array();
	struct block *b;

	pthread_mutex_lock(&all.lock);
	forget_old((int64_t)clock_wall_ms());
	for (unsigned i = 0; i < BUCKETS; i++) {
		LIST_FOREACH (b, &all.bucket[i], link) {
			json_t *o = json_pack("{s:o, s:I}", "stream", ctl_text(b->key), "until_ms",
					      (json_int_t)b->until_ms);

			if (o && b->reason[0])
				json_object_set_new(o, "reason", ctl_text(b->reason));
			json_array_append_new(list, o);
		}
	}
	pthread_mutex_unlock(&all.lock);
	return list;
}

int blocks_load(const json_t *list, struct ctl_error *e)
{
	if (list && !json_is_array(list))
		return ctl_error_set(e, "bad_field", "blocks", "must be a list");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		const char *stream = json_string_value(json_object_get(o, "stream"));
		const char *reason = json_string_value(json_object_get(o, "reason")), *rule;
		int64_t until_ms = json_integer_value(json_object_get(o, "until_ms"));
		char key[STREAM_KEY_MAX], field[64];
		struct stream_name name;

		if (!stream || stream_name_key(&name, stream, &rule)) {
			snprintf(field, sizeof(field), "blocks[%zu].stream", i);
			return ctl_error_set(e, "bad_field", field, "must be a stream's name");
		}
		if (blocks_set(stream_key(key, &name), until_ms, reason ? reason : "", e))
			return -EINVAL;
	}
	return 0;
}

void blocks_fini(void)
{
	pthread_mutex_lock(&all.lock);
	for (unsigned i = 0; i < BUCKETS; i++)
		while (!LIST_EMPTY(&all.bucket[i]))
			forget(LIST_FIRST(&all.bucket[i]));
	pthread_mutex_unlock(&all.lock);
}
