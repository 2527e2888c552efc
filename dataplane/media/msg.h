/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message: one audio, video or data unit, or one RTMP control or command unit.
 *
 * The payload is contiguous and borrowed: valid only during the call that hands it over. It is the
 * RTMP payload, which is also the body of an FLV tag of the same type. Threads: pure, any.
 */
#ifndef MEDIA_MSG_H
#define MEDIA_MSG_H

#include <stdbool.h>
#include <stdint.h>

/* RTMP message types; 8, 9 and 18 are FLV's tag types too. */
enum msg_type {
	MSG_NONE = 0,
	MSG_SET_CHUNK_SIZE = 1,
	MSG_ABORT = 2,
	MSG_ACK = 3,
	MSG_USER_CONTROL = 4,
	MSG_WINDOW_ACK_SIZE = 5,
	MSG_SET_PEER_BANDWIDTH = 6,
	MSG_AUDIO = 8,
	MSG_VIDEO = 9,
	MSG_DATA_AMF3 = 15,
	MSG_SHARED_OBJECT_AMF3 = 16,
	MSG_COMMAND_AMF3 = 17,
	MSG_DATA = 18,
	MSG_SHARED_OBJECT = 19,
	MSG_COMMAND = 20,
	MSG_AGGREGATE = 22,
};

struct msg {
	uint8_t type;	    /* enum msg_type, or a number we do not know */
	uint32_t stream_id; /* RTMP message stream id */
	uint32_t csid;	    /* chunk stream it came on; 0 where there is none (FLV) */
	int64_t ts_ms;	    /* decode time, unwrapped to 64 bits where known (interop M1) */
	uint32_t len;	    /* bytes at data */
	const uint8_t *data;
};

static inline bool msg_is_media(const struct msg *m)
{
	return m->type == MSG_AUDIO || m->type == MSG_VIDEO;
}

/*
 * 32-bit timestamps to 64 bits by serial arithmetic against the last one (interop M1): the value
 * nearest to `last` whose low 32 bits are ts. A connection keeps one such clock for all its
 * chunk streams. The first value is taken as it is.
 */
struct ts64 {
	int64_t last_ms;
	bool begun;
};

static inline int64_t ts64_unwrap(struct ts64 *t, uint32_t ts)
{
	if (!t->begun) {
		t->begun = true;
		t->last_ms = ts;
	} else {
		t->last_ms += (int32_t)(ts - (uint32_t)t->last_ms);
	}
	return t->last_ms;
}

#endif
