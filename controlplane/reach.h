/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where this machine reaches an address that it listens on.
 *
 * Threads: pure, any.
 */
#ifndef CONTROLPLANE_REACH_H
#define CONTROLPLANE_REACH_H

#include <stddef.h>

/* The first of the listed addresses as "host:port" into dst; any address becomes the loopback's. */
void reach(char *dst, size_t n, const char *listen);

#endif
