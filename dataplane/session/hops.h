/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes a pull has passed: the parameter mr_hop of a player's URL, "edge,middle" (interop P7).
 *
 * Pure but for the host's name. Threads: any.
 */
#ifndef SESSION_HOPS_H
#define SESSION_HOPS_H

#include <stdbool.h>

#include "api/config.h"

/* Whether this node (`node`, or else the host's name) is among them: its own pull has come back. */
bool hops_have_me(const struct config *conf, const char *params);

#endif
