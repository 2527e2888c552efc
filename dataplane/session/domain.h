/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains: which rules a stream's host name brings.
 *
 * Only the default domain exists, open to everybody; every name that a peer gives maps to it, so
 * that no peer can make domains up (interop U3). Threads: any.
 */
#ifndef SESSION_DOMAIN_H
#define SESSION_DOMAIN_H

#include "media/stream_name.h"

/* The configured domain that a host name belongs to. */
const char *domain_of(const char *host);
/* "domain/app/name" with that domain, into dst[STREAM_KEY_MAX]; returns dst. */
char *domain_stream_key(char *dst, const struct stream_name *name);

#endif
