/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /local/nodes: the nodes on this Redis, for the owner of this one. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_NODES_LOCAL_H
#define CONTROLPLANE_NODES_LOCAL_H

#include "controlplane/cp.h"

void nodes_local_list(struct cp *cp, struct http_call *c);

#endif
