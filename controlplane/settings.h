/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of this process: options of the command line over the file over the defaults.
 */
#ifndef CONTROLPLANE_SETTINGS_H
#define CONTROLPLANE_SETTINGS_H

#include "base/conf.h"
#include "controlplane/cp.h"

/* The whole of it into *out. 0 or -errno with the rule in e (*out is unchanged). */
int settings_read(const struct cp *cp, struct config *out, struct conf_error *e);
/* Reads it again; keys that apply now or to new sessions do, others wait for the next start. */
int settings_reload(struct cp *cp, struct conf_error *e);

#endif
