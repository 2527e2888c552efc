/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places that a listener stands for beside its own address: a kind of listener, a range of addresses
 * and a port, as bpf.lookup has them: "rtmp=203.0.113.0/24:1935 https=[2001:db8::/32]:443".
 * Threads: pure, any.
 */
#ifndef BASE_PLACE_H
#define BASE_PLACE_H

#include "base/cidr.h"

#define PLACES_MAX 64

enum place_kind { PLACE_RTMP, PLACE_HTTP, PLACE_RTMPS, PLACE_HTTPS, PLACE_KINDS };

struct place {
	enum place_kind kind;
	struct cidr range;
	uint16_t port;
};

/* "rtmp" */
const char *place_kind_name(enum place_kind kind);
/* Places separated by blanks into out[PLACES_MAX]: how many, or -EINVAL or -E2BIG with the text of the
 * first that cannot be used in bad[bad_n]. */
int places_parse(struct place *out, const char *text, char *bad, size_t bad_n);

#endif
