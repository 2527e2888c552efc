/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of the configuration while everything runs, of both processes or of none.
 *
 *   checked --> the file is replaced (or is as somebody else left it) --> the data plane reads it
 *           --> this process takes it            a refusal on the way: the old file is put back
 *
 * The data plane goes first because it opens more: certificates, a log file. One that is away is told when
 * it is there again; one that ends reads the file at its start. What a key needs a restart for is in the
 * file and not in force.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_APPLY_H
#define CONTROLPLANE_APPLY_H

#include <jansson.h>

#include "controlplane/cp.h"
#include "controlplane/refusal.h"

/* r NULL: done, changes are settings.h's; both are borrowed. */
typedef void apply_fn(void *arg, const struct refusal *r, const json_t *changes);

/* content NULL: the file as it is. fn is called once, perhaps from within. */
void apply(struct cp *cp, const char *content, apply_fn *fn, void *arg);
/* The data plane is there (again). */
void apply_up(struct cp *cp);

#endif
