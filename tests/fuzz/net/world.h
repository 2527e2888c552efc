/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two cores with sessions on them and a network in memory each, made anew for every input, and what
 * must be true of them at any time and at their end: nothing of what came is left.
 *
 * The cores take turns on one thread; the clock is an integer that moves when it is told to.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "core/stream.h"
#include "fuzz/net/fake_net.h"
#include "session/session.h"

#define WORLD_CORES 2

enum world_listener { WORLD_RTMP, WORLD_HTTP };

struct world {
	struct config conf;
	struct engine engine;
	struct arena arena;
	struct quiet quiet;
	struct core core[WORLD_CORES], *cores[WORLD_CORES];
	struct net *net[WORLD_CORES];
	int shm_fd;
	uint64_t now_us;
};

/* options: bits that choose among settings, see world.c. */
void world_init(struct world *w, uint8_t options);
/* Turns of the cores as long as there is work, a few at most, and the invariants. */
void world_turn(struct world *w);
/* Time passes, with a turn whenever something is due. */
void world_pass_ms(struct world *w, uint64_t ms);
/* Every session of every core. */
void world_sessions(struct world *w, void (*each)(void *arg, struct session *s), void *arg);
/* The peers must have left. Aborts where something stays. */
void world_fini(struct world *w);

#endif
