/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How busy a core is, and what it does about it.
 *
 *   FINE --a second above overload.busy_share--> HIGH --a second above overload.refuse_share--> FULL
 *   FULL, HIGH --a second LOAD_EASE below what brought it there--> HIGH, FINE
 *
 * HIGH: the send ticks of the core's viewers stretch (core/fanout.h). FULL: new viewers are refused
 * as well. Those that are there are never sent away.
 *
 * Threads: the core's own.
 */
#ifndef CORE_LOAD_H
#define CORE_LOAD_H

#include "core/core.h"

#define LOAD_WINDOW_US 1000000u
#define LOAD_EASE      10 /* percent */

enum load { LOAD_FINE, LOAD_HIGH, LOAD_FULL };

/* Once per turn; looks at BUSY_US once per window. */
void load_judge(struct core *c);

#endif
