/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the store: the nodes on this Redis.
 *
 * mr:nodes (zset) names each node by its last heartbeat, for a week; mr:node:<node> (hash) is that
 * heartbeat and ends 10 s after it. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_NODES_H
#define CONTROLPLANE_STORE_REDIS_NODES_H

#include "controlplane/store_redis.h"

/* One node, in order of their last heartbeats; n 0: it ended. */
typedef void store_node(void *arg, const char *name, int64_t seen_ms, const struct task_field *f,
			size_t n);
/* error: NULL, or why not all were read. Called once. */
typedef void store_nodes_read_done(void *arg, const char *error);

/* The node lives now. */
void store_node_seen(struct store *s, const char *node, int64_t now_ms);
void store_nodes_read(struct store *s, store_node *fn, store_nodes_read_done *done, void *arg);

#endif
