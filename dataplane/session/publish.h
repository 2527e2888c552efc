/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: what every source of a stream has in common, encoder or pull.
 *
 * Takes messages, keeps the stream alive, and watches over it: first media, media age, missing
 * sequence headers (interop T4, T19, M6). One publish and one unpublish event each, in order (C5).
 * Only audio, video and data messages count; aggregates are taken apart (C13).
 *
 * Threads: the home core.
 */
#ifndef SESSION_PUBLISH_H
#define SESSION_PUBLISH_H

#include "core/stream.h"
#include "session/session.h"

struct publish {
	struct session *session;
	struct stream *stream; /* NULL: not publishing */
	uint64_t begun_us, last_media_us, no_header_since_us;
	uint64_t first_media_us; /* 0: none yet */
	bool pull;		 /* relay timeouts instead of an encoder's */
	bool video_header, audio_header;
	bool appended; /* since the last flush */
};

/* NONE, or STREAM_BUSY, CAP_STREAMS, NO_MEMORY. */
enum reason publish_begin(struct publish *p, struct session *s, const char *key, bool internal,
			  bool pull);
/* One message of any type; nothing in it is a reason to end the publisher (interop C8, C11, M19). */
void publish_message(struct publish *p, const struct msg *m);
/* After each batch of input: makes it visible. */
void publish_flush(struct publish *p);
/* Called by a timer of the session: NONE, or the deadline that passed; *next_ms is when to ask again. */
enum reason publish_watch(struct publish *p, uint64_t *next_ms);
/* Idempotent. */
void publish_end(struct publish *p, enum reason why);

#endif
