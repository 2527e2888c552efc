/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishers and players of our own: workers, which bring what the data plane cannot read itself, and
 * those that make something else of a stream (HLS).
 *
 * A player of any stream gives that stream's pass; it is no audience (auth.h) and counts as a push.
 * Publishers come by RTMP like any encoder and name a stream of the domain "_relay" (vhost=_relay), or the
 * one of another domain that they pull for it (vhost=DOMAIN), with pass=..., 32 hexadecimal digits that only who knows inner_key() can tell: the control plane gets the
 * key by the control socket's hello. It is made anew by every data-plane process. Domains that begin
 * with '_' are for nobody else. Threads: any.
 */
#ifndef SESSION_INNER_H
#define SESSION_INNER_H

#include <stdbool.h>

#include "media/stream_name.h"

/* The key, 64 hexadecimal digits. */
const char *inner_key(void);
/* Whether the name is in a domain of our own. */
bool inner_name(const struct stream_name *name);
/* Whether its parameters hold the pass of that stream. */
bool inner_pass(const struct stream_name *name);

#endif
