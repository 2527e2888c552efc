/* SPDX-License-Identifier: Apache-2.0 */
#include "core/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/reasons.h"
#include "base/check.h"
#include "base/clock.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static_assert(REASON_MAX <= array_len(((struct shm_core *)0)->closes), "closes[] is too short");

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * Which slots nobody has, behind everything that readers look at: first for streams, then for relays.
 * The one that came back last goes out first, so that names that come and go touch little memory.
 */
struct free_slots {
	uint32_t n, fresh; /* those in slot[]; from `fresh` on none was ever taken */
	uint32_t slot[];
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static void shm_describe(struct shm_head *h, unsigned cores, unsigned streams, unsigned relays)
{
	h->cores = cores;
	h->streams = streams;
	h->relays = relays;
	h->counters = CTR_MAX;
	h->reasons = REASON_MAX;
	h->core_bytes = sizeof(struct shm_core);
	h->audience_bytes = sizeof(struct shm_audience);
	h->paths_bytes = sizeof(struct shm_paths);
	h->stream_paths_off = (uint32_t)round_up(
		offsetof(struct shm_stream, audience) + cores * sizeof(struct shm_audience), 64);
	h->stream_slot_bytes =
		(uint32_t)round_up(h->stream_paths_off + (cores + 1) * h->paths_bytes, 64);
	h->relay_bytes = sizeof(struct shm_relay);
	h->core_off = round_up(sizeof(*h), 64);
	h->stream_off = h->core_off + (uint64_t)cores * h->core_bytes;
	h->relay_off = h->stream_off + (uint64_t)streams * h->stream_slot_bytes;
	h->paths_off = h->relay_off + (uint64_t)relays * h->relay_bytes;
	h->total_bytes = h->paths_off + (uint64_t)(cores + 1) * h->paths_bytes +
			 2 * sizeof(struct free_slots) +
			 ((uint64_t)streams + relays) * sizeof(uint32_t);
}

static struct free_slots *free_streams(struct shm_head *h)
{
	return (struct free_slots *)((char *)h + h->paths_off +
				     (uint64_t)(h->cores + 1) * h->paths_bytes);
}

static struct free_slots *free_relays(struct shm_head *h)
{
	return (struct free_slots *)&free_streams(h)->slot[h->streams];
}

int shm_make(unsigned cores, unsigned streams, unsigned relays, struct shm_head **out, int *fd)
{
	struct shm_head want = {.magic = SHM_MAGIC, .version = SHM_VERSION};
	struct shm_head *h;
	int err;

	shm_describe(&want, cores, streams, relays);
	*fd = memfd_create("millrace-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return -errno;
	if (ftruncate(*fd, (off_t)want.total_bytes) < 0)
		goto fail;
	h = mmap(NULL, want.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (h == MAP_FAILED)
		goto fail;
	/* Readers get this descriptor: only the mapping made here can ever write. */
	if (fcntl(*fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
		err = errno;
		munmap(h, want.total_bytes);
		errno = err;
		goto fail;
	}
	shm_describe(h, cores, streams, relays);
	h->version = SHM_VERSION;
	h->pid = (uint32_t)getpid();
	h->start_wall_ms = clock_wall_ms();
	h->magic = SHM_MAGIC;
	*out = h;
	return 0;
fail:
	err = errno;
	close(*fd);
	*fd = -1;
	return -err;
}

void shm_unmake(struct shm_head *h)
{
	if (h)
		munmap(h, h->total_bytes);
}

struct shm_core *shm_core_of(struct shm_head *h, unsigned core)
{
	must(core < h->cores);
	return (struct shm_core *)((char *)h + h->core_off + (uint64_t)core * h->core_bytes);
}

struct shm_stream *shm_stream_of(struct shm_head *h, unsigned slot)
{
	must(slot < h->streams);
	return (struct shm_stream *)((char *)h + h->stream_off +
				     (uint64_t)slot * h->stream_slot_bytes);
}

struct shm_audience *shm_audience_of(struct shm_head *h, struct shm_stream *s, unsigned core)
{
	must(core < h->cores);
	return &s->audience[core];
}

struct shm_paths *shm_stream_paths_of(struct shm_head *h, struct shm_stream *s, unsigned who)
{
	must(who <= h->cores);
	return (struct shm_paths *)((char *)s + h->stream_paths_off + who * h->paths_bytes);
}

struct shm_paths *shm_paths_of(struct shm_head *h, unsigned who)
{
	must(who <= h->cores);
	return (struct shm_paths *)((char *)h + h->paths_off + who * h->paths_bytes);
}

struct shm_relay *shm_relay_of(struct shm_head *h, unsigned slot)
{
	must(slot < h->relays);
	return (struct shm_relay *)((char *)h + h->relay_off + (uint64_t)slot * h->relay_bytes);
}

/* `gen` is the first member of both kinds of slot; everything behind it starts at zero. */
static void slot_open(shm_u64 *gen, size_t bytes, char *text, size_t text_n, const char *value)
{
	memset((char *)gen + sizeof(*gen), 0, bytes - sizeof(*gen));
	snprintf(text, text_n, "%s", value);
	atomic_fetch_add_explicit(gen, 1, memory_order_release);
}

static void slot_close(shm_u64 *gen)
{
	must(shm_get(gen) & 1);
	atomic_fetch_add_explicit(gen, 1, memory_order_release);
}

static int slot_take(struct free_slots *f, unsigned max, unsigned *slot)
{
	if (!f->n && f->fresh == max)
		return -ENOSPC;
	*slot = f->n ? f->slot[--f->n] : f->fresh++;
	return 0;
}

int shm_stream_take(struct shm_head *h, const char *name, unsigned *slot)
{
	struct shm_stream *s;
	int rc;

	pthread_mutex_lock(&slots_lock);
	rc = slot_take(free_streams(h), h->streams, slot);
	if (rc == 0) {
		s = shm_stream_of(h, *slot);
		slot_open(&s->gen, h->stream_slot_bytes, s->name, sizeof(s->name), name);
	}
	pthread_mutex_unlock(&slots_lock);
	return rc;
}

static void slot_give(struct free_slots *f, unsigned slot, shm_u64 *gen)
{
	pthread_mutex_lock(&slots_lock);
	slot_close(gen);
	f->slot[f->n++] = slot;
	pthread_mutex_unlock(&slots_lock);
}

void shm_stream_give(struct shm_head *h, unsigned slot)
{
	slot_give(free_streams(h), slot, &shm_stream_of(h, slot)->gen);
}

bool shm_stream_enter(const struct shm_stream *s, uint64_t gen)
{
	pthread_mutex_lock(&slots_lock);
	if (shm_get(&s->gen) == gen)
		return true;
	pthread_mutex_unlock(&slots_lock);
	return false;
}

void shm_stream_leave(void)
{
	pthread_mutex_unlock(&slots_lock);
}

int shm_relay_take(struct shm_head *h, const char *id, unsigned *slot)
{
	struct shm_relay *r;
	int rc;

	pthread_mutex_lock(&slots_lock);
	rc = slot_take(free_relays(h), h->relays, slot);
	if (rc == 0) {
		r = shm_relay_of(h, *slot);
		slot_open(&r->gen, h->relay_bytes, r->id, sizeof(r->id), id);
	}
	pthread_mutex_unlock(&slots_lock);
	return rc;
}

void shm_relay_give(struct shm_head *h, unsigned slot)
{
	slot_give(free_relays(h), slot, &shm_relay_of(h, slot)->gen);
}
