/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any command to Redis over the store's connection, for modules with keys of their own: words in,
 * texts out. What goes through here is in order with everything else of the store.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_WORDS_H
#define CONTROLPLANE_STORE_REDIS_WORDS_H

#include "controlplane/store_redis.h"

/* A list's texts, or the one text of an answer that is none; NULL stands for nil. */
struct store_reply {
	const char *const *text;
	size_t n;
	int64_t number;	   /* of an answer that is a number */
	const char *error; /* NULL, or why there is no answer */
};

/* Called once; r is borrowed. */
typedef void store_reply_fn(void *arg, const struct store_reply *r);

/* fn is called from within where Redis is away. At most REDIS_ARGS_MAX words. */
void store_ask(struct store *s, const char *const *words, size_t n, store_reply_fn *fn, void *arg);
/* Nobody waits for it: left out while Redis is away. */
void store_tell(struct store *s, const char *const *words, size_t n);

#define STORE_WORDS(...)                    \
	(const char *const[]){__VA_ARGS__}, \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

#endif
