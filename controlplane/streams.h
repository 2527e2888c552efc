/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live streams as people see them: numbers from shared memory, words from the control socket.
 *
 * The words (who publishes, codec names) are asked for when a slot has a new publisher or other
 * codecs, a bounded number of them a second. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_STREAMS_H
#define CONTROLPLANE_STREAMS_H

#include <jansson.h>

#include "controlplane/dp.h"
#include "controlplane/shm.h"

struct streams;

struct streams *streams_new(struct dp *dp);
/* After the data plane's client is freed. */
void streams_free(struct streams *s);
/* The data plane was (re)connected: `slots` of its streams; all words are forgotten. */
void streams_reset(struct streams *s, uint32_t slots);
/* Once a second: asks for the words that are missing. */
void streams_refresh(struct streams *s, const struct shm *shm);
/* One stream as /local/status shows it; a new reference. */
json_t *streams_row(const struct streams *s, uint32_t slot, const struct shm_stream_view *v,
		    uint64_t now_us);

/* Codec names of the stream in that slot; "" while they are not known. */
void streams_codecs(const struct streams *s, uint32_t slot, uint64_t gen, const char **video,
		    const char **audio);

#endif
