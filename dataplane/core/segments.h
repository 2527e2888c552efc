/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: pieces of media that another process made, mapped read-only and served from where they
 * are.
 *
 * A segment comes as a memfd. It is taken only if it is sealed against shrinking, growing and writing, so
 * that its maker can neither change what is being sent nor make a reader fault. Small ones are copied
 * instead of mapped: a process may have some 65,000 mappings only.
 *
 *   segment_take --> held by its stream --segment_put--> (sends that hold it end) --> gone
 *
 * Whoever sends from a segment holds a reference; the last one to let go hands it to segments_settle(), so
 * that no core unmaps anything. What is held counts against the bound until then.
 *
 * Threads: segment_take and segments_settle on the control thread; get and put on any.
 */
#ifndef CORE_SEGMENTS_H
#define CORE_SEGMENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment {
	const uint8_t *p;
	size_t n;
	uint64_t serial;  /* unique in this process; from 1 */
	uint64_t wall_ms; /* when it came */
	_Atomic uint32_t refs;
	_Atomic bool dropped; /* its stream does not have it any more */
	bool copied;
	struct segments *store;
	struct segment *dead_next;
};

struct segments {
	size_t used; /* bytes */
	uint64_t serial;
	_Atomic(struct segment *) dead;
};

enum segment_fault {
	SEGMENT_OK,
	SEGMENT_NOT_SEALED, /* no memfd, or a seal is missing */
	SEGMENT_BAD_SIZE,   /* 0 bytes, or more than max_n */
	SEGMENT_NO_ROOM,    /* bound_bytes are held, or the machine has no more */
};

/*
 * The descriptor's bytes, with one reference; fd stays the caller's. bound_bytes: of all segments
 * together.
 */
enum segment_fault segment_take(struct segments *store, int fd, size_t max_n, size_t bound_bytes,
				struct segment **out);
struct segment *segment_get(struct segment *s);
void segment_put(struct segment *s); /* NULL is fine */
/* Unmaps what nobody holds any more. */
void segments_settle(struct segments *store);

#endif
