/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: the socket of api/ctl.h, and events on their way out.
 *
 * Verbs are looked up in a table made from ctl.def; their keys are checked for presence and type
 * before anything happens. Work that belongs to a core goes there by mail and comes back by the same
 * way. Events come from session/events.h.
 */
#ifndef SESSION_CONTROL_H
#define SESSION_CONTROL_H

#include "api/reasons.h"
#include "api/ctl.h"
#include "core/core.h"

/*
 * path: the control socket; shm_fd is handed to clients. The verb "reload" calls session/reload.h, as
 * SIGHUP does; conf_path NULL: there is no file, and it says so. replace: in the place of the data
 * plane that listens there, which is about to retire (session/handover.h). 0 or -errno.
 */
int control_start(struct engine *e, const char *path, int shm_fd, const char *conf_path,
		  bool replace);
void control_stop(void);
/* Called by the control thread a few times a second, from the next start on; NULL: nobody. */
void control_each_tick(void (*tick)(void *arg), void *arg);

#endif
