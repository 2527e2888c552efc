/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the store, for several nodes: whose destination it is.
 *
 * mr:dst:<digest of the URL> holds the id of the one task that may have it. It is taken (for some
 * seconds) before the task is written and kept once that is confirmed, given up after the task's end;
 * what a crash between leaves is taken over when its task turns out not to have the destination.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_CLAIM_H
#define CONTROLPLANE_STORE_REDIS_CLAIM_H

#include "controlplane/store_redis.h"

/* error: nothing is known. owner: NULL, or whose it is. Called once, from within without Redis. */
typedef void store_claimed(void *arg, const char *error, const char *owner);

void store_claim(struct store *s, const char *dst_url, const char *id, store_claimed *fn,
		 void *arg);
/* The task has it now, until it is given up. */
void store_claim_keep(struct store *s, const char *dst_url, const char *id);
void store_claim_end(struct store *s, const char *dst_url, const char *id);

#endif
