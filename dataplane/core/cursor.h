/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor is one viewer's place in one wire log.
 *
 * It is an offset, not a pointer: the log may drop old blocks at any time, and a cursor that fell
 * behind is moved forward by cursor_settle(), never waited for.
 *
 *   waiting --key frame--> flowing --behind--> landing --boundary--> flowing (at the key frame)
 *   flowing --pause--> landing --boundary--> paused --resume--> flowing
 *   flowing --tail passed it between two messages--> waiting
 *   flowing, landing --tail passed it inside a message--> lost
 *
 * waiting: joined before there was a key frame, or has to go on at a newer one. landing: goes on to
 * the end of the message it is in because bytes already sent cannot be taken back, then jumps or
 * pauses.
 *
 * A delayed cursor joins and skips at key frames that are that old, and sees nothing younger. Where the
 * log does not reach back so far, though older bytes were dropped already, the delay gets shorter; a
 * log that is young is waited for.
 *
 * A cursor with start_s joins at a key frame that is that old, where there is one, or else at the oldest,
 * and gets everything from there on at once: what a player then has in advance is its latency.
 *
 * Invariants (cursor_check)
 *   1. sent <= stop <= head; stop is a message boundary, so sent == stop is between two messages
 *   2. waiting, paused: sent == stop
 *   3. flowing, landing: tail <= sent, unless the tail has just moved past (settle sees it)
 *
 * Threads: owned by one core; only the log's published offsets are read across cores.
 */
#ifndef CORE_CURSOR_H
#define CORE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/wlog.h"

enum cursor_state { CURSOR_WAITING, CURSOR_FLOWING, CURSOR_LANDING, CURSOR_PAUSED, CURSOR_LOST };

struct cursor {
	struct wlog *log;
	uint64_t sent;	   /* the next byte to send */
	uint64_t stop;	   /* no range goes past it; flowing: the head as last seen */
	uint64_t headers;  /* generation of sequence headers the viewer has; kept by its owner */
	uint64_t delay_us; /* deliberately late by that much; 0: as soon as there is something */
	uint32_t skips;
	uint8_t state;
	bool joined;	 /* was on a key frame once */
	bool want_pause; /* cursor_pause() was asked for and not reached yet */
	uint8_t start_s; /* joins that far back, or as far as there is; set after cursor_init() */
};

enum cursor_event {
	CURSOR_NOTHING = 0, /* at the head, paused, or waiting */
	CURSOR_DATA,	    /* there are bytes to send: cursor_range() */
	CURSOR_JOINED,	    /* just placed on a key frame: its headers go out first */
	CURSOR_SKIPPED,	    /* moved to a newer key frame; *skipped bytes were left out */
	CURSOR_REACHED,	    /* paused as asked: private bytes may go out now */
	CURSOR_GONE,	    /* lost: cannot go on at a message boundary */
};

/* On the newest key frame (delayed: the newest that is old enough) if there is one, else waiting. */
void cursor_init(struct cursor *c, struct wlog *log, uint64_t delay_us);
/*
 * Looks at the log and moves the cursor where the rules say; call before every cursor_range() and
 * not while a send is in flight. JOINED and SKIPPED come once, with *key set; call again after
 * dealing with them. SKIPPED is the only event that sets *skipped.
 */
enum cursor_event cursor_settle(struct cursor *c, uint64_t now_us, uint64_t max_lag_us,
				struct wlog_key *key, uint64_t *skipped);
/* The next bytes, at most max and at most one block's worth; number of slices, 0 if none. */
unsigned cursor_range(const struct cursor *c, uint32_t max, struct slice out[2]);
/* n bytes of the last range were accepted. */
void cursor_advance(struct cursor *c, uint64_t n);
/* Stop at the next message boundary (settle then gives REACHED); at once where it is on one. */
void cursor_pause(struct cursor *c);
/*
 * Goes on where it stopped, or (at_key: a player's resume) on the newest key frame if that is newer
 * than where it stopped: settle gives SKIPPED. Before REACHED it takes the pause back.
 */
void cursor_resume(struct cursor *c, bool at_key);
/* Between two messages, with nothing of either half sent. */
static inline bool cursor_at_boundary(const struct cursor *c)
{
	return c->sent == c->stop;
}
/* Bytes not sent yet; 0 while waiting or lost. */
uint64_t cursor_behind(const struct cursor *c);
/* Age of the oldest byte not sent yet, microseconds, without the delay; 0 at the head, while waiting,
 * and lost. */
uint64_t cursor_lag_us(const struct cursor *c, uint64_t now_us);
void cursor_check(const struct cursor *c);

#endif
