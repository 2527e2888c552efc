/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A book: a table of JSON documents by name that all nodes of one Redis share.
 *
 *   empty --read from Redis--> known --another node's change, or a reconnect--> read again
 *
 * Layout: hash `mr:{book}` (name -> document) and the number `mr:{book}:version`, one hash tag. A
 * change of several documents is one script: it is done as a whole, and only if each of them still
 * is what this process knows, or not at all. It becomes true here when Redis confirmed it. Other
 * nodes' changes are noticed by the version, asked for every two seconds.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_BOOK_H
#define CONTROLPLANE_BOOK_H

#include <jansson.h>

#include "controlplane/store_redis.h"

#define BOOK_CHANGES_MAX 64
#define BOOK_BUSY	 "BUSY" /* how the error begins when another change was faster */

struct book;

/* Documents are other ones than before, whoever changed them. */
typedef void book_changed(void *arg);

struct book *book_new(struct store *store, const char *name, book_changed *fn, void *arg);
/* After the store is freed. */
void book_free(struct book *b);
/* Read at least once: what is not in it does not exist. */
bool book_known(const struct book *b);
/* Name -> document; borrowed, until the loop goes on. */
json_t *book_all(const struct book *b);
/* NULL where there is none. */
json_t *book_get(const struct book *b, const char *name);
/*
 * changes: name -> new document, or null to remove it; at most BOOK_CHANGES_MAX; the reference is
 * taken. done is called once, perhaps from within.
 */
void book_commit(struct book *b, json_t *changes, store_done *done, void *arg);
/* Every two seconds or so. */
void book_poll(struct book *b);

#endif
