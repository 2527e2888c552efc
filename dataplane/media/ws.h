/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket, the server's side: the opening handshake, frames to bytes, and a client's frames.
 *
 * What a client sends is looked at for control frames only; its data is dropped, within a cap. No
 * extension is agreed to, so a frame with a reserved bit is an error (interop H9).
 * Source: RFC 6455. Threads: pure, one owner.
 */
#ifndef MEDIA_WS_H
#define MEDIA_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/reasons.h"
#include "base/bytes.h"
#include "media/http_in.h"

#define WS_HEAD_MAX	10     /* of an unmasked frame */
#define WS_CONTROL_MAX	125    /* payload of a control frame */
#define WS_DROPPED_MAX	65536u /* payload of a client's data message, all its frames together */
#define WS_PROTOCOL_MAX 64
#define WS_ACCEPT_MAX	32

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

enum ws_code { WS_NORMAL = 1000, WS_PROTOCOL_ERROR = 1002, WS_NO_CODE = 1005, WS_TOO_BIG = 1009 };

/* ---- handshake ---- */
struct ws_answer {
	char accept[WS_ACCEPT_MAX]; /* Sec-WebSocket-Accept */
	struct slice protocol;	    /* of those that the client offers the first; p NULL: none */
};

/* Whether a request is for a WebSocket: one of its Upgrade tokens says so. */
bool ws_wanted(const struct http_head *request);
/* NULL and *out, or what is wrong with the request, with the status to answer (400, 426). */
const char *ws_handshake(const struct http_head *request, struct ws_answer *out, unsigned *status);

/* ---- writing ---- */
/* Head of a whole unmasked frame with n bytes of payload; returns its length. */
size_t ws_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, uint64_t n);
size_t ws_head_size(uint64_t n);
void ws_frame(struct sink *to, enum ws_opcode opcode, const void *p, size_t n);
void ws_close(struct sink *to, uint16_t code);

/* ---- reading ---- */
struct ws_in {
	uint8_t head[14], head_n;
	bool in_payload;
	bool in_message;  /* a data message that is not complete yet */
	uint64_t left;	  /* bytes left of the payload */
	uint64_t dropped; /* bytes of the present data message */
	uint32_t masked;  /* bytes of the payload that were unmasked */
	uint8_t control[WS_CONTROL_MAX], control_n;
};

struct ws_event {
	enum ws_opcode opcode; /* WS_CONTINUATION: nothing; else a control frame */
	struct slice payload;  /* unmasked; in the reader, until the next call */
	uint16_t code;	       /* WS_CLOSE: as the client says, or WS_NO_CODE */
};

void ws_in_init(struct ws_in *in);
/*
 * Takes bytes from p, at most up to the end of one frame. Returns how many were taken (1..n), or
 * -(enum reason): BAD_WEBSOCKET, MESSAGE_TOO_BIG. n must be > 0.
 */
int ws_in_feed(struct ws_in *in, const uint8_t *p, size_t n, struct ws_event *out);

#endif
