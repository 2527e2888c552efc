/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HLS requests that are held: for a stream's first segment, or for one that a playlist is asked for in
 * advance (interop L8, L11).
 *
 * Each core has a list of its own for every bucket of stream names. Whoever changes a stream's playlist
 * mails its name to the cores on which somebody is held, and those held for it are called there; one that
 * has to wait on is held again. In all they are bounded by limits.waiting.
 *
 * Threads: a hold belongs to its core; hls_hold_notify() from any.
 */
#ifndef SESSION_HLS_HOLD_H
#define SESSION_HLS_HOLD_H

#include <sys/queue.h>

#include "core/core.h"

struct hls_hold {
	LIST_ENTRY(hls_hold) link;
	const char *key; /* the owner's; NULL: not held */
	void (*run)(struct hls_hold *h);
};

/* False: too many are. To be followed by another look at what it waits for. */
bool hls_hold_begin(struct hls_hold *h, struct core *c, const char *key,
		    void (*run)(struct hls_hold *h));
/* Fine for one that is not held (zeroed). */
void hls_hold_end(struct hls_hold *h, struct core *c);
void hls_hold_notify(struct engine *e, const char *key);

#endif
