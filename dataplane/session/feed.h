/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A feed: a session that gets a stream's log, and the private bytes that must go in between.
 *
 * Used alike by RTMP players, HTTP-FLV players and pushes to other servers. The feed owns the viewer
 * of core/fanout.h and the one rule that joins private and shared bytes: private output starts only
 * at a message boundary, and while it is in flight the log waits.
 *
 *   starting --log open--> waiting for a key frame --placed: headers out--> flowing
 *   flowing --private output wanted--> landing --boundary: private out--> flowing
 *
 * Threads: one core.
 */
#ifndef SESSION_FEED_H
#define SESSION_FEED_H

#include "core/fanout.h"
#include "session/session.h"

struct feed_ops {
	/* Writes the headers that a decoder needs before the key frame into the session's sink, with
	 * the key frame's time. Called when placed first, and at a skip when headers changed. */
	void (*headers)(struct feed *f, const struct stream_headers *h, const struct wlog_key *key,
	                bool first);
	/* The stream ended, or the viewer is too slow; the owner closes the session (or, a push, waits). */
	void (*over)(struct feed *f, enum reason why);
	/* Optional: rewrites log bytes on their way (a push whose message stream id is not 1). */
	void (*rewrite)(struct feed *f, struct buf *to, const struct slice *s, unsigned n);
};

struct feed {
	struct viewer viewer;
	struct session *session;
	const struct feed_ops *ops;
	struct stream_open *opening; /* waiting for the format's log; owned by the mail */
	bool active;                 /* viewer_add() was done */
	bool log_sending;            /* what is in flight is log bytes, not private ones */
	bool paused;                 /* by the player */
	bool got_first;
};

/*
 * Joins: takes a reference of s. The caller has written what must come before any media (HTTP answer,
 * Play.Start) into the session's sink already. 0, or an enum reason (CAP_VIEWERS, NO_MEMORY).
 */
enum reason feed_start(struct feed *f, struct session *session, struct stream *s,
                       enum wire_format format, enum tick_class tick, const struct feed_ops *ops);
/* Leaves; fine in every state. */
void feed_stop(struct feed *f);
/* Player's pause and resume (interop C14): resume goes on at the newest key frame. */
void feed_pause(struct feed *f, bool on);

/* For session.c: the network's answers go here while session->feed is set. */
void feed_flush(struct feed *f);
void feed_sent(struct feed *f, size_t n, bool blocked);
void feed_writable(struct feed *f);

#endif
