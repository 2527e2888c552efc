/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory as a data plane writes it, for tests of its readers. */
#ifndef TESTS_UNIT_CONTROLPLANE_SHM_WRITER_H
#define TESTS_UNIT_CONTROLPLANE_SHM_WRITER_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/reasons.h"
#include "controlplane/shm.h"

#define CORES	2
#define STREAMS 3
#define RELAYS	2
#define S_US	1000000

/* The writer's side: larger slots than this program knows, as a newer data plane may have. */
struct writer {
	int fd;
	uint8_t *p;
	struct shm_head *head;
};

static inline struct shm_core *core_at(struct writer *w, unsigned i)
{
	return (void *)(w->p + w->head->core_off + i * w->head->core_bytes);
}

static inline struct shm_stream *stream_at(struct writer *w, unsigned i)
{
	return (void *)(w->p + w->head->stream_off + i * w->head->stream_slot_bytes);
}

static inline struct shm_audience *audience_at(struct writer *w, unsigned i, unsigned core)
{
	return (void *)((uint8_t *)stream_at(w, i)->audience + core * w->head->audience_bytes);
}

static inline struct shm_relay *relay_at(struct writer *w, unsigned i)
{
	return (void *)(w->p + w->head->relay_off + i * w->head->relay_bytes);
}

/* A writer's structures begin on cache lines. */
static inline uint32_t lines(size_t bytes)
{
	return (uint32_t)((bytes + 63) & ~(size_t)63);
}

static inline void begin(struct writer *w)
{
	struct shm_head h = {.magic = SHM_MAGIC,
			     .version = SHM_VERSION,
			     .cores = CORES,
			     .counters = CTR_MAX,
			     .reasons = REASON_MAX,
			     .streams = STREAMS,
			     .relays = RELAYS};

	h.core_bytes = lines(sizeof(struct shm_core)) + 64;
	h.audience_bytes = lines(sizeof(struct shm_audience)) + 64;
	h.paths_bytes = lines(sizeof(struct shm_paths)) + 64;
	h.stream_paths_off = lines(sizeof(struct shm_stream)) + CORES * h.audience_bytes + 64;
	h.stream_slot_bytes = h.stream_paths_off + (CORES + 1) * h.paths_bytes + 64;
	h.relay_bytes = lines(sizeof(struct shm_relay)) + 64;
	h.core_off = 4096;
	h.stream_off = h.core_off + CORES * h.core_bytes;
	h.relay_off = h.stream_off + STREAMS * h.stream_slot_bytes;
	h.paths_off = h.relay_off + RELAYS * h.relay_bytes;
	h.total_bytes = h.paths_off + (CORES + 1) * h.paths_bytes;
	w->fd = memfd_create("shm-test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(w->fd, (off_t)h.total_bytes), 0);
	w->p = mmap(NULL, h.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	assert_true(w->p != MAP_FAILED);
	w->head = (struct shm_head *)w->p;
	*w->head = h;
}

static inline void end(struct writer *w)
{
	munmap(w->p, w->head->total_bytes);
	close(w->fd);
}

static inline struct shm *attach(struct writer *w)
{
	char err[128];

	return shm_attach(dup(w->fd), err, sizeof(err));
}

static inline void go_live(struct writer *w, unsigned i, const char *name)
{
	strcpy(stream_at(w, i)->name, name);
	shm_add(&stream_at(w, i)->gen, 1);
}

#endif
