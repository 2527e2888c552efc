/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net/net.h in memory: no socket, no thread, no clock of its own.
 *
 *   fake_open ---------> in the next turn accepted or refused
 *   net_connect -> fake_dialled -> fake_answer -> in the next turn connected, or why not
 *
 * It holds the engine to the rules of net/net.h: one send at a time, bytes that do not change while
 * they are in flight, nothing kept of what was received, no call after net_close(). What a peer does
 * is said from outside by struct fake_peer and takes effect in the next turn, which is when handlers
 * are called and nowhere else.
 */
#ifndef TESTS_FUZZ_FAKE_NET_H
#define TESTS_FUZZ_FAKE_NET_H

#include "net/net.h"

#define FAKE_WINDOW_OPEN SIZE_MAX

struct fake_conn;

/* The other end of one connection. */
struct fake_peer {
	/* Bytes that arrived here (optional). */
	void (*took)(struct fake_peer *p, const uint8_t *bytes, size_t n);
	struct fake_conn *conn; /* NULL: there is none, or it has gone */
	size_t window;		/* what this end takes before it stops reading */
	struct slice input;	/* for the next turn, which takes all of it ... */
	size_t cut;		/* ... in pieces of so many bytes; 0: as they come */
	bool shut, reset;	/* it has ended its input; it has broken the connection */
};

/* A connection to the listener with that tag. */
void fake_open(struct net *n, struct fake_peer *p, int tag, const char *from);
/* The oldest connection that the engine asked for and nobody has answered; NULL: none. */
struct fake_conn *fake_dialled(struct net *n);
/* Makes p its other end, or refuses it where `why` is not NONE. */
void fake_answer(struct fake_conn *c, struct fake_peer *p, enum reason why);
/* No more bytes, no more interest: the engine's end goes on alone. */
void fake_leave(struct fake_peer *p);
/* Connections that the engine still has. */
unsigned fake_conns(const struct net *n);
/* The time that deadlines of net_connect() go by. */
void fake_clock(struct net *n, uint64_t now_us);

#endif
