/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of publishers and viewers that are there when the rules that let them in change.
 *
 * They stay, or with domain.running "cut" they are closed, each on its core and with the reason that a
 * newcomer would hear. A session knows by marks whose rules and which key let it in (session/auth.h),
 * so nothing is looked up, and a change that is told again closes nobody.
 *
 * Threads: the control thread.
 */
#ifndef SESSION_RUNNING_H
#define SESSION_RUNNING_H

#include "api/reasons.h"
#include "core/core.h"

struct domain;

/* Something that holds no more; after the new table is published (session/domains.h). */
struct running_change {
	uint32_t domain_mark;
	uint32_t key_mark; /* 0: the whole domain; else those by this key only */
	enum reason why;
};

/* What a domain's new rules take away, into dst[2]; after NULL: it is gone. Returns how many. */
unsigned running_changes(struct running_change dst[2], const struct domain *before,
			 const struct domain *after);
/* Without memory for it they stay, and it is logged. */
void running_changed(struct engine *e, const struct running_change *changes, unsigned n);

#endif
