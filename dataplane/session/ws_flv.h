/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket-FLV viewers: the same URL as HTTP-FLV, asked for with an upgrade (interop H9).
 *
 *   request with Upgrade --ws_flv_ask--> WAITING or PLAYING as for HTTP-FLV
 *   PLAYING --client's close, or a bad frame--> close frame, then the end
 *   PLAYING --stream ends--> close frame 1000, then the end
 *
 * Each FLV tag is one binary frame; the first frame is FLV's file header. Pings are answered between
 * two messages of the log; of pings that come faster than that, some are not.
 *
 * Threads: one core.
 */
#ifndef SESSION_WS_FLV_H
#define SESSION_WS_FLV_H

#include "media/ws.h"
#include "session/feed.h"

struct http_server;

struct ws_flv {
	struct ws_in in;
	char accept[WS_ACCEPT_MAX];
	char protocol[WS_PROTOCOL_MAX + 1]; /* "" : none */
};

extern const struct feed_ops ws_flv_feed_ops;

/* A request that wants a WebSocket: true, or it is refused and answered. */
bool ws_flv_ask(struct http_server *h, const struct http_head *request);
/* The answer that opens it. */
void ws_flv_put_head(struct http_server *h);
enum reason ws_flv_received(struct http_server *h, const uint8_t *p, size_t n);
void ws_flv_free(struct http_server *h);

#endif
