/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many addresses and ports on few listeners (bpf.lookup), by the program bpf/lookup.
 *
 * For each kind of listener and family of addresses that has places there is one more address among
 * the listeners, of the loopback and with a port of its own, whose sockets take what comes to them.
 *
 *   lookup_listen (with the other listeners) --> lookup_open --privileges dropped--> lookup_poll ... --> lookup_close
 *
 * Threads: as kernel.h.
 */
#ifndef DATAPLANE_LOOKUP_H
#define DATAPLANE_LOOKUP_H

#include "base/place.h"
#include "session/listeners.h"

/* How each kind is served. */
struct lookup_serves {
	const struct session_ops *ops;
	struct net_tls *tls; /* NULL: plain */
};

/* places: as the configuration has them, checked. 0 or -errno with one line in err. */
int lookup_listen(struct listeners *l, const char *places,
		  const struct lookup_serves serves[PLACE_KINDS], char *err, size_t err_n);
/* Nothing where no place is configured. 0 or -errno with one line in err. */
int lookup_open(const struct listeners *l, char *err, size_t err_n);
/* How many places it has; 0: it does not run. */
unsigned lookup_places(void);
/* A listener that stopped and goes on (drain) has left the program: it comes back. */
void lookup_poll(void);
void lookup_close(void);

#endif
