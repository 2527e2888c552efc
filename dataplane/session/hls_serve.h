/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HLS requests: playlists made for each, segments sent from the memory they came in.
 *
 * A request for something that is about to come is held (session/waiting.h): it stays in the
 * connection's buffer and is looked at again when the stream's playlist has changed, so what it waits for
 * is known in one place only. Media of a stream that nobody packages is asked for by the event
 * hls.wanted.
 *
 *   hls_serve.c   routes, playlists, holding
 *   hls_object.c  segments, parts, initialisation sections, keys
 *
 * Threads: the session's core.
 */
#ifndef SESSION_HLS_SERVE_H
#define SESSION_HLS_SERVE_H

#include "api/reasons.h"
#include "core/hls.h"
#include "media/hls_url.h"
#include "media/http_in.h"

struct http_server;

/* Of an HTTP connection, about its present request. */
struct hls_answer {
	struct segment *sending; /* held for as long as it is sent */
	uint64_t held_until_us;	 /* 0: it was not held */
	uint64_t bytes_before;	 /* conn->bytes_out when its answer began */
	bool allowed;		 /* auth_check() has said so */
	bool begun;		 /* an answer is on its way */
	bool blocking;		 /* held for a part or segment in advance, not for the first one */
	bool was_dropped;	 /* what it sends had left its stream at the last look */
};

/* name is the stream's already. */
void hls_serve(struct http_server *h, const struct http_head *head, struct stream_name *name,
	       const struct hls_url *url);
/* The time of a held request is over. */
void hls_give_up(struct http_server *h);
/* The answer is sent, or will never be. */
void hls_answer_over(struct http_server *h);
/* False: a slow client keeps a segment in memory that its stream dropped two looks ago. */
bool hls_answer_may_go_on(struct http_server *h);

/* ---- between hls_serve.c and hls_object.c ---- */
/* Holds the request until `ms` after it was held first; false: too many are held, or no memory. */
bool hls_hold(struct http_server *h, uint64_t ms);
/* An answer of that status with a short text and no media. */
void hls_refuse(struct http_server *h, unsigned status, enum reason why);
/* The answer begins: bytes are counted from here. */
void hls_answer_begins(struct http_server *h);
/* Anything but a playlist. */
void hls_object(struct http_server *h, const struct http_head *head, const struct hls_stream *s,
		const struct hls_url *url);

#endif
