/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head that a load balancer puts before a connection's bytes: PROXY protocol 1 (text) and 2
 * (binary), so that the real client's address is known (interop T1, H12).
 *
 * Whether the sender may be believed is the caller's question; ask it first. Type-length-value
 * fields are skipped, their checksum is not checked.
 * Source: HAProxy doc/proxy-protocol.txt, 2.1 and 2.2. Threads: pure, any.
 */
#ifndef MEDIA_PROXY_H
#define MEDIA_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cidr.h"

#define PROXY_V1_MAX 107u  /* with CR LF */
#define PROXY_V2_MAX 4096u /* of ours: the length field would allow 64 KiB of TLVs */

struct proxy_head {
	bool known; /* false: a health check, or a family that we do not know: keep the real peer */
	struct ip from, to;
	uint16_t from_port, to_port;
};

/*
 * Bytes of the whole head (>0), 0: p is the beginning of one, -EINVAL: it is not or is malformed.
 * *out is set with a whole head only.
 */
int proxy_parse(const uint8_t *p, size_t n, struct proxy_head *out);

#endif
