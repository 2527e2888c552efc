/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of the store: where the numbers of packaged streams are, mr:hls:<stream>.
 *
 * They must not go back when any process is killed (interop L1). Who reads a number that was being
 * used when it was written adds STORE_HLS_MARGIN: what was used after it was never written.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STORE_REDIS_HLS_H
#define CONTROLPLANE_STORE_REDIS_HLS_H

#include "controlplane/store_redis.h"

#define STORE_HLS_MARGIN 8 /* segments of more than the second in which it is written again */

struct store_hls {
	int64_t media_seq, disc_seq; /* of the next segment; discontinuities before it */
	bool running;		     /* it may have gone on since */
};

/* found: there is an entry; false as well where Redis is away. h is borrowed. */
typedef void store_hls_got(void *arg, bool found, const struct store_hls *h);

/* fn is called once; from within where Redis is away. */
void store_hls_read(struct store *s, const char *stream, store_hls_got *fn, void *arg);
/* Left out where Redis is away; the entry ends by itself after 30 days. */
void store_hls_save(struct store *s, const char *stream, const char *node,
		    const struct store_hls *h);

#endif
