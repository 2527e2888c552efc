/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all streams of a domain did together, those that have ended too: counters that only grow.
 *
 * Noted once a second from the streams' counts in shared memory; what a stream did after the last
 * look is read from its slot when it has ended, unless another began there. The first `most` domains
 * have sums of their own, all others one: "rest".
 *
 * They are kept in a file, with how far each stream was counted, every few seconds and at the end: the
 * next process goes on where this one ended, however it ended, and misses only streams that came and
 * went meanwhile. Where there is no file they begin with what live streams have done until then.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_DOMAIN_SUMS_H
#define CONTROLPLANE_DOMAIN_SUMS_H

#include <stddef.h>

#include "controlplane/metrics_text.h"
#include "controlplane/shm.h"

struct domain_sums;

/* path: of the file; "": none. One that cannot be read is said in the log and begun anew. */
struct domain_sums *domain_sums_new(size_t most, const char *path);
void domain_sums_free(struct domain_sums *d); /* saves first */
/* May be of another data plane than the last time. */
void domain_sums_note(struct domain_sums *d, const struct shm *shm);
void domain_sums_put(const struct domain_sums *d, struct evbuffer *out);

#endif
