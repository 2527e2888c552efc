/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes recorded a live channel, and how who asks another one is sent there.
 *
 *   mr:channel:{bucket/channel}:nodes   node -> {"address","key","since"}
 *
 * A node that lacks what it is asked for answers 307 with the address (oss.address) of the node that
 * recorded the channel last. Access keys are each node's own and clients leave Authorization behind
 * on the way, so that URL has a pass instead: made by the key of the node it leads to, good for this
 * request and PASS_S. It says which nodes were asked, so that nobody is sent in circles.
 *
 * Threads: the event loop's; passes are pure.
 */
#ifndef CONTROLPLANE_OBJECT_NODES_H
#define CONTROLPLANE_OBJECT_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/cp.h"

#define OBJECT_PASS   65
#define OBJECT_PASS_S 60

struct oss_call;
struct refusal;

/* What a pass is good for. query: of a playlist of what was, else "". */
struct object_errand {
	const char *method, *bucket, *object, *query;
	const char *seen; /* the nodes that were asked, with commas between */
	const char *expires;
};

char *object_pass(char dst[OBJECT_PASS], const char *key, const struct object_errand *e);
/* The node of a channel's list that is to be asked next, NULL: none. seen as above; the newest first. */
const char *object_node_next(const json_t *nodes, const char *seen);

/* This node begins to record the channel. */
void object_nodes_mark(struct cp *cp, const char *bucket, const char *channel);
/* Whether the call came with a pass, and with a good one: false with *r. */
bool object_nodes_given(const struct oss_call *c);
bool object_nodes_check(const struct oss_call *c, struct refusal *r);
/* Ends the call: sent to another node, or refused as r says where there is none; NULL: then it is 204. */
void object_nodes_ask(struct oss_call *c, const struct refusal *r);

#endif
