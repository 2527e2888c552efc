/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server's side of one connection.
 *
 *   READING --request--> ANSWERED --all is sent--> READING (keep-alive: HLS), or closed
 *                        PLAYING (GET of a live /app/name.flv) --stream ends--> closed
 *                        WAITING (remote authentication, play.wait) --> PLAYING, or ANSWERED
 *                        HOLDING (HLS) --what is asked for comes, or its time is over--> ANSWERED
 *
 * A live FLV answer has no length and ends with the connection (interop H3); what its client sends
 * after the request is thrown away. HLS players make many requests on a connection, ahead of the
 * answers if they like: these wait in `request`, which holds http.request_bytes at most, and are
 * answered one after the other. Between requests a connection keeps no buffer.
 *
 *   http_server.c  requests, routes, short answers
 *   http_flv.c     HTTP-FLV viewers
 *   ws_flv.c       the same by WebSocket
 *   hls_serve.c    HLS
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
#include "session/hls_serve.h"
#include "session/session.h"
#include "session/waiting.h"
#include "session/ws_flv.h"

enum http_phase { HTTP_READING, HTTP_WAITING, HTTP_HOLDING, HTTP_ANSWERED, HTTP_PLAYING };

struct http_server {
	struct session session;
	struct feed feed;
	struct buf
		request; /* this one where it may be looked at again (HLS), and what follows it */
	uint32_t request_n;  /* bytes of this one in it */
	uint64_t sent_bytes; /* conn->bytes_out when the deadline was set last */
	struct auth auth;
	struct waiting waiting; /* for a live stream, or for what hls answers */
	struct hls_answer hls;
	struct ws_flv *ws; /* a WebSocket viewer; NULL: plain HTTP */
	uint8_t variant;   /* what is asked for, enum variant */
	uint8_t phase;	   /* enum http_phase */
	bool head_only;	   /* answers have no body */
	bool keep;	   /* the connection goes on after this answer */
	bool cut;	   /* bytes that followed this request were lost: it is the last one */
	bool served;	   /* an answer went out before this one */
};

extern const struct session_ops http_server_ops;

static inline struct http_server *http_server_of(struct session *s)
{
	return (struct http_server *)s;
}

/* Status line and what every answer has. */
void http_put_status(struct http_server *h, unsigned status);
/* The same for what must not be cached; `more`: whole further lines, or "". */
void http_put_head(struct http_server *h, unsigned status, const char *more);
/* Further lines of a head, or a short body: at most 1023 bytes. */
__attribute__((format(printf, 2, 3))) void http_put(struct http_server *h, const char *fmt, ...);
/* A short text; why is the reason of the connection's end unless h->keep. */
void http_answer(struct http_server *h, unsigned status, const char *more, const char *text,
		 enum reason why);

/* The path of a request's target, as it was written and without query; n = 0: it has none. */
struct slice http_path(const struct http_head *head);
/* From here on the client must take something of the answer within each play.stall_timeout. */
void http_answer_begins(struct http_server *h);

/* Looks once more at a request that was held (HOLDING); it is answered or held again. */
void http_request_again(struct http_server *h);

/* ---- http_flv.c ---- */
/* GET or HEAD of a stream's FLV, by WebSocket where h->ws is set. */
void http_flv(struct http_server *h, const struct http_head *head, struct stream_name *name);
/* The stream has not come within play.wait. */
void http_flv_give_up(struct http_server *h);
/* FLV's file header for a viewer who begins at that key frame. */
void http_flv_file_header(struct feed *f, const struct wlog_key *key,
			  uint8_t dst[FLV_HEADER_BYTES]);

#endif
