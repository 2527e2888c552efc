/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTMP chunk reader: bytes in, messages out.
 *
 * One partial message per chunk stream, allocated as bytes arrive within the connection's budget
 * (interop T14) and kept for the next message; a message that lies whole in one chunk of the input
 * is handed out where it is. Set Chunk Size and Abort are obeyed here and also handed out. Extended timestamps
 * repeated on type-3 chunks are recognised by value (T8); a fresh chunk stream may start with type 1
 * but not 2 or 3 (T6); type 0 over an unfinished message drops the partial and counts it, up to
 * RTMP_IN_TORN_MAX (T10); a changed length or type inside a message is an error (T11).
 * Timestamps are unwrapped to 64 bits by one clock per connection, for audio, video and data only.
 *
 * Source: RTMP specification 5.3. Threads: pure, one owner. No clock, no I/O.
 */
#ifndef MEDIA_RTMP_IN_H
#define MEDIA_RTMP_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/reasons.h"
#include "base/mem.h"
#include "media/msg.h"

#define RTMP_IN_TORN_MAX 16

#define RTMP_IN_FEW 4 /* a player uses two or three */

struct rtmp_in_partial;

/* One chunk stream: its last header, which later headers refer to. For rtmp_in.c. */
struct rtmp_in_cs {
	uint32_t csid : 24; /* 0: free slot */
	bool extended : 1;  /* ts_field was sent as an extended timestamp */
	bool open : 1;	    /* the message has begun and is not complete */
	uint32_t ts;	    /* of the present message */
	uint32_t ts_field;  /* what a type-3 header adds for a new message (T7) */
	uint32_t len : 24, type : 8;
	uint32_t stream_id;
	uint32_t got; /* bytes of the partial */
	struct rtmp_in_partial *partial;
};

struct rtmp_in {
	struct mem *mem;
	uint32_t chunk_size;  /* of the peer, 1..0xffffff */
	uint32_t message_max; /* bytes */
	uint32_t cs_max;      /* open chunk streams */
	uint32_t cs_n, cs_cap;
	struct rtmp_in_cs *cs;		    /* hash table: cs_cap slots, a quarter of them free */
	struct rtmp_in_cs few[RTMP_IN_FEW]; /* where it begins: it must not move */
	uint32_t cur;			    /* slot of the chunk stream being read */
	uint32_t chunk_left;		    /* payload bytes left of the present chunk */
	uint8_t head[18];		    /* a header cut by the end of input */
	uint8_t head_n;
	bool in_chunk; /* between a chunk's header and its end */
	uint8_t torn;  /* partial messages dropped (T10) */
	int8_t repeats; /* does the peer repeat extended timestamps: -2 no, 0 not known, 2 yes (T8) */
	struct ts64 clock;
	uint64_t odd; /* legal but unexpected things tolerated */
};

void rtmp_in_init(struct rtmp_in *in, struct mem *mem, uint32_t message_max, uint32_t cs_max);
void rtmp_in_fini(struct rtmp_in *in);
/*
 * Takes bytes from p, at most up to the end of one message. Returns how many were taken (1..n), or
 * -(enum reason), after which only rtmp_in_fini() may follow. out->type is MSG_NONE, or the type of
 * the message completed by these bytes; its data stays valid until the next call.
 *
 * Bytes compared with an extended timestamp (T8) may turn out to be later messages, of a byte or
 * two: these come with the next calls, and n = 0 asks for them where no input is left.
 */
int rtmp_in_feed(struct rtmp_in *in, const uint8_t *p, size_t n, struct msg *out);

/* Gives back what is kept for messages to come; for a peer that seldom says anything. The last
 * message's data is gone then. */
void rtmp_in_trim(struct rtmp_in *in);

/*
 * Walks the audio, video and data messages inside an aggregate message (type 22; interop C13); other
 * types are stepped over, back pointers not used. *off starts at 0. >0: *out is the next one, its
 * time based on the aggregate's; 0: no more; <0: malformed from here on (-EINVAL).
 */
int rtmp_aggregate_next(const struct msg *aggregate, uint32_t *off, struct msg *out);

#endif
