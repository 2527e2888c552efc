/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the store: letters from node to node.
 *
 * mr:post:<node> is a list that its node empties over a connection of its own; letters that nobody
 * takes end after LETTER_MS, and those from before a node's connection are not read: whoever wrote
 * them does not wait for an answer any more. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_LETTERS_H
#define CONTROLPLANE_STORE_REDIS_LETTERS_H

#include "controlplane/store_redis.h"

#define LETTER_MS 4000

struct letters;

/* text has n bytes and a NUL behind them; anybody who reaches Redis may have written it. */
typedef void letters_read(void *arg, const char *text, size_t n);

/* url: as redis.url has it. NULL with one line in err where it cannot be read. */
struct letters *letters_new(struct event_base *base, struct evdns_base *dns, const char *url,
			    const char *node, letters_read *fn, void *arg, char *err, size_t err_n);
void letters_free(struct letters *l);
/* false: Redis is away. */
bool store_letter(struct store *s, const char *node, const char *text);

#endif
