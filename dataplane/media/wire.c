/* SPDX-License-Identifier: Apache-2.0 */
#include "media/wire.h"

#include "base/check.h"
#include "media/flv.h"
#include "media/rtmp_out.h"
#include "media/ws.h"

#define RTMP_STREAM_ID 1 /* the one message stream that every player gets */

#define WS_BINARY_WHOLE 0x82 /* first byte of a binary frame that is a whole message */

static_assert(WIRE_HEAD_MAX >= RTMP_OUT_HEAD_MAX && WIRE_HEAD_MAX >= FLV_TAG_HEAD &&
		      WIRE_HEAD_MAX >= WS_HEAD_MAX + 4,
	      "wire_span() needs a whole message head");

static uint32_t chunk_size = 60000;

static void rtmp_put(struct sink *to, const struct msg *m)
{
	struct msg shared = *m;

	shared.stream_id = RTMP_STREAM_ID;
	rtmp_out_msg(to, &shared, chunk_size);
}

static size_t rtmp_span(const uint8_t *head)
{
	return rtmp_out_span(head, chunk_size);
}

static size_t rtmp_size(const struct msg *m)
{
	return rtmp_out_size(m->len, m->ts_ms, chunk_size);
}

static size_t flv_size(const struct msg *m)
{
	return FLV_TAG_EXTRA + (size_t)m->len;
}

/* WebSocket-FLV: each tag is a binary frame of its own (interop H9). */
static void ws_put(struct sink *to, const struct msg *m)
{
	uint8_t head[WS_HEAD_MAX];

	to->write(to, head, ws_head(head, WS_BINARY, flv_size(m)));
	flv_tag(to, m);
}

static size_t ws_span(const uint8_t *head)
{
	size_t n = head[1], size;

	if (head[0] != WS_BINARY_WHOLE)
		return 0;
	if (n == 126)
		n = get_be16(head + 2);
	else if (n == 127)
		n = get_be64(head + 2);
	size = ws_head_size(n);
	return flv_span(head + size) == n ? size + n : 0;
}

static size_t ws_size(const struct msg *m)
{
	return ws_head_size(flv_size(m)) + flv_size(m);
}

static const struct wire wires[] = {
	[WIRE_RTMP] = {"rtmp", rtmp_put, rtmp_span, rtmp_size},
	[WIRE_FLV] = {"flv", flv_tag, flv_span, flv_size},
	[WIRE_WS] = {"ws-flv", ws_put, ws_span, ws_size},
};
static_assert(array_len(wires) == WIRE_MAX, "one line per format");

void wire_init(uint32_t rtmp_chunk_size)
{
	must(rtmp_chunk_size >= 128 && rtmp_chunk_size <= 65536);
	chunk_size = rtmp_chunk_size;
}

uint32_t wire_rtmp_chunk_size(void)
{
	return chunk_size;
}

const struct wire *wire_of(enum wire_format f)
{
	must(f < WIRE_MAX);
	return &wires[f];
}
