/* SPDX-License-Identifier: Apache-2.0 */
#include "core/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define COPY_MAX 65536u /* bytes up to which a segment is copied */
#define PAGE	 4096u
#define SEALS	 (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* What it is counted as: mappings are whole pages. */
static size_t cost(const struct segment *s)
{
	return sizeof(*s) + (s->copied ? s->n : (s->n + PAGE - 1) / PAGE * PAGE);
}

static bool copy(struct segment *s, int fd)
{
	uint8_t *room = malloc(s->n);

	if (!room)
		return false;
	if (pread(fd, room, s->n, 0) != (ssize_t)s->n) {
		free(room);
		return false;
	}
	s->p = room;
	return true;
}

/* Every page is touched here: a core that sends finds it there, and a hole that memory is missing
 * for is found out by an error, not by a signal. */
static bool map(struct segment *s, int fd)
{
	void *at = mmap(NULL, s->n, PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return false;
	if (madvise(at, s->n, MADV_POPULATE_READ) && errno != EINVAL) {
		munmap(at, s->n);
		return false;
	}
	s->p = at;
	return true;
}

enum segment_fault segment_take(struct segments *store, int fd, size_t max_n, size_t bound_bytes,
				struct segment **out)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct segment *s;
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return SEGMENT_NOT_SEALED;
	if (fstat(fd, &st) || st.st_size <= 0 || (uint64_t)st.st_size > max_n)
		return SEGMENT_BAD_SIZE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return SEGMENT_NO_ROOM;
	s->n = (size_t)st.st_size;
	s->copied = s->n <= COPY_MAX;
	if (store->used + cost(s) > bound_bytes || !(s->copied ? copy(s, fd) : map(s, fd))) {
		free(s);
		return SEGMENT_NO_ROOM;
	}
	s->store = store;
	s->serial = ++store->serial;
	s->wall_ms = clock_wall_ms();
	atomic_init(&s->refs, 1);
	store->used += cost(s);
	*out = s;
	return SEGMENT_OK;
}

struct segment *segment_get(struct segment *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void segment_put(struct segment *s)
{
	struct segment *head;

	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	head = atomic_load_explicit(&s->store->dead, memory_order_relaxed);
	do {
		s->dead_next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->store->dead, &head, s, memory_order_release, memory_order_relaxed));
}

void segments_settle(struct segments *store)
{
	struct segment *s, *next;

	s = atomic_exchange_explicit(&store->dead, NULL, memory_order_acquire);
	for (; s; s = next) {
		next = s->dead_next;
		must(store->used >= cost(s));
		store->used -= cost(s);
		if (s->copied)
			free((void *)(uintptr_t)s->p);
		else
			munmap((void *)(uintptr_t)s->p, s->n);
		free(s);
	}
}
