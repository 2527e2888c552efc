/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a domain's own rules say to a request: all that is decided here and now, by its configuration.
 *
 * In this order: address lists, countries, referers (HTTP only), the URL's signature. No memory, no
 * lock, no other party. Threads: any core.
 */
#ifndef SESSION_ADMISSION_H
#define SESSION_ADMISSION_H

#include "session/auth.h"

/* What a request that was let in was let in by. */
struct admitted {
	uint32_t until_s;  /* wall clock: the session ends then; 0: it does not */
	uint32_t key_mark; /* struct domain's, of the key that signed; 0: it was not signed */
};

/* NONE and *out, or why not. */
enum reason admission(const struct domain *d, const struct auth_request *q, const struct ip *from,
		      struct admitted *out);

#endif
