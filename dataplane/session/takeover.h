/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade, at the data plane that comes: it listens with the sockets of the one before it
 * (session/handover.h is the other end).
 *
 *   none --takeover_ask--> under way --takeover_begin--> begun --the other one has ended--> none
 *
 *   ask     the sockets arrive; this process may still fail, and nothing has changed then
 *   begin   what encoders publish over there is fetched at the bridge; once it is here, or after
 *           BRIDGE_WAIT_US, this one accepts and the other one is told to retire
 *   begun   a thread follows what begins over there, from connections that were accepted before
 *
 * A bridged stream makes way for its encoder, which comes here when it reconnects; until then it is
 * held like a publisher's that was lost. Pulled streams are not bridged: the control plane makes the
 * pulls anew.
 *
 * Threads: main, but takeover_under_way() any.
 */
#ifndef SESSION_TAKEOVER_H
#define SESSION_TAKEOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "net/net.h"

struct engine;

/* What a listener is for; with `anywhere` its address does not count beyond its family. */
struct takeover_place {
	const char *key, *protocol;
	bool tls, anywhere;
	union net_addr at;
};

/*
 * Asks the data plane at the control socket `path`, which must not have more cores than this one. 0;
 * -ENOENT: nobody is there, all starts as without a predecessor; -errno with one line in err.
 */
int takeover_ask(const char *path, unsigned cores, char *err, size_t n);
bool takeover_under_way(void);
/* The cgroup of its sockets, "" where there is none. */
const char *takeover_cgroup(void);
/* The next socket of the place, which is the caller's; -1: no more. */
int takeover_socket(const struct takeover_place *p);
/* With everything started: see above. drain_ms: how long the other one may serve those it has. */
void takeover_begin(struct engine *e, uint64_t drain_ms);
/* Before the relays end. */
void takeover_end(void);

#endif
