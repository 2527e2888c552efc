/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtmp_out.h"

#include "base/check.h"

#define FIRST_BYTES 12	     /* basic header of one byte, message header of type 0 */
#define EXTENDED    0xffffff /* in the 24-bit field: the real timestamp follows */
#define LENGTH_MAX  0xffffff
#define TYPE_3	    0xc0

uint32_t rtmp_out_csid(uint8_t type)
{
	switch (type) {
	case MSG_SET_CHUNK_SIZE:
	case MSG_ABORT:
	case MSG_ACK:
	case MSG_USER_CONTROL:
	case MSG_WINDOW_ACK_SIZE:
	case MSG_SET_PEER_BANDWIDTH:
		return RTMP_CSID_CONTROL;
	case MSG_AUDIO:
		return RTMP_CSID_AUDIO;
	case MSG_VIDEO:
	case MSG_AGGREGATE:
		return RTMP_CSID_VIDEO;
	case MSG_COMMAND:
	case MSG_COMMAND_AMF3:
		return RTMP_CSID_COMMAND;
	default:
		return RTMP_CSID_DATA;
	}
}

static size_t extended_bytes(uint32_t ts)
{
	return ts >= EXTENDED ? 4 : 0;
}

void rtmp_out_msg(struct sink *to, const struct msg *m, uint32_t chunk_size)
{
	uint8_t first[RTMP_OUT_HEAD_MAX], next[5];
	uint32_t ts = (uint32_t)m->ts_ms;
	size_t ext = extended_bytes(ts);
	const uint8_t *p = m->data;
	uint32_t left = m->len, take = min_of(left, chunk_size);

	must(chunk_size && m->len <= LENGTH_MAX);
	first[0] = (uint8_t)rtmp_out_csid(m->type);
	put_be24(first + 1, ext ? EXTENDED : ts);
	put_be24(first + 4, m->len);
	first[7] = m->type;
	put_le32(first + 8, m->stream_id);
	put_be32(first + FIRST_BYTES, ts);
	to->write(to, first, FIRST_BYTES + ext);
	if (take)
		to->write(to, p, take);
	next[0] = TYPE_3 | first[0];
	put_be32(next + 1, ts);
	while ((left -= take) > 0) {
		p += take;
		take = min_of(left, chunk_size);
		to->write(to, next, 1 + ext);
		to->write(to, p, take);
	}
}

size_t rtmp_out_size(uint32_t payload_bytes, int64_t ts_ms, uint32_t chunk_size)
{
	size_t ext = extended_bytes((uint32_t)ts_ms);
	size_t more = payload_bytes ? (payload_bytes - 1) / chunk_size : 0;

	return FIRST_BYTES + ext + payload_bytes + more * (1 + ext);
}

size_t rtmp_out_span(const uint8_t *head, uint32_t chunk_size)
{
	uint32_t ts = get_be24(head + 1);

	if (head[7] == MSG_NONE || head[0] != rtmp_out_csid(head[7]))
		return 0;
	if (ts == EXTENDED) {
		ts = get_be32(head + FIRST_BYTES);
		if (ts < EXTENDED)
			return 0;
	}
	return rtmp_out_size(get_be24(head + 4), ts, chunk_size);
}

/* Control messages are shorter than any chunk that a peer may be told to expect. */
static void control(struct sink *to, enum msg_type type, const uint8_t *p, uint32_t n)
{
	struct msg m = {.type = (uint8_t)type, .len = n, .data = p};

	rtmp_out_msg(to, &m, LENGTH_MAX);
}

void rtmp_out_u32(struct sink *to, enum msg_type type, uint32_t value)
{
	uint8_t b[4];

	put_be32(b, value);
	control(to, type, b, sizeof(b));
}

void rtmp_out_peer_bandwidth(struct sink *to, uint32_t bytes, uint8_t limit_type)
{
	uint8_t b[5];

	put_be32(b, bytes);
	b[4] = limit_type;
	control(to, MSG_SET_PEER_BANDWIDTH, b, sizeof(b));
}

void rtmp_out_user_control(struct sink *to, enum rtmp_user_control event, uint32_t value)
{
	uint8_t b[6];

	put_be16(b, (uint16_t)event);
	put_be32(b + 2, value);
	control(to, MSG_USER_CONTROL, b, sizeof(b));
}

void rtmp_out_buffer_length(struct sink *to, uint32_t stream_id, uint32_t buffer_ms)
{
	uint8_t b[10];

	put_be16(b, RTMP_UC_SET_BUFFER_LENGTH);
	put_be32(b + 2, stream_id);
	put_be32(b + 6, buffer_ms);
	control(to, MSG_USER_CONTROL, b, sizeof(b));
}
