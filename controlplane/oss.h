/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object-storage API (OSS.md): buckets, their objects, live channels.
 *
 * A call names its bucket by its Host (BUCKET.HOST with oss.host) or by the first part of its path.
 * It is signed (oss_sign.h) with the access key of the RPC API, or nobody's: then the bucket's access
 * decides. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_OSS_H
#define CONTROLPLANE_OSS_H

#include "controlplane/cp.h"

/* Whether the call is one of this API, by its names and headers. */
bool oss_is(const struct cp *cp, const struct http_call *c);
void oss_handle(struct cp *cp, struct http_call *c);

#endif
