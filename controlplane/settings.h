/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of this process: options of the command line over the file over the defaults.
 */
#ifndef CONTROLPLANE_SETTINGS_H
#define CONTROLPLANE_SETTINGS_H

#include <jansson.h>

#include "base/conf.h"
#include "controlplane/cp.h"

/*
 * The whole of it into *out; content: what to take for the file's, NULL: the file. 0 or -errno with the
 * rule in e (*out is unchanged).
 */
int settings_read(const struct cp *cp, const char *content, struct config *out,
		  struct conf_error *e);
/* A new list of what differs from what is in force: {"Key","From","To","Effect"}, without secrets. */
json_t *settings_changes(const struct cp *cp, const struct config *next);
/* Keys that count now or for new sessions get next's values, others wait for the next start. */
void settings_take(struct cp *cp, const struct config *next);

#endif
