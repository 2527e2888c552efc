/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTMP server's side of one connection: an encoder that publishes, or a player.
 *
 *   HANDSHAKE --C2--> READY --publish--> PUBLISHING --FCUnpublish, closeStream, ..--> READY
 *                     READY --play--> PLAYING --stream ends, player leaves--> closed
 *                     READY --publish, play--> ASKING --> PUBLISHING, PLAYING or refused
 *
 * ASKING: remote authentication has not answered yet, the stream to publish is still another core's, or
 * the one to play is not live yet.
 * A connection does one thing at a time: createStream answers 1 as long as nothing is published or
 * played, and a second publish or play beside the first is refused with a status (interop C6).
 * What is needed only at the beginning (handshake, connect's texts) is freed when it is over, so a
 * viewer costs its struct and nothing more.
 *
 *   rtmp_server.c  bytes: handshake, chunks, protocol control, acknowledgements, deadlines
 *   rtmp_call.c    commands and their answers
 *   rtmp_play.c    what a player gets before, between and after the log
 *
 * Threads: one core.
 */
#ifndef SESSION_RTMP_SERVER_H
#define SESSION_RTMP_SERVER_H

#include "media/rtmp_cmd.h"
#include "media/rtmp_hs.h"
#include "media/rtmp_in.h"
#include "media/stream_name.h"
#include "session/auth.h"
#include "session/feed.h"
#include "session/publish.h"
#include "session/session.h"
#include "session/waiting.h"

#define RTMP_MSID 1 /* message stream id of everything in the RTMP log */

enum rtmp_phase { RTMP_HANDSHAKE, RTMP_READY, RTMP_ASKING, RTMP_PUBLISHING, RTMP_PLAYING };

/* What the connection is busy with; it is one thing at a time. */
enum rtmp_part { RTMP_NO_PART, RTMP_PUBLISHER, RTMP_WAITER, RTMP_VIEWER };

/* connect's texts, one after the other. */
struct rtmp_connect {
	uint32_t app_n, tc_url_n;
	uint8_t text[];
};

struct rtmp_server {
	struct session session;
	union { /* as `part` says */
		struct publish publish;
		struct waiting waiting;
		struct feed feed;
	};
	struct auth auth; /* for what is published or played */
	struct rtmp_in in;
	union {
		struct rtmp_hs *hs; /* HANDSHAKE */
		struct rtmp_connect
			*connect; /* from connect until play, or on where it reconnects */
	};
	uint64_t acked;	     /* bytes received when we last acknowledged */
	uint32_t window;     /* acknowledge at least this often */
	uint32_t chunk_size; /* of what we send */
	uint32_t msid;	     /* message stream of the publish or play command */
	uint32_t ids;	     /* createStream's last answer while busy */
	uint8_t phase;	     /* enum rtmp_phase */
	uint8_t part;	     /* enum rtmp_part */
	uint8_t variant;     /* asked for by the player, enum variant */
	bool reconnects;     /* understands ReconnectRequest (interop C17) */
};

extern const struct session_ops rtmp_server_ops;

static inline struct rtmp_server *rtmp_server_of(struct session *s)
{
	return (struct rtmp_server *)s;
}

/* Another thing begins; what was before is over. */
static inline void rtmp_server_part(struct rtmp_server *r, enum rtmp_part part)
{
	switch (part) {
	case RTMP_NO_PART:
		break;
	case RTMP_PUBLISHER:
		r->publish = (struct publish){0};
		break;
	case RTMP_WAITER:
		r->waiting = (struct waiting){0};
		break;
	case RTMP_VIEWER:
		r->feed = (struct feed){0};
		break;
	}
	r->part = (uint8_t)part;
}

void rtmp_server_set_phase(struct rtmp_server *r, enum rtmp_phase to);
/* ASKING for remote authentication, which has a time limit of its own. */
void rtmp_server_wait(struct rtmp_server *r);

/* ---- rtmp_call.c ---- */
/* A command message: NONE, or why the session must end. */
enum reason rtmp_call(struct rtmp_server *r, const struct msg *m);
/* Sends w as a command message on that message stream. */
void rtmp_answer(struct rtmp_server *r, uint32_t msid, const struct wr *w);
void rtmp_status(struct rtmp_server *r, uint32_t msid, const char *level, const char *code,
		 const char *description);
/* A status of level error, then the end. */
void rtmp_refuse(struct rtmp_server *r, uint32_t msid, const char *code, const char *description,
		 enum reason why);
void rtmp_connect_free(struct rtmp_server *r);
/* The stream that a publish or play command means: NONE, or BAD_NAME with *rule. */
enum reason rtmp_stream_name(struct rtmp_server *r, struct slice stream, struct stream_name *name,
			     const char **rule);

/* ---- rtmp_play.c ---- */
void rtmp_play(struct rtmp_server *r, const struct rtmp_cmd *cmd, uint32_t msid);
/* The stream has not come within play.wait. */
void rtmp_play_give_up(struct rtmp_server *r);

#endif
