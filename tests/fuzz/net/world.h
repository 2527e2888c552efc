/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One core with sessions on it and a network in memory, made anew for every input, and what must be
 * true of it at any time and at its end: nothing of what came is left.
 *
 * The clock is an integer that moves when it is told to.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "core/stream.h"
#include "fuzz/net/fake_net.h"
#include "session/session.h"

enum world_listener { WORLD_RTMP, WORLD_HTTP };

struct world {
	struct config conf;
	struct engine engine;
	struct arena arena;
	struct quiet quiet;
	struct core core, *cores[1];
	int shm_fd;
	uint64_t now_us;
	struct net *net;
};

/* options: bits that choose among settings, see world.c. */
void world_init(struct world *w, uint8_t options);
/* Turns of the core as long as there is work, a few at most, and the invariants. */
void world_turn(struct world *w);
/* Time passes, with a turn whenever something is due. */
void world_pass_ms(struct world *w, uint64_t ms);
/* The peers must have left. Aborts where something stays. */
void world_fini(struct world *w);

#endif
