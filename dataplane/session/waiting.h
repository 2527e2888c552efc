/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait for something of a stream: players for the stream itself (play.wait; interop H5, C14),
 * HLS requests for its first segment, or for one that is asked for in advance (L8, L11).
 *
 * Each core has a list of its own for every bucket of names. Whoever brings what is waited for mails the
 * stream's name to the cores on which somebody waits, and those that wait for it are called there. Nothing
 * is kept for a name: those that wait are bounded by limits.waiting, each kind by itself, whatever names
 * strangers ask for (P6).
 *
 * Threads: a waiting belongs to its core; waiting_notify() from any.
 */
#ifndef SESSION_WAITING_H
#define SESSION_WAITING_H

#include "core/core.h"

#include <sys/queue.h>

enum waiting_for { WAITING_FOR_STREAM, WAITING_FOR_SEGMENT, WAITING_KINDS };

struct waiting {
	LIST_ENTRY(waiting) link;
	enum waiting_for what;
	const char *key; /* the owner's; NULL: waits for nothing */
	/* What it waits for is there, or was a moment ago. It waits no more; may be freed inside. */
	void (*run)(struct waiting *w);
};

/*
 * False: limits.waiting is reached. To be followed by a look whether it is there: it may have come
 * before the list was joined.
 */
bool waiting_begin(struct waiting *w, struct core *c, enum waiting_for what, const char *key,
		   void (*run)(struct waiting *w));
/* Fine for one that does not wait (zeroed). */
void waiting_end(struct waiting *w, struct core *c);
void waiting_notify(struct engine *e, enum waiting_for what, const char *key);

#endif
