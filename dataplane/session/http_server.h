/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server's side of one connection: one request, one answer, then the end.
 *
 *   READING --request--> ANSWERED --sent--> closed
 *                        PLAYING (GET of a live /app/name.flv) --stream ends--> closed
 *                        WAITING (remote authentication, play.wait) --> PLAYING, or ANSWERED
 *
 * A live answer has no length and ends with the connection (interop H3). The request is kept only
 * until it is answered, so a viewer costs its struct and nothing more. What a client sends after its
 * request is thrown away.
 *
 *   http_server.c  requests, routes, short answers
 *   http_flv.c     HTTP-FLV viewers
 *   ws_flv.c       the same by WebSocket
 *
 * Threads: one core.
 */
#ifndef SESSION_HTTP_SERVER_H
#define SESSION_HTTP_SERVER_H

#include "media/flv.h"
#include "media/http_in.h"
#include "media/stream_name.h"
#include "session/auth.h"
#include "session/feed.h"
#include "session/session.h"
#include "session/waiting.h"
#include "session/ws_flv.h"

enum http_phase { HTTP_READING, HTTP_WAITING, HTTP_ANSWERED, HTTP_PLAYING };

struct http_server {
	struct session session;
	struct feed feed;
	struct buf request; /* while READING */
	struct auth auth;
	struct waiting waiting;
	struct ws_flv *ws; /* a WebSocket viewer; NULL: plain HTTP */
	uint8_t variant;   /* what is asked for, enum variant */
	uint8_t phase;	   /* enum http_phase */
	bool head_only;	   /* answers have no body */
};

extern const struct session_ops http_server_ops;

static inline struct http_server *http_server_of(struct session *s)
{
	return (struct http_server *)s;
}

/* Status line and what every answer has; `more`: whole further lines, or "". */
void http_put_head(struct http_server *h, unsigned status, const char *more);
/* A short text and the end of the connection; why is its reason. */
void http_answer(struct http_server *h, unsigned status, const char *more, const char *text,
		 enum reason why);

/* The path of a request's target, as it was written and without query; n = 0: it has none. */
struct slice http_path(const struct http_head *head);

/* ---- http_flv.c ---- */
/* GET or HEAD of a stream's FLV, by WebSocket where h->ws is set. */
void http_flv(struct http_server *h, const struct http_head *head, const struct stream_name *name);
/* The stream has not come within play.wait. */
void http_flv_give_up(struct http_server *h);
/* FLV's file header for a viewer who begins at that key frame. */
void http_flv_file_header(struct feed *f, const struct wlog_key *key,
			  uint8_t dst[FLV_HEADER_BYTES]);

#endif
