/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's socket on callbacks: those that wait, those that were given up, and what to do with them.
 *
 *   GET  /local/callbacks                  {"callbacks":[{id, task, state, url, body, tries, why, time}]}
 *   POST /local/callbacks/replay  id=...   a dead one waits again, behind its task's others; id=all: each
 *   POST /local/callbacks/drop    id=...   a dead or waiting one is given up for good; id=all: each dead one
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_HOOKS_LOCAL_H
#define CONTROLPLANE_HOOKS_LOCAL_H

#include "controlplane/cp.h"

/* Each answers c, now or when Redis answered. */
void hooks_local_list(struct cp *cp, struct http_call *c);
void hooks_local_replay(struct cp *cp, struct http_call *c);
void hooks_local_drop(struct cp *cp, struct http_call *c);

#endif
