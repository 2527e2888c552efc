/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of session.h: what session.c, about one session, and sessions.c, about those of a core, share. */
#ifndef SESSION_SESSION_IN_H
#define SESSION_SESSION_IN_H

#include "base/pool.h"
#include "session/session.h"

#define SESSION_KINDS_MAX     8
#define SESSIONS_MAX	      (1u << 24) /* of one kind on one core; caps refuse long before */
#define SESSION_LAST_WORDS_MS 2000u	 /* for session_close_after_flush() */
#define LISTENERS_MAX	      (SESSION_LISTENERS_MAX + 1) /* one comes while the core runs */

/* One core's sessions. */
struct sessions {
	struct core *core;
	struct net *net;
	LIST_HEAD(, session) open;
	uint32_t alive; /* open ones, and closing ones that the network has not released */
	uint64_t serial;
	unsigned refusing; /* sessions that are only told why they cannot stay */
	bool draining, leaving, ending;
	unsigned kinds;
	struct {
		const struct session_ops *ops;
		struct pool pool;
	} kind[SESSION_KINDS_MAX];
	unsigned listeners, first_listeners; /* first: those of sessions_init() */
	const struct session_ops *listener[LISTENERS_MAX];
	bool listener_tls[LISTENERS_MAX];
	bool listener_local[LISTENERS_MAX];
};

static inline struct sessions *sessions_of(const struct core *c)
{
	return c->session;
}

/* The network has let go of it. */
void session_free(struct session *s);
/* The network's answers to what session_flush_now() sent. */
void session_sent(struct session *s, size_t n, bool blocked);
void session_room(struct session *s);

#endif
