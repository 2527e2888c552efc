/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where this node listens: one socket per address and core, opened at start.
 *
 * All cores of an address share its port by SO_REUSEPORT. Port 0 takes one that is free, the same
 * for every core. An address of the bypass has no socket; "every address" is both's, in two places.
 * After an upgrade sockets come from the data plane before this one (session/takeover.h), and each is
 * kept a second time for the one after it (session/handover.h).
 * Threads: main; listeners_let_go() the control thread.
 */
#ifndef SESSION_LISTENERS_H
#define SESSION_LISTENERS_H

#include "session/session.h"

struct listeners {
	unsigned cores, n;
	struct {
		const struct session_ops *ops;
		const char *key;     /* static text */
		struct net_tls *tls; /* NULL: plain */
		bool anywhere;	     /* what comes to other addresses is brought here too */
		union net_addr at;
		int *fd;   /* one per core, -1 once a core has it; NULL: the bypass's */
		int *kept; /* copies, one per core; NULL: the bypass's */
	} one[SESSION_LISTENERS_MAX];
};

void listeners_init(struct listeners *l, unsigned cores);
/* addresses: the value of the configuration key, separated by blanks. 0, or -errno with one line in
 * text that names key and address and says what to do. */
int listeners_add(struct listeners *l, const char *key, const char *addresses,
		  const struct session_ops *ops, char *text, size_t n);
/* The same, by TLS; the context must outlive the cores. */
int listeners_add_tls(struct listeners *l, const char *key, const char *addresses,
		      const struct session_ops *ops, struct net_tls *tls, char *text, size_t n);
/* Gives the core's sockets away; how many, out[SESSION_LISTENERS_MAX]. */
unsigned listeners_take(struct listeners *l, unsigned core, struct session_listener *out);
/* Closes the copies: the sockets are another process's now, and the cores give theirs up. */
void listeners_let_go(struct listeners *l);
/* The addresses of that key as they are now, blanks between; returns dst. */
char *listeners_text(const struct listeners *l, const char *key, char *dst, size_t n);
void listeners_fini(struct listeners *l);

#endif
