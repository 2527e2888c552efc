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
 * Threads: any; a short mutex.
 */
#ifndef SESSION_WANTED_H
#define SESSION_WANTED_H

#include <stdbool.h>

#include "core/core.h"
#include "media/stream_name.h"

/* A viewer of that name wants the stream. False: it is known to be none. */
bool wanted(struct core *c, const char *key, const struct stream_name *name);
/* It has not come in time. */
void wanted_in_vain(struct core *c, const char *key, uint64_t negative_ms);

#endif
