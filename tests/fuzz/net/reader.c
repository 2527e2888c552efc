/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/net/reader.h"

#include <string.h>

#include "base/check.h"
#include "media/codec.h"
#include "media/http_in.h"
#include "media/rtmp_cmd.h"
#include "media/ws.h"

#define MEM_MAX	    (64u << 20)
#define MESSAGE_MAX 0xffffffu
#define SERVER_HEAD ((size_t)1 + 2 * RTMP_HS_HALF)
#define HTTP_HEAD   65536u

void reader_init(struct reader *r, enum reader_kind kind)
{
	static const uint8_t noise[RTMP_HS_HALF];

	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->mem.max = MEM_MAX;
	rtmp_hs_server(&r->hs, noise, 0);
	rtmp_in_init(&r->rtmp, &r->mem, MESSAGE_MAX, 64);
	flv_in_init(&r->flv, &r->mem, MESSAGE_MAX);
	buf_init(&r->kept, &r->mem);
}

void reader_fini(struct reader *r)
{
	rtmp_in_fini(&r->rtmp);
	flv_in_fini(&r->flv);
	buf_fini(&r->kept);
	must(r->mem.used == 0);
}

/* ---- media ---- */

static void media(struct reader *r, const struct msg *m)
{
	struct codec_info info;

	if (m->type != MSG_VIDEO || !codec_inspect(m, &info) || info.multitrack)
		return;
	r->header |= info.header;
	if (!info.frame)
		return;
	must(r->header || !info.needs_header);
	must(r->key || info.keyframe);
	r->key = true;
}

/* ---- RTMP ---- */

static void rtmp_message(struct reader *r, const struct msg *m)
{
	struct rtmp_cmd cmd;

	switch (m->type) {
	case MSG_NONE:
	case MSG_SET_CHUNK_SIZE:
	case MSG_ACK:
	case MSG_USER_CONTROL:
	case MSG_WINDOW_ACK_SIZE:
	case MSG_SET_PEER_BANDWIDTH:
		break;
	case MSG_COMMAND:
		must(rtmp_cmd_parse(m, &cmd) == 0);
		break;
	case MSG_AUDIO:
	case MSG_VIDEO:
	case MSG_DATA:
	case MSG_DATA_AMF3:
		media(r, m);
		break;
	default:
		must(!"a type that is never sent");
	}
}

static void rtmp_messages(struct reader *r, const uint8_t *p, size_t n)
{
	while (n) {
		struct msg m;
		int taken = rtmp_in_feed(&r->rtmp, p, n, &m);

		must(taken > 0);
		rtmp_message(r, &m);
		p += taken;
		n -= (size_t)taken;
	}
	must(r->rtmp.torn == 0);
}

static void rtmp_server_output(struct reader *r, const uint8_t *p, size_t n)
{
	size_t head = min_of(n, SERVER_HEAD - r->head_n);

	must(r->head_n > 0 || n == 0 || p[0] == 3);
	r->head_n += head;
	rtmp_messages(r, p + head, n - head);
}

static void rtmp_client_output(struct reader *r, const uint8_t *p, size_t n)
{
	while (n && !rtmp_hs_done(&r->hs)) {
		int taken = rtmp_hs_feed(&r->hs, p, n);

		must(taken > 0);
		p += taken;
		n -= (size_t)taken;
	}
	rtmp_messages(r, p, n);
}

/* ---- HTTP and WebSocket ---- */

static void flv_bytes(struct reader *r, const uint8_t *p, size_t n)
{
	while (n) {
		struct msg m;
		int taken = flv_in_feed(&r->flv, p, n, &m);

		must(taken > 0);
		media(r, &m);
		p += taken;
		n -= (size_t)taken;
	}
	must(r->flv.odd == 0);
}

/* One frame of a server from its first byte; its bytes, or 0: it is not complete. */
static size_t ws_frame_of(const uint8_t *p, size_t n, uint8_t *opcode, struct slice *payload)
{
	size_t head = 2;
	uint64_t len;

	if (n < 2)
		return 0;
	must(p[0] & 0x80); /* whole messages only */
	must(!(p[0] & 0x70) && !(p[1] & 0x80));
	*opcode = p[0] & 15;
	len = p[1];
	if (len >= 126)
		head += len == 126 ? 2 : 8;
	if (n < head)
		return 0;
	if (len == 126)
		len = get_be16(p + 2);
	else if (len == 127)
		len = get_be64(p + 2);
	must(len <= MESSAGE_MAX + FLV_TAG_EXTRA);
	must(ws_head_size(len) == head);
	if (n - head < len)
		return 0;
	*payload = (struct slice){p + head, (size_t)len};
	return head + (size_t)len;
}

/* FLV's file header has a frame, and so has each tag. */
static void ws_data(struct reader *r, struct slice payload)
{
	if (r->frames++ == 0)
		must(payload.n == FLV_HEADER_BYTES);
	else
		must(payload.n > FLV_TAG_HEAD && flv_span(payload.p) == payload.n);
	flv_bytes(r, payload.p, payload.n);
}

static void ws_bytes(struct reader *r)
{
	struct slice payload;
	size_t at = 0, taken;
	uint8_t opcode;

	while ((taken = ws_frame_of(r->kept.p + at, r->kept.n - at, &opcode, &payload))) {
		must(!r->ended);
		at += taken;
		if (opcode == WS_BINARY) {
			ws_data(r, payload);
			continue;
		}
		must(opcode == WS_CLOSE || opcode == WS_PONG);
		must(payload.n <= WS_CONTROL_MAX);
		r->ended = opcode == WS_CLOSE;
	}
	memmove(r->kept.p, r->kept.p + at, r->kept.n - at);
	r->kept.n -= at;
}

static void body_bytes(struct reader *r, const uint8_t *p, size_t n)
{
	if (!n)
		return;
	switch (r->body) {
	case BODY_FLV:
		flv_bytes(r, p, n);
		break;
	case BODY_WS:
		buf_write(&r->kept, p, n);
		must(!r->kept.bad);
		ws_bytes(r);
		break;
	default:
		must(n <= r->left);
		r->left -= n;
	}
}

static void http_answer_head(struct reader *r, const struct http_head *h)
{
	struct slice type = http_header_get(h, "Content-Type");

	if (h->status == 101)
		r->body = BODY_WS;
	else if (h->status == 200 && type.n == 11 && !memcmp(type.p, "video/x-flv", 11))
		r->body = BODY_FLV;
	else
		r->body = BODY_TEXT;
	must(r->body == BODY_TEXT || h->content_length < 0);
	must(!h->chunked);
	r->left = h->content_length > 0 ? (uint64_t)h->content_length : 0;
}

/* The whole head into r->body and r->left; what follows it into *rest. False: more is to come. */
static bool http_head_bytes(struct reader *r, const uint8_t *p, size_t n, struct slice *rest)
{
	struct http_head h;
	int taken;

	buf_write(&r->kept, p, n);
	must(!r->kept.bad);
	taken = http_response_parse(r->kept.p, r->kept.n, &h);
	must(taken > 0 || (taken == 0 && r->kept.n < HTTP_HEAD));
	if (!taken)
		return false;
	http_answer_head(r, &h);
	/* n bytes came now, and the head ends in them. */
	rest->n = r->kept.n - (size_t)taken;
	rest->p = p + n - rest->n;
	buf_reset(&r->kept, 0);
	return true;
}

/* An answer to HEAD promises a body that does not come: then the next answer begins instead. */
static bool is_next_answer(const struct reader *r, const uint8_t *p, size_t n)
{
	static const char begin[] = "HTTP/1.";

	return r->body == BODY_TEXT &&
	       (!r->left || (n >= sizeof(begin) - 1 && !memcmp(p, begin, sizeof(begin) - 1)));
}

static void http_server_output(struct reader *r, const uint8_t *p, size_t n)
{
	struct slice rest = {p, n};

	while (rest.n) {
		if (is_next_answer(r, rest.p, rest.n))
			r->body = BODY_NONE;
		if (r->body == BODY_NONE) {
			if (!http_head_bytes(r, rest.p, rest.n, &rest))
				return;
			continue;
		}
		n = r->body == BODY_TEXT ? (size_t)min_of((uint64_t)rest.n, r->left) : rest.n;
		body_bytes(r, rest.p, n);
		rest = (struct slice){rest.p + n, rest.n - n};
	}
}

static void http_client_output(struct reader *r, const uint8_t *p, size_t n)
{
	struct http_head h;
	int taken;

	must(!r->ended);
	buf_write(&r->kept, p, n);
	must(!r->kept.bad);
	taken = http_request_parse(r->kept.p, r->kept.n, &h);
	must(taken >= 0 && (size_t)taken <= r->kept.n);
	r->ended = taken > 0;
	must(!r->ended || (size_t)taken == r->kept.n);
}

void reader_take(struct reader *r, const uint8_t *p, size_t n)
{
	if (r->kind == READ_CLIENT)
		r->kind = p[0] == 3 ? READ_RTMP_CLIENT : READ_HTTP_CLIENT;
	switch (r->kind) {
	case READ_CLIENT:
		break;
	case READ_RTMP_SERVER:
		rtmp_server_output(r, p, n);
		break;
	case READ_RTMP_CLIENT:
		rtmp_client_output(r, p, n);
		break;
	case READ_HTTP_SERVER:
		http_server_output(r, p, n);
		break;
	case READ_HTTP_CLIENT:
		http_client_output(r, p, n);
		break;
	}
}
