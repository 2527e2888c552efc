/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Players that wait for a stream which is not live yet (play.wait; interop H5, C14).
 *
 * Each core has a list of its own. Whoever makes a stream live mails its name to the cores on which
 * somebody waits, and those that wait for it are called there. Nothing is kept for a name: a list
 * is bounded by limits.waiting, whatever names strangers ask for (P6).
 *
 * Threads: a waiting belongs to its core; waiting_notify() from any.
 */
#ifndef SESSION_WAITING_H
#define SESSION_WAITING_H

#include "core/core.h"

#include <sys/queue.h>

struct waiting {
	LIST_ENTRY(waiting) link;
	const char *key; /* the owner's; NULL: waits for nothing */
	/* Its stream is there, or was a moment ago. It waits no more; may be freed inside. */
	void (*run)(struct waiting *w);
};

/*
 * False: limits.waiting is reached. To be followed by a look whether the stream is there: it may have
 * come before the list was joined.
 */
bool waiting_begin(struct waiting *w, struct core *c, const char *key,
		   void (*run)(struct waiting *w));
/* Fine for one that does not wait (zeroed). */
void waiting_end(struct waiting *w, struct core *c);
void waiting_notify(struct engine *e, const char *key);

#endif
