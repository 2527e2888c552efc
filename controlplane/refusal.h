/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a request is not served: HTTP status, code and a message that names the field and the rule.
 *
 * Threads: pure, any.
 */
#ifndef CONTROLPLANE_REFUSAL_H
#define CONTROLPLANE_REFUSAL_H

#include <stdbool.h>

struct refusal {
	int status; /* HTTP */
	char code[64];
	char message[512];
};

/* Fills it in; always false, so that a check can end with `return refuse(...)`. */
__attribute__((format(printf, 4, 5))) bool refuse(struct refusal *r, int status, const char *code,
						  const char *fmt, ...);

/* 503: what Redis holds is needed; why it is not at hand. Always false. */
bool refuse_redis(struct refusal *r, const char *why);

#endif
