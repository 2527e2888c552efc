/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the path between this node and a session's peer, counted by stream and role.
 *
 * Where the program bpf/tcpstat runs, a session that knows its stream notes it with its socket, and
 * the kernel counts; what it counted is put into shared memory by the control thread. Elsewhere each
 * core asks TCP_INFO: once a second it looks at about PATH_LOOKS of its sessions, in turn, and at
 * each at its end, so the sums are complete when sessions have ended. Lag is looked at alike.
 *
 * Threads: the session's core, except path_notes(), which is called before the cores start.
 */
#ifndef SESSION_PATH_H
#define SESSION_PATH_H

#include <stdint.h>

#include "core/stream.h"
#include "net/net.h"

struct session;

#define PATH_LOOKS 256

struct path {
	struct shm_stream *shm; /* of the stream; NULL: not known yet */
	uint64_t gen;		/* of that slot then */
	uint64_t since_us; /* when the peer asked: connected, or the last answer before was over */
	struct net_path *counted; /* what of it is in shared memory; NULL: nothing yet */
	uint8_t role;		  /* enum shm_role */
	bool unseen;		  /* not the kernel's connection: its programs see nothing of it */
};

/* For the line at the end. */
struct path_end {
	struct net_path tcp;
	uint32_t skips, lag_ms;
};

/* The map to note streams in (bpf_tcpstat_tags()), or -1: nobody counts in the kernel. */
void path_notes(int map);
/* What is noted for a stream's slot of that generation and a role; and back. Never 0. */
uint32_t path_note_of(uint32_t slot, uint64_t gen, enum shm_role role);
struct path_note {
	uint32_t slot;
	uint8_t gen, role;
};
struct path_note path_note_read(uint32_t note);
static inline uint8_t path_note_gen(uint64_t gen)
{
	return (uint8_t)(gen >> 1);
}

/* The session's stream and what it does with it are known; may change. */
void path_role(struct session *s, struct stream *stream, enum shm_role role);
/* The peer asked for something now: a joining viewer's time starts. */
void path_asked(struct session *s);
/* Once, before anything is freed: counts the rest. */
void path_end(struct session *s, struct path_end *out);
/* Looks at sessions once a second from now on; on the core's thread. */
void path_watch(struct core *c);

#endif
