/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams that are live, on whichever node of one Redis.
 *
 * Each node writes what is published at it, by domain, to `mr:online:{domain}:<node>` (hash, PX), and
 * renews it every few seconds: what a node that died had is gone when that ends. A question reads the
 * hashes of all nodes that were alive within a week and this node's streams from memory, and makes one
 * row of each stream:
 *
 *   {"app","name","node","address","protocol","since":ms,"pull":bool,"edge":bool,"width","height",
 *    "video","audio","vfps","afps","in_bps","viewers"}
 *
 * edge: pulled from another node, which has the stream too. The row is the origin's, of several the
 * oldest; its viewers are those of all nodes but the edges themselves. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_ONLINE_H
#define CONTROLPLANE_ONLINE_H

#include <jansson.h>

#include "controlplane/live.h"

/* This node has the stream, with these numbers. */
void online_tell(struct cp *cp, const struct live_stream *s);
void online_forget(struct cp *cp, const struct live_stream *s);
/* Redis may have missed ends: whatever it has of the stream's domain and this node is dropped. */
void online_drop(struct cp *cp, const struct live_stream *s);

/* rows: oldest first, borrowed; NULL with error. Called once. */
typedef void online_fn(void *arg, json_t *rows, const char *error);
/* domain: the ingest domain. fn may be called from within. */
void online_ask(struct cp *cp, const char *domain, online_fn *fn, void *arg);
/* The same of one stream, by its key: one row or none. */
void online_find(struct cp *cp, const char *key, online_fn *fn, void *arg);

/* One row of each stream, oldest first, of the rows of several nodes; a new list. Pure. */
json_t *online_merge(const json_t *rows);

#endif
