/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may publish and play: the one question that every entry point asks, before it touches a stream.
 *
 *   auth_check() --> NONE: allowed now, key is the stream's
 *                --> a reason: refused; it goes to the client, the log and the counters
 *                --> NONE and auth_is_pending(): remote authentication is asked, answered() follows
 *
 * In this order: the pass of a worker (session/inner.h) allows all; the domain must be there, for this
 * purpose and switched on (session/domains.h); the domain's own rules (session/admission.h); forbidden
 * streams (publishing only); remote authentication (auth_remote.h).
 * A player that is this node's own pull, come back by way of others (session/hops.h), is refused first.
 * All but the last is local and decided at once, without memory or locks but for forbidden streams.
 *
 * Threads: the session's core.
 */
#ifndef SESSION_AUTH_H
#define SESSION_AUTH_H

#include "media/stream_name.h"
#include "session/domain_config.h"
#include "session/feed.h"
#include "session/session.h"

enum auth_kind { AUTH_PUBLISH, AUTH_PLAY };

struct auth_request {
	enum auth_kind kind;
	struct stream_name
		*name; /* as the URL has it: its domain is the host; see auth_take_prefix() */
	/*
	 * HTTP only: the path as the client wrote it, without query; and what a path of this stream
	 * ends with: "flv", or "m3u8" for all that belongs to HLS (a token of the playlist's URL is
	 * good for its segments, parts, keys, and between a master playlist and its renditions).
	 */
	struct slice path;
	const char *suffix;   /* NULL: RTMP */
	struct slice referer; /* p NULL: none */
	const char *prefix;   /* auth_check()'s: a signature that stood before the path, or "" */
};

struct auth;
struct auth_wait;
struct viewer_note;

/* In the session; zeroed to begin with. */
struct auth {
	struct auth_wait *wait;	  /* while pending */
	struct viewer_note *note; /* a viewer whose start and stop are told */
	uint32_t until_s;	  /* wall clock: when the session is to end; 0: it is not */
	uint32_t domain_mark; /* by whose rules it was let in (session/running.h); 0: nobody's */
	uint32_t key_mark;    /* by which key; 0: none */
	bool inner;	      /* came with a pass: no audience */
	bool tells;	      /* a viewer whose domain wants viewer events */
	/* of a viewer, once it is allowed: */
	bool triggered; /* its stream may be pulled when it asks (session/wanted.h) */
	uint32_t pull_wait_ms, pull_negative_ms;
	int8_t tick; /* enum tick_class */
	int8_t hls;  /* enum domain_hls, or DOMAIN_UNSET */
	struct feed_late late;
};

/*
 * key[STREAM_KEY_MAX] becomes the stream's, or host/app/name where it is refused, and the session is
 * described by it. BAD_NAME: an inner name without its pass. answered() comes later, or never where
 * auth_end() was called; name is that of the request, valid during the call, and a is not pending then.
 */
enum reason auth_check(struct auth *a, struct session *s, struct auth_request *q, char *key,
		       void (*answered)(struct auth *a, const struct stream_name *name,
					enum reason why));
/* Where the name's domain signs before the path, the signature leaves the application: into prefix. */
void auth_take_prefix(struct stream_name *name, char prefix[SIGN_PREFIX_MAX]);
static inline bool auth_is_pending(const struct auth *a)
{
	return a->wait != NULL;
}
/* The status of an HTTP answer that refuses. */
unsigned auth_http_status(enum reason why);
/*
 * The session has begun to play: viewer.start is told where its domain wants viewer events, and the
 * session ends when its signature does, where the domain says so.
 */
void auth_viewer(struct auth *a, struct session *s);
/* Whether the session must end because its signature has. */
bool auth_is_over(const struct auth *a);
/* Milliseconds until then, at least 1; 0: it does not end the session. */
uint64_t auth_left_ms(const struct auth *a);
/* The session ends with `why`: an open question is given up, a viewer's stop is told. */
void auth_end(struct auth *a, struct session *s, enum reason why);

#endif
