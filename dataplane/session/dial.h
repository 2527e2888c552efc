/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How relay legs reach the world: addresses they must not connect to (interop U7), whom TLS trusts,
 * and certificates known by their fingerprint (P10).
 *
 * Threads: any; trust is loaded by one thread at a time, and freed after the cores have stopped.
 */
#ifndef SESSION_DIAL_H
#define SESSION_DIAL_H

#include "base/conf.h"
#include "media/url.h"
#include "net/net.h"

/* What connections to one server need, whichever of its addresses is tried. */
struct dial {
	struct net_dial net; /* `to` and `timeout_ms` are left to the caller */
	struct cidr_set deny;
	uint8_t pin[NET_TLS_PIN_BYTES];
};

/* Loads whom c trusts; the first time, and at a reload. 0, or -EINVAL with err->text. */
int dial_trust(const struct config *c, struct conf_error *err);
void dial_forget(void);

/* u and d must stay where they are. NONE, or why not with a sentence in *rule. */
enum reason dial_init(struct dial *d, const struct config *c, const struct url *u,
		      const char **rule);

#endif
