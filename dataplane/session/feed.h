/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A feed: a session that gets a stream's log, and the private bytes that must go in between.
 *
 * Used alike by RTMP players, HTTP-FLV players and pushes to other servers. The feed owns the viewer
 * of core/fanout.h and the one rule that joins private and shared bytes: private output starts only
 * at a message boundary, and while it is in flight the log waits.
 *
 *   OPENING --log open--> LOG --placed: headers out first--> PREFIX --they are out--> LOG
 *   LOG --private output, or the player's pause--> LANDING --boundary--> RESTING --> LOG
 *
 * OPENING: the home core makes the format's log; private output goes out freely. LOG: the fan-out
 * sends. LANDING: it ends its message. PREFIX, RESTING: the log waits, private output goes out.
 *
 * Threads: one core.
 */
#ifndef SESSION_FEED_H
#define SESSION_FEED_H

#include "core/fanout.h"
#include "session/session.h"

/* What a feed counts as in metrics and lists. */
enum feed_role { FEED_VIEWER, FEED_PUSH };

struct feed_ops {
	enum feed_role role;
	/* Writes the headers that a decoder needs before the key frame into the session's sink, with
	 * the key frame's time. Called when placed first, and at a skip when headers changed. */
	void (*headers)(struct feed *f, const struct stream_headers *h, const struct wlog_key *key,
			bool first);
	/* The stream ended, or the viewer is too slow; the owner closes the session (or, a push, waits). */
	void (*over)(struct feed *f, enum reason why);
	/* Optional: rewrites log bytes on their way (a push whose message stream id is not 1). */
	void (*rewrite)(struct feed *f, struct buf *to, const struct slice *s, unsigned n);
};

enum feed_state { FEED_OPENING, FEED_LOG, FEED_LANDING, FEED_PREFIX, FEED_RESTING };

/* How far behind a viewer is by its domain's wish; core/cursor.h. */
struct feed_late {
	uint16_t delay_s; /* deliberately late */
	uint8_t start_s;  /* joins that far back */
};

struct feed {
	struct viewer viewer; /* its stream is NULL while nothing is fed */
	struct session *session;
	const struct feed_ops *ops;
	struct stream_open *opening; /* waiting for the format's log; owned by the mail */
	uint8_t state;		     /* enum feed_state */
	struct feed_late late;
	uint8_t kind, tick; /* of log: stream_log_kind() */
	bool active;	    /* viewer_add() was done */
	bool log_sending;   /* what is in flight or blocked is log bytes, not private ones */
	bool paused;	    /* by the player */
	bool resume_at_key; /* the player's pause is over */
	bool got_first;	    /* was placed once */
	bool got_media;	    /* the first bytes of the log are on their way */
};

/*
 * Joins: takes a reference of s. kind: of log as the viewer asks for it; where the source is like
 * that anyway it shares the source's log. The caller has written what must come before any media (HTTP answer,
 * Play.Start) into the session's sink already. 0, or an enum reason (OVERLOAD, CAP_VIEWERS, NO_MEMORY).
 */
enum reason feed_start(struct feed *f, struct session *session, struct stream *s, unsigned kind,
		       enum tick_class tick, const struct feed_ops *ops);
/* The same, further back; also DELAY_MEMORY. */
enum reason feed_start_late(struct feed *f, struct session *session, struct stream *s,
			    unsigned kind, enum tick_class tick, struct feed_late late,
			    const struct feed_ops *ops);
/* Leaves; fine in every state. */
void feed_stop(struct feed *f);
/* Player's pause and resume (interop C14): resume goes on at the newest key frame. */
void feed_pause(struct feed *f, bool on);
/* Writes h as messages of the feed's format with the key frame's time (interop H7); for ops->headers.
 * h may be NULL: nothing is known yet. */
void feed_put_headers(struct feed *f, const struct stream_headers *h, const struct wlog_key *key);

/* For session.c: the network's answers go here while session->feed is set. */
void feed_flush(struct feed *f);
void feed_sent(struct feed *f, size_t n, bool blocked);
void feed_writable(struct feed *f);

#endif
