/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections this node has, in all and from one address.
 *
 * Addresses are counted in a sketch: CAPS_ROWS rows of CAPS_CELLS counters, one cell per row for an
 * address, chosen by a hash with a secret that is new at each start. The smallest of its cells is
 * never below an address's true count, and above it only where the address shares a cell with
 * another in every row, so memory is fixed whatever addresses come. IPv6 counts by /64, the block
 * that one subscriber has.
 *
 * Threads: any; relaxed atomics, no lock. A limit may be overstepped by the number of cores while
 * several of them accept at the same moment.
 */
#ifndef SESSION_CAPS_H
#define SESSION_CAPS_H

#include <stdint.h>

#include "api/reasons.h"
#include "net/net.h"

#define CAPS_ROWS  4
#define CAPS_CELLS 65536u

/* Counts a connection: NONE, or the cap that is reached and nothing was counted. 0: no such cap. */
enum reason caps_take(const union net_addr *peer, int64_t total_max, int64_t address_max);
/* Takes back what caps_take() counted. */
void caps_give(const union net_addr *peer);
uint32_t caps_total(void);

#endif
