/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade below `millrace up`: new programs in the place of those that run, nobody refused.
 *
 *   running --SIGUSR2: upgrade_start--> taking over --the new data plane has the socket--> retiring
 *   taking over --the new one ended--> running;  retiring --the old one ended--> running
 *
 * Taking over, UP_DP is the old data plane and UP_NEXT the new one; then they change places, and the
 * control plane is started again from its new program. Threads: one.
 */
#ifndef CLI_UPGRADE_H
#define CLI_UPGRADE_H

#include "controlplane/cli/up.h"

void upgrade_start(struct up *u);
void upgrade_step(struct up *u);
/* A process ended: true where it was one of an upgrade's, and nothing more is to be done. */
bool upgrade_ended(struct up *u, const struct child *c);

#endif
