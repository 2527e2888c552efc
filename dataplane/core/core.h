/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core: one data-plane thread with its timers, its mail, its viewers and its network.
 *
 * The network is behind struct core_io, so this room knows no socket: the engine runs the same on
 * io_uring, on DPDK and on the simulator's fake network.
 *
 * One turn:  clock -> mail -> timers -> fan-out -> submit -> completions -> quiet point -> wait
 *
 * A turn that found nothing to do declares that the core sleeps, looks at its mailbox once more and
 * waits. Whoever posts mail looks at that declaration after it has put the mail in: one of the two
 * always sees the other, so no wake-up is lost and none is made for a core that is awake.
 *
 * Threads: everything here belongs to the core's own thread except where a prototype says "any".
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/counters.h"
#include "api/config.h"
#include "base/arena.h"
#include "base/wheel.h"
#include "core/quiet.h"

struct core;
struct fanout;
struct hls;
struct registry;

/* Something to be run by another core; embedded in, or allocated with, what it is about. */
struct mail {
	_Atomic(struct mail *) next;
	void (*run)(struct mail *m, struct core *core); /* owns m from here on */
};

/* Many senders, one core: an intrusive queue without locks. */
struct mailbox {
	_Atomic(struct mail *) head; /* newest; producers */
	struct mail *tail;	     /* oldest; the core */
	struct mail stub;
	_Atomic uint32_t rung; /* 0: asleep; 1: awake, or a wake-up is already on its way */
};

/* What a core needs from the network; set before core_run(). core_turn() goes without, too. */
struct core_io {
	void *net;
	/* Hands over what was prepared and deals with what has completed; returns completions. */
	int (*turn)(void *net);
	/* Waits until something completes, until the time, or until woken. */
	void (*wait)(void *net, uint64_t until_us);
	/* Any thread: ends a wait, the next one if there is none now. */
	void (*wake)(void *net);
	/*
	 * Sends from now on carry this mark; marks never fall. held: the lowest mark of a send that
	 * may still read shared memory (UINT64_MAX: none), which is as far as the core's quiet point
	 * goes. May be NULL: no send outlives its turn.
	 */
	void (*mark)(void *net, uint64_t mark);
	uint64_t (*held)(void *net);
};

#define ENGINE_CORES_MAX 256u /* as the key "cores"; a session's id has 8 bits for its core */

/* What some viewers of a stream want of its logs. */
struct stream_wish {
	unsigned keep_s; /* beyond stream.retain */
	unsigned back_s; /* a log that is opened late begins that far back */
};

/* What all cores share; made by main before the threads start. */
struct engine {
	const struct config *conf; /* replaced as a whole by a reload; see engine_conf() */
	struct arena *arena;
	struct quiet *quiet;
	struct registry *registry;
	struct hls *hls; /* packaged streams */
	struct shm_head *shm;
	struct stream_wish (*wish)(const char *key); /* NULL: none wants anything */
	unsigned cores_n;
	struct core **cores;
};

struct core {
	unsigned id;
	struct engine *engine;
	struct shm_core *ctr;
	uint64_t now_us; /* read once per turn */
	struct wheel wheel;
	struct mailbox mail;
	struct fanout *fanout;
	struct core_io io;
	uint8_t load;			   /* enum load; see core/load.h */
	uint64_t load_at_us, load_busy_us; /* when it was last judged, and BUSY_US then */
	uint64_t allocs;		   /* heap allocations; copied to CTR_ALLOCS each turn */
	void *session;			   /* the session room's per-core state */
	_Atomic bool stop;		   /* any thread may set it, then wake */
};

static inline void core_count(struct core *c, enum counter which, uint64_t n)
{
	shm_add(&c->ctr->ctr[which], n);
}

static inline void core_uncount(struct core *c, enum counter which, uint64_t n)
{
	shm_sub(&c->ctr->ctr[which], n);
}

/* 0 or -ENOMEM. */
int core_init(struct core *c, struct engine *e, unsigned id);
void core_fini(struct core *c);
/* Runs until `stop`, on the calling thread. */
void core_run(struct core *c);
/* One turn without waiting, for simulation: now is an argument. Returns work done (0: idle). */
int core_turn(struct core *c, uint64_t now_us);
/* When the core next has something to do of its own accord; UINT64_MAX: only when woken. */
uint64_t core_next_us(const struct core *c);

/* Any thread: m->run(m, to) on that core's thread, in order per sender; rings it once per batch. */
void mail_post(struct core *to, struct mail *m);

/* The present configuration; valid until the core's next quiet point. */
static inline const struct config *engine_conf(struct engine *e)
{
	return __atomic_load_n(&e->conf, __ATOMIC_ACQUIRE);
}

#endif
