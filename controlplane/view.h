/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a task is shown: in API answers, in callbacks, in the local status.
 *
 * Each function gives a new reference. Threads: pure, any.
 */
#ifndef CONTROLPLANE_VIEW_H
#define CONTROLPLANE_VIEW_H

#include <jansson.h>

#include "controlplane/machine.h"

/* Of the data plane; all 0 where it has no such legs. */
struct task_numbers {
	int64_t first_media_ms;	   /* wall clock of the present pull's first media */
	int64_t last_media_age_ms; /* -1: none yet */
	int64_t in_bps, out_bps;   /* out: to all destinations */
	int64_t dest_bps[DESTS_MAX];
};

#define UUID_TEXT 37

/* A random UUID (version 4), lower case. */
const char *uuid_make(char dst[UUID_TEXT]);

/* TaskInfo: what was asked for. */
json_t *view_task_info(const struct task *t);
/* The same with its state, as the audit log has it. */
json_t *view_audit(const struct task *t);
/* What Describe and List show of a task. */
json_t *view_task(const struct task *t, const struct task_numbers *n);
/* The row of /local/status; secrets in URLs are masked. */
json_t *view_task_row(const struct task *t, const struct task_numbers *n);
/* The body of the callback that follows from fx, NULL if none does; the caller frees it. */
char *view_callback(const struct task *t, const struct effects *fx, int64_t now_ms);

#endif
