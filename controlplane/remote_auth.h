/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote authentication: the data plane asks (auth.ask), an operator's server decides, by HTTP.
 *
 * The data plane asks once for all who ask the same and keeps the answer for its time; here questions
 * are bounded (AUTH_OPEN_MAX open, AUTH_CONNECTIONS at a time) and what is too much, like a server that
 * does not answer, is decided by the domain's remote_auth_timeout_action. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_REMOTE_AUTH_H
#define CONTROLPLANE_REMOTE_AUTH_H

#include <jansson.h>

#include "controlplane/cp.h"

#define AUTH_OPEN_MAX	 4096
#define AUTH_CONNECTIONS 64

struct remote_auth;

struct remote_auth *remote_auth_new(struct cp *cp);
void remote_auth_free(struct remote_auth *a);
/* An event auth.ask. */
void remote_auth_ask(struct remote_auth *a, const json_t *event);

/* The URL that asks; parameters of the client's URL follow unless they have one of our names. The
 * caller frees it; pure. */
char *remote_auth_url(const char *address, const json_t *event);
/* Seconds of "max-age=" in a Cache-Control header's value; -1: none. Pure. */
int64_t remote_auth_max_age(const char *value);

#endif
