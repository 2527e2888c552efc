/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: what every source of a stream has in common, encoder or pull.
 *
 * Takes messages, keeps the stream alive, and watches over it: first media, media age, missing
 * sequence headers (interop T4, T19, M6). One publish and one unpublish event each, in order (C5).
 * Only audio, video and data messages count; aggregates are taken apart (C13).
 *
 *   idle --ask--> publishing                      (the name is free, or the stream is at home here)
 *   idle --ask--> taking --begun--> publishing    (it is held or published on another core)
 *   any --publish_end--> idle
 *
 * A second publisher (C4): publish.policy, or the domain's, says whether the first one makes way. It does on its own
 * core, its unpublish event first, and the stream goes on under the new one with all its viewers,
 * as it does when a publisher was lost and another comes within publish.hold (H6). Where the domain
 * has backup publishers a second one stands by (session/backup.h): it takes no stream, and one that
 * makes way for it stands by in turn.
 *
 *   publish.c       events, messages, watching, the end
 *   publish_take.c  asking for a name, making way, moving between cores
 *
 * Threads: the session's core, which becomes the stream's home.
 */
#ifndef SESSION_PUBLISH_H
#define SESSION_PUBLISH_H

#include "core/stream.h"
#include "session/session.h"
#include "session/wanted.h"

struct backup;
struct publish_take;

struct publish {
	struct session *session;
	struct stream *stream;	   /* NULL: not publishing */
	struct publish_take *take; /* while taking */
	struct backup *backup;	   /* one of several for the name (session/backup.h); or NULL */
	char *who;		   /* address and parameters, for publish.policy; NULL: a pull */
	uint64_t begun_us, last_media_us, no_header_since_us;
	uint64_t first_media_us; /* 0: none yet */
	bool pull;		 /* relay timeouts instead of an encoder's */
	bool internal;
	bool yields; /* a pull from the data plane before this one: makes way for anybody */
	struct unwatched unwatched; /* a pull */
	bool video_header, audio_header;
	bool appended; /* since the last flush */
};

/* A pull begins. NONE, or STREAM_BUSY, FORBIDDEN, BAD_NAME, CAP_STREAMS, NO_MEMORY. */
enum reason publish_begin(struct publish *p, struct session *s, const char *key, bool internal,
			  bool pull);
/*
 * An encoder asks for a name, or a worker (inner: session/inner.h) for an internal one or for one that
 * it pulls for a domain; params: of the stream's URL. The same answers; where it is NONE and nothing is
 * published yet, begun() follows with one of them.
 */
enum reason publish_ask(struct publish *p, struct session *s, const char *key, const char *params,
			bool inner, void (*begun)(struct publish *p, enum reason why));
static inline bool publish_is_taking(const struct publish *p)
{
	return p->take != NULL;
}
/* A backup publisher takes the stream of its group; the same answers, and begun() where it is taking. */
enum reason publish_take_over(struct publish *p, const char *key,
			      void (*begun)(struct publish *p, enum reason why));
/* One message of any type; nothing in it is a reason to end the publisher (interop C8, C11, M19). */
void publish_message(struct publish *p, const struct msg *m);
/* After each batch of input: makes it visible. */
void publish_flush(struct publish *p);
/* Called by a timer of the session: NONE, or the deadline that passed; *next_ms is when to ask again. */
enum reason publish_watch(struct publish *p, uint64_t *next_ms);
/* Idempotent; fine while taking. */
void publish_end(struct publish *p, enum reason why);

/* ---- between publish.c and publish_take.c ---- */
/* p has its stream: says so to everybody. */
void publish_begun(struct publish *p, struct stream *stream);
/* p gives its stream up, which is held for hold_ms, or ends where that is 0. */
void publish_leave(struct publish *p, enum reason why, uint64_t hold_ms);
/* How long the stream `key` waits for another publisher when one ends like this. */
uint64_t publish_hold_ms(struct core *c, const char *key, enum reason why);
/* Nobody waits for the answer any more. */
void publish_take_drop(struct publish *p);

#endif
