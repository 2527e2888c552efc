/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log bytes for a destination that gave another message stream id than the log's.
 *
 * Every message's first header gets the destination's id; nothing changes its length, so offsets in
 * the log stay offsets in what is sent. A send may begin and end anywhere, may be taken in part and
 * be asked for again: the only thing remembered is a message boundary at or before it.
 *
 * Messages are counted the same way, from header to header.
 *
 * Threads: one core.
 */
#ifndef SESSION_PUSH_REWRITE_H
#define SESSION_PUSH_REWRITE_H

#include "base/mem.h"
#include "core/wlog.h"

#define PUSH_LOG_STREAM_ID 1u /* of every message in an RTMP log */

struct push_rewrite {
	uint64_t boundary; /* a message in the log begins here; 0 to begin with */
	uint32_t stream_id;
};

/* Appends the log's bytes from off on, as s holds them, to `to`. */
void push_rewrite(struct push_rewrite *r, const struct wlog *log, uint64_t off, struct buf *to,
		  const struct slice *s, unsigned n);
/*
 * How many messages begin in [*boundary, to); *boundary moves to the first one after them. Both lie
 * within the log, *boundary where a message begins.
 */
uint64_t push_messages(const struct wlog *log, uint64_t *boundary, uint64_t to);

#endif
