/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets, for the owner of this machine: GET /local/buckets, POST /local/bucket/create, acl, remove.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_BUCKETS_LOCAL_H
#define CONTROLPLANE_BUCKETS_LOCAL_H

#include "controlplane/cp.h"

/* bucket: one; without it all. */
void buckets_local_list(struct cp *cp, struct http_call *c);
/* bucket, acl (private where it is not given); one that is there is refused. */
void buckets_local_create(struct cp *cp, struct http_call *c);
/* bucket, acl */
void buckets_local_acl(struct cp *cp, struct http_call *c);
/* bucket */
void buckets_local_remove(struct cp *cp, struct http_call *c);

#endif
