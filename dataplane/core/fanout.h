/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fan-out: every viewer of a core gets what its log has, when its slot of the tick wheel comes.
 *
 * Viewers of one tick class are spread over the class's slots (FANOUT_SLOT_US each). When a slot
 * comes, each of its viewers that has no send in flight is settled and sends everything from its
 * cursor to the head, at most FANOUT_SEND_MAX at once. A viewer that is further behind goes on as
 * its sends complete, up to FANOUT_CATCH_UP sends per tick, so that nobody takes the core for long.
 * One send in flight per viewer, ever. A slot of more viewers than FANOUT_TURN_SENDS is served in
 * several turns: between them what came in is dealt with, so that a key frame to thousands does not
 * hold up whoever joins or publishes.
 *
 * over() comes from fanout_poll() only, never from inside a call that the owner makes; the other
 * operations may. An owner may add and remove viewers, its own too, from inside any of them.
 *
 * What a viewer is made of besides (private bytes, protocol, close) is its owner's: struct
 * viewer_ops is the whole interface, and the simulator's viewers use it too.
 *
 * Threads: one core.
 */
#ifndef CORE_FANOUT_H
#define CORE_FANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "core/cursor.h"
#include "core/stream.h"

#define FANOUT_SLOT_US	  5000u
#define FANOUT_SLOTS	  30u /* 150 ms: every tick divides it */
#define FANOUT_SEND_MAX	  65536u
#define FANOUT_CATCH_UP	  4u
#define FANOUT_TURN_SENDS 512

enum tick_class { TICK_LOW, TICK_NORMAL, TICK_BULK, TICK_MAX };

struct viewer;

struct viewer_ops {
	/* Starts one send of these slices (1 or 2); viewer_sent() or viewer_blocked() will follow, or the
	 * owner removes the viewer. The bytes stay valid until then. */
	void (*send)(struct viewer *v, const struct slice *s, unsigned n);
	/* Placed on a key frame for the first time, or moved to a newer one. The owner may have private
	 * bytes to send first (headers): it then returns true, sends them itself, and calls
	 * viewer_kick() when they are out. cursor.headers is the owner's to compare and set. */
	bool (*placed)(struct viewer *v, const struct wlog_key *key, bool first, uint64_t skipped);
	/* The cursor is paused at a message boundary as asked; the owner calls viewer_resume(). */
	void (*reached)(struct viewer *v);
	/* All that there was is sent and the stream has ended (STREAM_ENDED), the cursor is lost or it
	 * skipped too often (TOO_SLOW), or no byte was accepted for play.stall_timeout (SEND_STALLED):
	 * the owner closes. It may free the viewer. Repeated at every tick until it is removed. */
	void (*over)(struct viewer *v, enum reason why);
};

struct viewer {
	struct cursor cursor;
	struct stream *stream; /* with a reference of the viewer's owner */
	const struct viewer_ops *ops;
	struct core *core;
	struct shm_audience *shm;
	uint64_t
		busy_since_us; /* no byte was accepted since, though there are some; 0: none waits */
	uint64_t skip_window_us;
	uint32_t index; /* in its slot's array */
	uint32_t window_skips;
	uint32_t asked; /* bytes of the send in flight */
	uint8_t tick, slot;
	uint8_t burst; /* sends since the last tick */
	bool added;
	bool busy;    /* a send is in flight or blocked */
	bool held;    /* not to be served: owner is busy with private bytes */
	bool more;    /* the send in flight was cut at FANOUT_SEND_MAX */
	bool excused; /* the next jump was asked for: not the viewer's fault */
};

int fanout_init(struct core *c);
void fanout_fini(struct core *c);
/*
 * v->cursor, stream, ops, core, shm must be set; held where the owner still sends private bytes. 0 or
 * -ENOMEM. Serves it at once if it can.
 */
int viewer_add(struct viewer *v, enum tick_class tick);
/* Fine for one that was never added (zeroed), and from inside any operation. */
void viewer_remove(struct viewer *v);
/* A send ended: n bytes were accepted (0 is fine); may start the next. */
void viewer_sent(struct viewer *v, uint32_t n);
/* There was room for n bytes (0 is fine) of the send: nothing is in flight, viewer_kick() when there is
 * more. */
void viewer_blocked(struct viewer *v, uint32_t n);
/* Serve it now: private bytes are out, or the peer has room again. Not while a send is in flight. */
void viewer_kick(struct viewer *v);
/* See cursor_pause(), cursor_resume(); reached() may come from inside. */
void viewer_pause(struct viewer *v);
void viewer_resume(struct viewer *v, bool at_key);
/* Serves the slots whose time has come, up to FANOUT_TURN_SENDS of each class; number of sends started. */
int fanout_poll(struct core *c, uint64_t now_us);
/* When the next slot with viewers comes; UINT64_MAX without viewers. */
uint64_t fanout_next(const struct core *c, uint64_t now_us);
/* "low", "normal", "bulk"; -1: another word. */
int tick_class_of(const char *word);

#endif
