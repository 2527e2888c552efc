/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet guard on the owner's socket: shown, and its lists changed. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_GUARD_LOCAL_H
#define CONTROLPLANE_GUARD_LOCAL_H

#include "controlplane/cp.h"

/* GET: whether it is on, entries, packets. */
void guard_local_show(struct cp *cp, struct http_call *c);
/* POST: range=..., verdict=allow|deny|none. */
void guard_local_set(struct cp *cp, struct http_call *c);

#endif
