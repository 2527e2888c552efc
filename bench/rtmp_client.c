/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/rtmp_client.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum { TYPE_CHUNK_SIZE = 1, TYPE_DATA = 18, TYPE_COMMAND = 20 };

void rtmp_hello(uint8_t *dst)
{
	dst[0] = 3;
	memset(dst + 1, 0, 8); /* time, and zero: the simple handshake */
	for (unsigned i = 9; i < RTMP_HELLO_BYTES; i++)
		dst[i] = (uint8_t)(i * 31);
}

static uint8_t chunk_stream_of(uint8_t type)
{
	switch (type) {
	case TYPE_CHUNK_SIZE:
		return 2;
	case TYPE_COMMAND:
		return 3;
	case 8:
		return 4;
	default:
		return 6;
	}
}

void rtmp_header(uint8_t *dst, uint8_t type, uint32_t ts_ms, uint32_t bytes)
{
	dst[0] = chunk_stream_of(type);
	/* Benchmarks end hours before the extended timestamp. */
	put_be24(dst + 1, ts_ms);
	put_be24(dst + 4, bytes);
	dst[7] = type;
	put_le32(dst + 8, 1);
}

uint8_t rtmp_continuation(uint8_t type)
{
	return 0xc0 | chunk_stream_of(type);
}

/* ---- AMF0 ---- */

static void text_bare(struct wr *w, const char *s)
{
	wr_be16(w, (uint16_t)strlen(s));
	wr_bytes(w, s, strlen(s));
}

static void text(struct wr *w, const char *s)
{
	wr_u8(w, 2);
	text_bare(w, s);
}

static void number(struct wr *w, double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	wr_u8(w, 0);
	wr_be64(w, bits);
}

static void end_of_object(struct wr *w)
{
	wr_be24(w, 9);
}

/* Leaves room for the header, which message_end() writes; returns where. */
static uint8_t *message_begin(struct wr *w)
{
	uint8_t *at = w->p;
	static const uint8_t none[RTMP_HEADER_BYTES];

	wr_bytes(w, none, sizeof(none));
	return at;
}

static void message_end(struct wr *w, uint8_t *at, uint8_t type, uint32_t stream)
{
	must(!w->bad);
	rtmp_header(at, type, 0, (uint32_t)(w->p - at) - RTMP_HEADER_BYTES);
	put_le32(at + 8, stream);
}

static void command(struct wr *w, const char *name, double id)
{
	text(w, name);
	number(w, id);
}

/* ---- messages ---- */

size_t rtmp_commands(uint8_t *dst, const char *app, const char *host, const char *stream,
		     bool publish)
{
	struct wr w = wr_of(dst, RTMP_COMMANDS_MAX);
	uint8_t *at = message_begin(&w);
	char url[512];

	snprintf(url, sizeof(url), "rtmp://%s/%s", host, app);
	wr_be32(&w, RTMP_CHUNK_BYTES);
	message_end(&w, at, TYPE_CHUNK_SIZE, 0);

	at = message_begin(&w);
	command(&w, "connect", 1);
	wr_u8(&w, 3);
	text_bare(&w, "app");
	text(&w, app);
	text_bare(&w, "tcUrl");
	text(&w, url);
	text_bare(&w, "flashVer");
	text(&w, "bench");
	end_of_object(&w);
	message_end(&w, at, TYPE_COMMAND, 0);

	at = message_begin(&w);
	command(&w, "createStream", 2);
	wr_u8(&w, 5);
	message_end(&w, at, TYPE_COMMAND, 0);

	at = message_begin(&w);
	command(&w, publish ? "publish" : "play", 3);
	wr_u8(&w, 5);
	text(&w, stream);
	if (publish)
		text(&w, "live");
	message_end(&w, at, TYPE_COMMAND, 1);
	return wr_len(&w);
}

size_t rtmp_metadata(uint8_t *dst, unsigned width, unsigned height, unsigned fps)
{
	struct wr w = wr_of(dst, RTMP_COMMANDS_MAX);
	uint8_t *at = message_begin(&w);

	text(&w, "@setDataFrame");
	text(&w, "onMetaData");
	wr_u8(&w, 3);
	text_bare(&w, "width");
	number(&w, width);
	text_bare(&w, "height");
	number(&w, height);
	text_bare(&w, "framerate");
	number(&w, fps);
	text_bare(&w, "videocodecid");
	number(&w, 7);
	text_bare(&w, "audiocodecid");
	number(&w, 10);
	end_of_object(&w);
	message_end(&w, at, TYPE_DATA, 1);
	return wr_len(&w);
}
