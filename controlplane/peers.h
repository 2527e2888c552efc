/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes on one Redis as their heartbeats describe them, and which of them should take a task.
 *
 * Every node works out the same order from the same heartbeats: the emptiest one (by its share of
 * tasks.running) that is heard, is not drained, has the task's region and room for one more comes
 * first. It takes the task at once, the next ones wait a step each and take it if nobody has. What is
 * given to a node in one round counts in that round, so that many tasks at once are spread too.
 * Heartbeats are only a hint: leases keep a task from being taken twice.
 *
 * Threads: pure, one owner.
 */
#ifndef CONTROLPLANE_PEERS_H
#define CONTROLPLANE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/model.h"

#define PEERS_MAX 256

struct peer {
	char name[65], regions[257];
	char beat[24]; /* the text of Time: another one is a sign of life */
	uint64_t heard_us;
	uint64_t load, room; /* tasks it has, and may have */
	uint64_t given;	     /* in this round */
	bool drained;
};

struct peers {
	struct peer v[PEERS_MAX];
	size_t n;
	struct peer *first;  /* for the task that was asked for last; NULL: none */
	uint64_t silence_us; /* a node that is not heard for longer takes nothing */
};

/* Does a list of regions, separated by blanks, hold this one? An empty list holds all. */
bool peers_region_fits(const char *regions, const char *region);
/* A heartbeat as it stands in Redis. Beyond PEERS_MAX, and what is no heartbeat, is left out. */
void peers_hear(struct peers *ps, const char *name, const struct task_field *f, size_t n,
		uint64_t now_us);
/* This node describes itself: as a heartbeat of now. */
void peers_set(struct peers *ps, const char *name, const char *regions, uint64_t load,
	       uint64_t room, bool drained, uint64_t now_us);
/* The sum of the rooms of those that are heard. */
uint64_t peers_room(const struct peers *ps, uint64_t now_us);
void peers_round(struct peers *ps);
/*
 * How many nodes should take the task rather than self. crowded: room does not matter, there is only
 * something to finish.
 */
unsigned peers_before(struct peers *ps, const char *self, const char *task_id, const char *region,
		      bool crowded, uint64_t now_us);
/* The first of them, or self, is given the task that was asked for last. */
void peers_give(struct peers *ps);

#endif
