/* SPDX-License-Identifier: Apache-2.0 */
#include "session/push_rewrite.h"

#include "base/check.h"
#include "media/rtmp_out.h"
#include "media/wire.h"

#define HEAD_BYTES     12u /* of a type-0 chunk with a one-byte basic header */
#define HEAD_STREAM_ID 8u  /* where in it the message stream id begins */

/* Wire length of the message that begins at `at`; its header is whole in the log. */
static uint64_t message_bytes(const struct wlog *log, uint64_t at)
{
	uint8_t head[HEAD_BYTES];
	struct slice part[2];
	unsigned n = wlog_slices(log, at, HEAD_BYTES, part), got = 0;

	for (unsigned i = 0; i < n; i++) {
		memcpy(head + got, part[i].p, part[i].n);
		got += (unsigned)part[i].n;
	}
	return rtmp_out_size(get_be24(head + 4), get_be24(head + 1), wire_rtmp_chunk_size());
}

void push_rewrite(struct push_rewrite *r, const struct wlog *log, uint64_t off, struct buf *to,
		  const struct slice *s, unsigned n)
{
	uint64_t end = off, at = max_of(r->boundary, wlog_tail(log));
	size_t base = to->n;
	uint8_t id[4];

	for (unsigned i = 0; i < n; i++) {
		buf_write(to, s[i].p, s[i].n);
		end += s[i].n;
	}
	if (to->bad)
		return;
	/* The message stream id is the one little-endian number in RTMP. */
	put_le32(id, r->stream_id);
	while (at < end) {
		for (unsigned i = 0; i < sizeof(id); i++) {
			uint64_t where = at + HEAD_STREAM_ID + i;

			if (where >= off && where < end)
				to->p[base + (where - off)] = id[i];
		}
		if (at <= off)
			r->boundary = at;
		at += message_bytes(log, at);
	}
}

uint64_t push_messages(const struct wlog *log, uint64_t *boundary, uint64_t to)
{
	uint64_t n = 0;

	for (; *boundary < to; n++)
		*boundary += message_bytes(log, *boundary);
	return n;
}
