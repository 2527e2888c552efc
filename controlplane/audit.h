/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who changed what by the API: one row for every action that is no question, done or refused.
 *
 *   {"t":ms,"user","from","action","request","params":{},"status","code","before":{},"after":{}}
 *
 * user is the AccessKeyId, "owner" for the owner's socket, "node" for what this or another program
 * asked by Redis or "schedule" for a task whose time came; before and after are the documents (book.h) or
 * tasks (view.h) that changed. Keys, secrets and what
 * stands in a URL after '?' are masked. Rows go to STATE/audit.log (mode 0600, only ever appended
 * to; the one before is audit.log.1) and to Redis (mr:history:{audit}:audit). Threads: the event
 * loop's.
 */
#ifndef CONTROLPLANE_AUDIT_H
#define CONTROLPLANE_AUDIT_H

#include <jansson.h>

#include "controlplane/api.h"

#define AUDIT_SUBJECT	 "audit"
#define AUDIT_FILE_BYTES (64 << 20)

struct audit;

/* NULL with one line in err where the file cannot be opened. */
struct audit *audit_new(struct store *store, const char *state_dir, char *err, size_t err_n);
void audit_free(struct audit *a);
/* Whether the action is one to be noted: its name begins with none of Describe, Query, Generate, List. */
bool audit_is_change(const char *action);
/* The call ends with that status; code: "" where it was done. */
void audit_note(struct audit *a, const struct api_call *c, int status, const char *code);

/* A task began or ended by itself, as tasks_watch() tells it; arg is the struct audit. */
void audit_scheduled(void *arg, const char *id, json_t *before, json_t *after);

/* A copy without secrets; pure. */
json_t *audit_masked(const json_t *document);
/* The same of one parameter's text. */
json_t *audit_masked_text(const char *name, const char *text);

#endif
