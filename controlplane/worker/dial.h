/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a worker may connect to (interop U7).
 *
 * FFmpeg opens its sockets itself and follows redirects and playlists by itself, so the check sits
 * in connect(), which this program defines: every connection of every library here passes it. SRT
 * sends datagrams without connect(); its one address is checked by dial_check() before.
 * Threads: set up before others start.
 */
#ifndef WORKER_DIAL_H
#define WORKER_DIAL_H

#include <stdbool.h>

#include "api/reasons.h"

/* deny: relay.deny; free_host, free_port: the data plane's own address, always allowed. */
bool dial_init(const char *deny, const char *free_host, const char *free_port);
/* Whether connect() refused an address since the last call. */
bool dial_denied(void);
/* NONE, DNS_FAILED, or ADDRESS_DENIED where an address of the URL's host is not allowed. */
enum reason dial_check(const char *url);

#endif
