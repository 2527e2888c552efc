/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the shared-memory numbers of api/counters.h, and handing out their slots.
 *
 * Slots are taken and given back under a mutex, never on the delivery path. Threads: any.
 */
#ifndef CORE_SHM_H
#define CORE_SHM_H

#include <stdbool.h>

#include "api/counters.h"

/* A memfd, mapped and initialised; *fd is the caller's. 0 or -errno. */
int shm_make(unsigned cores, unsigned streams, unsigned relays, struct shm_head **out, int *fd);
void shm_unmake(struct shm_head *h);
struct shm_core *shm_core_of(struct shm_head *h, unsigned core);
struct shm_stream *shm_stream_of(struct shm_head *h, unsigned slot);
struct shm_audience *shm_audience_of(struct shm_head *h, struct shm_stream *s, unsigned core);
/* Of a stream and of the node; who: a core, or their number for the control thread. */
struct shm_paths *shm_stream_paths_of(struct shm_head *h, struct shm_stream *s, unsigned who);
struct shm_paths *shm_paths_of(struct shm_head *h, unsigned who);
struct shm_relay *shm_relay_of(struct shm_head *h, unsigned slot);
/* A free slot with gen odd and its text set, all numbers zero; -ENOSPC. */
int shm_stream_take(struct shm_head *h, const char *name, unsigned *slot);
void shm_stream_give(struct shm_head *h, unsigned slot);
/*
 * For those who write into a stream's slot without holding the stream. True: it still has this generation,
 * and keeps it until shm_stream_leave(), for which takers of slots wait. Any thread, not per message.
 */
bool shm_stream_enter(const struct shm_stream *s, uint64_t gen);
void shm_stream_leave(void);
int shm_relay_take(struct shm_head *h, const char *id, unsigned *slot);
void shm_relay_give(struct shm_head *h, unsigned slot);

#endif
