/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that viewers of a triggered pull ask for and that are not live: who asks the control plane,
 * and how often.
 *
 * The first viewer's question becomes the event stream.wanted, at most one a second and stream on all
 * cores together (interop P5). When nothing came within pull.wait_ms the name is known to be none for
 * pull.negative_ms: viewers get their "not found" at once and nobody is asked (P6). What is known is
 * kept in a table of fixed size by a hash with a secret, so names that strangers make up take no
 * memory; where more are asked for than it holds, old ones make way.
 *
 * The other end: a stream that a pull brings and that nobody has watched for the triggered pull's
 * idle_ms is told by stream.unwatched, and again after each further idle_ms.
 *
 * Threads: any, a short mutex; struct unwatched: the stream's home core.
 */
#ifndef SESSION_WANTED_H
#define SESSION_WANTED_H

#include <stdbool.h>

#include "core/stream.h"
#include "media/stream_name.h"

/* A viewer of that name wants the stream. False: it is known to be none. */
bool wanted(struct core *c, const char *key, const struct stream_name *name);
/* It has not come in time. */
void wanted_in_vain(struct core *c, const char *key, uint64_t negative_ms);

/* In the pull, zeroed to begin with. */
struct unwatched {
	uint64_t since_us; /* nobody has watched; 0: not looked at yet */
	uint64_t joins;	   /* of viewers, ever, when looked last */
};

/* To be called now and then; moves *next_ms to when it should be again. */
void unwatched_look(struct unwatched *u, struct core *c, const struct stream *s, uint64_t *next_ms);

#endif
