/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each verb of ctl.def does. A verb answers at once, or returns a query to the cores whose
 * answer comes later. Threads: the control thread.
 */
#ifndef SESSION_CTL_VERBS_H
#define SESSION_CTL_VERBS_H

#include "api/reasons.h"
#include "session/ctl_client.h"
#include "session/ctl_query.h"

struct ctl_context {
	struct engine *engine;
	int shm_fd;
	const char *conf_path; /* NULL: there is no file */
};

/* A checked request of c. NULL: it was answered or refused; else a query that is not sent yet, and
 * *core is the one that it goes to, or -1 for all. */
struct ctl_query *ctl_verb_run(const struct ctl_context *x, struct ctl_client *c,
			       const struct ctl_request *r, int *core);

/* For ctl_verbs.c: the verbs that ask cores (ctl_ask.c). */
struct ctl_query *ctl_ask_streams(struct engine *e, bool internal);
struct ctl_query *ctl_ask_stream(struct engine *e, const char *key);
/* Closes the publisher with `why`; KICKED: it is an error where there is none. */
struct ctl_query *ctl_ask_stream_kick(struct engine *e, const char *key, enum reason why);
struct ctl_query *ctl_ask_viewers(struct engine *e, const char *key, unsigned limit);
struct ctl_query *ctl_ask_viewer_kick(uint64_t id);
struct ctl_query *ctl_ask_drain(struct engine *e, bool on);

#endif
