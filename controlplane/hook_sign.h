/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signature of a callback: two headers of the live field's scheme and one over the body.
 *
 *   ALI-LIVE-TIMESTAMP    seconds since 1970
 *   ALI-LIVE-SIGNATURE    md5 of "{domain}|{timestamp}|{key}", in hexadecimal (apsara-live.md 4.1)
 *   X-Millrace-Signature  "sha256=" and HMAC-SHA256 by the key over "{timestamp}.{body}", in hexadecimal
 *
 * The domain of a relay task's callback is the host of the callback's URL, without a port: a relay
 * task has no ingest domain. Threads: pure, any.
 */
#ifndef CONTROLPLANE_HOOK_SIGN_H
#define CONTROLPLANE_HOOK_SIGN_H

#include <stdint.h>

struct hook_signature {
	char timestamp[24], live[33], body[72];
};

/* dst holds 256 bytes; "" where the URL has no host. */
const char *hook_domain(char *dst, const char *url);
/* With the domain by name: of the live service's callbacks it is the ingest domain. */
void hook_sign_domain(struct hook_signature *s, const char *domain, const char *body,
		      const char *key, uint64_t unix_s);
void hook_sign(struct hook_signature *s, const char *url, const char *body, const char *key,
	       uint64_t unix_s);

#endif
