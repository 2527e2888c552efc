/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTMP chunk writer, in the one form that every player can share.
 *
 * Every message starts with a type-0 header with an absolute timestamp (modulo 2^32), continues in
 * type-3 chunks, and repeats an extended timestamp on each of them (interop T8). Messages of one
 * kind have one chunk stream id. So the wire form depends on nothing but the message, the chunk
 * size and the message stream id. Source: RTMP specification 5.3.1. Threads: pure, any.
 */
#ifndef MEDIA_RTMP_OUT_H
#define MEDIA_RTMP_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "media/msg.h"

#define RTMP_OUT_HEAD_MAX 16 /* bytes of a message's first header */

enum rtmp_csid {
	RTMP_CSID_CONTROL = 2,
	RTMP_CSID_COMMAND = 3,
	RTMP_CSID_AUDIO = 4,
	RTMP_CSID_DATA = 5,
	RTMP_CSID_VIDEO = 6,
};

/* Chunk stream id by message type. */
uint32_t rtmp_out_csid(uint8_t type);
/* Serialises m (m->csid is not used); m->len at most 0xffffff. chunk_size 1..0xffffff. */
void rtmp_out_msg(struct sink *to, const struct msg *m, uint32_t chunk_size);
/* Bytes that rtmp_out_msg() writes for such a message. */
size_t rtmp_out_size(uint32_t payload_bytes, int64_t ts_ms, uint32_t chunk_size);
/*
 * Whole wire length of the message whose first bytes are at head (at least RTMP_OUT_HEAD_MAX bytes,
 * written by rtmp_out_msg with this chunk size); 0 where they are no such header.
 */
size_t rtmp_out_span(const uint8_t *head, uint32_t chunk_size);

/*
 * Protocol control messages, ready to send (chunk stream 2). Each is one chunk, whatever chunk size
 * the peer expects as long as it is at least 10.
 */
void rtmp_out_u32(struct sink *to, enum msg_type type, uint32_t value);
void rtmp_out_peer_bandwidth(struct sink *to, uint32_t bytes, uint8_t limit_type);
enum rtmp_user_control {
	RTMP_UC_STREAM_BEGIN = 0,
	RTMP_UC_STREAM_EOF = 1,
	RTMP_UC_STREAM_DRY = 2,
	RTMP_UC_SET_BUFFER_LENGTH = 3,
	RTMP_UC_STREAM_IS_RECORDED = 4,
	RTMP_UC_PING_REQUEST = 6,
	RTMP_UC_PING_RESPONSE = 7,
};
/* Every event but RTMP_UC_SET_BUFFER_LENGTH, which has two values. */
void rtmp_out_user_control(struct sink *to, enum rtmp_user_control event, uint32_t value);
void rtmp_out_buffer_length(struct sink *to, uint32_t stream_id, uint32_t buffer_ms);

#endif
