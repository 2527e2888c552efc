/* SPDX-License-Identifier: Apache-2.0 */
/* /local/assets...: the catalogue for the command line. */
#ifndef CONTROLPLANE_ASSETS_LOCAL_H
#define CONTROLPLANE_ASSETS_LOCAL_H

#include "controlplane/cp.h"

/* {"assets":[rows]}; with id the one row. */
void assets_local_list(struct cp *cp, struct http_call *c);
/* id, and file or url. */
void assets_local_add(struct cp *cp, struct http_call *c);
/* id; refused while a task plays it. */
void assets_local_remove(struct cp *cp, struct http_call *c);

#endif
