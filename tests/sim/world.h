/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated node: the real engine on a fake network and an integer clock, in one thread.
 *
 * One publisher, any number of viewers on 1..4 cores. Every choice comes from seeded generators, one
 * per viewer, so a run is repeated exactly by its seed, and what happens to one viewer draws nothing
 * from another's luck. The world checks as it goes: each byte a viewer is sent is the model's byte at
 * the place where that viewer must be, it is placed on key frames only and moved at message
 * boundaries only, and logs and cursors keep their invariants.
 *
 * The fake network: a send is accepted whole, in part, late, inside the call, or not at all for a
 * while, as the viewer's kind and luck have it.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <sys/queue.h>

#include "unit/core/fixture.h"

#include "core/fanout.h"
#include "sim/model.h"

#define WORLD_STEP_US 1000u
#define WORLD_EVENTS  1024u /* steps ahead that something can be due */
#define WORLD_STREAMS 64u   /* publishers, one after another */

enum watcher_kind { WATCHER_FAST, WATCHER_SLOW, WATCHER_STUCK };
enum watcher_state { WATCHER_OUT, WATCHER_OPENING, WATCHER_IN };
enum watcher_event {
	EVENT_NONE,
	EVENT_SENT,
	EVENT_BLOCKED,
	EVENT_WRITABLE,
	EVENT_PRIVATE,
	EVENT_RESUME
};

struct world;

struct world_net {
	struct world *world;
	unsigned core;
};

/* A stream as it should be. */
struct world_stream {
	struct stream *stream;
	struct model model[WIRE_MAX];
	uint64_t headers; /* generation that the next key frame needs */
};

struct watcher {
	struct viewer v;
	struct world *world;
	struct stream_open open;
	unsigned id;
	uint8_t kind, state, event;
	bool pausing;
	uint64_t luck;
	const struct world_stream *stream; /* while in */
	enum wire_format format;
	/* where it must be */
	uint64_t pos;
	size_t at_msg;
	bool placed;
	/* the event that is due */
	LIST_ENTRY(watcher) due;
	uint32_t accepted;
	/* what it went through */
	uint64_t in_since_us, tokens_us, bytes, delay_max_us, trace;
	unsigned skips, joins;
	unsigned over[REASON_MAX];
	unsigned leave_in_op; /* one in so many operations: leaves from inside */
};

LIST_HEAD(watchers, watcher);

struct world_options {
	uint64_t seed;
	unsigned cores, viewers;
	unsigned slow;	   /* so many viewers take half of the stream's rate */
	bool stuck;	   /* viewer 0 stops reading for good after 3 s */
	bool join_at_once; /* everybody within the first second; else by chance */
	bool flv;	   /* half of the viewers */
	unsigned churn;	   /* random acts (join, leave, pause) per second and 1000 viewers */
	unsigned live_ms;  /* a publisher ends after about so long and another comes; 0: never */
	size_t arena_bytes;
};

struct world {
	struct bench b;
	struct world_options o;
	uint64_t luck;
	struct world_net net[BENCH_CORES_MAX];
	struct watchers events[BENCH_CORES_MAX][WORLD_EVENTS];
	struct watcher *watchers;
	struct world_stream streams[WORLD_STREAMS];
	unsigned streams_n;
	struct world_stream *live; /* NULL: between two publishers */
	unsigned home;
	uint64_t publish_us, end_us, frame, sound;
	uint8_t header_version;
	unsigned acts_due, joined;
	uint32_t arena_peak;
	uint8_t *payload;
};

uint64_t luck_next(uint64_t *luck);
static inline unsigned luck_below(uint64_t *luck, unsigned n)
{
	return (unsigned)(luck_next(luck) >> 33) % n;
}

/* Stops the test with the seed, the time and the line. */
#define world_check(w, expr)                                                                    \
	do {                                                                                    \
		if (!(expr))                                                                    \
			fail_msg("seed %llu at %llu us, %s:%d: %s",                             \
				 (unsigned long long)(w)->o.seed,                               \
				 (unsigned long long)(w)->b.now_us, __FILE__, __LINE__, #expr); \
	} while (0)

struct world *world_new(const struct world_options *o);
/* Lets so much time pass. */
void world_run(struct world *w, unsigned ms);
/* Ends the publisher and waits until everybody has got the rest and left; checks that all is back. */
void world_end(struct world *w);
void world_free(struct world *w);

/* ---- watchers (tests/sim/watcher.c) ---- */
void watcher_act(struct watcher *x);
void watcher_join(struct watcher *x);
void watcher_leave(struct watcher *x);
void watcher_event(struct watcher *x);
void watcher_check(const struct watcher *x);
/* A further format may have been opened and filled: its model begins with what is there. */
void world_adopt(struct world *w);
/* The event happens `ms` from now, on the watcher's core. */
void world_due(struct watcher *x, enum watcher_event event, unsigned ms);
static inline struct core *watcher_core(const struct watcher *x)
{
	return &x->world->b.core[x->id % x->world->o.cores];
}

#endif
