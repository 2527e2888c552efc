/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The /local/ endpoints of the owner's socket, for the command line.
 *
 *   GET  /local/status[?tasks=N&skip=K]   everything at a glance; N tasks (default: LOCAL_TASKS_MAX,
 *                                    the most), without the K oldest; totals.tasks says how many
 *   GET  /local/streams?stream=K     one stream; without K all of them
 *   GET  /local/viewers[?stream=K]   viewers
 *   POST /local/stream/kick?stream=K, /local/viewer/kick?id=I
 *   POST /local/drain?on=1|0         refuse new connections, or accept them again
 *
 * Errors are {Code, Message} with a status of 400, 404 or 503. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_LOCAL_H
#define CONTROLPLANE_LOCAL_H

#include "controlplane/cp.h"

#define LOCAL_TASKS_MAX 1000

void local_handle(struct cp *cp, struct http_call *c);

#endif
