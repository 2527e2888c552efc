/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on the control socket: one packet, checked against ctl.def before anything happens.
 *
 * Its keys are what ctl_keys.h makes of the verb's line in the table; the first that is not as it should
 * be is named with its rule. Threads: any, no state.
 */
#ifndef SESSION_CTL_REQUEST_H
#define SESSION_CTL_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/ctl.h"

struct ctl_error {
	const char *code; /* as api/ctl.h lists them */
	char field[64];	  /* "" where no key is to blame */
	char message[600];
};

struct ctl_request {
	json_t *packet; /* owned; NULL if the packet was no JSON object */
	json_t *id;	/* borrowed; NULL if there is none */
	enum ctl_verb verb;
};

/* 0, or -EINVAL with *e; in both cases ctl_request_fini() follows. */
int ctl_request_parse(struct ctl_request *r, const void *p, size_t n, struct ctl_error *e);
void ctl_request_fini(struct ctl_request *r);
/* Values of checked keys; where an optional one is absent: "", `absent`, false. */
const char *ctl_request_text(const struct ctl_request *r, const char *key);
int64_t ctl_request_int(const struct ctl_request *r, const char *key, int64_t absent);
bool ctl_request_bool(const struct ctl_request *r, const char *key);
/* Copies a text key; false with *e where it is longer than n - 1 bytes. */
bool ctl_request_copy(const struct ctl_request *r, const char *key, char *dst, size_t n,
		      struct ctl_error *e);

/* A JSON text; where it is not UTF-8, as a stream's name may be, its bytes are percent-encoded. */
json_t *ctl_text(const char *text);
const char *ctl_verb_name(enum ctl_verb v);
/* Always -EINVAL, so that a check can return it. */
__attribute__((format(printf, 4, 5))) int ctl_error_set(struct ctl_error *e, const char *code,
							const char *field, const char *fmt, ...);

#endif
