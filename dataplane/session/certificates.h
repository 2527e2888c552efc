/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TLS listeners of this node show: one set of certificates for all of them, from the files
 * that the configuration names. A reload reads the files again; connections go on with what they
 * began with (interop H11), and files that cannot be used change nothing.
 *
 * Threads: main makes and frees; loading is whoever reloads, one at a time.
 */
#ifndef SESSION_CERTIFICATES_H
#define SESSION_CERTIFICATES_H

#include "api/config.h"
#include "base/conf.h"
#include "net/net.h"

/* For listeners; NULL: no memory. The same until certificates_fini(). */
struct net_tls *certificates_init(void);
/* Loads what c names if it has a TLS listener. 0, or -EINVAL with err->text. */
int certificates_load(const struct config *c, struct conf_error *err);
/* After the cores have stopped. */
void certificates_fini(void);

#endif
