/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules for what a task relays: SourceType, SourceProtocol and SourceUrls together.
 *
 * Threads: pure, any.
 */
#ifndef CONTROLPLANE_SOURCES_H
#define CONTROLPLANE_SOURCES_H

#include "controlplane/model.h"
#include "controlplane/refusal.h"

/* false, with the rule that is broken. */
bool sources_check(const struct task *t, struct refusal *r);
/* Every destination by its form, all of them different, none of them the source; the same. */
bool destinations_check(const struct task *t, struct refusal *r);

#endif
