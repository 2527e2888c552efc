/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a draining node sends those who come (interop C15, C17, H10): drain.redirect.
 *
 * A client that came by TLS is sent on by TLS or not at all; others go where their own scheme is
 * listed, else by TLS too. Path, query and token stay the client's. Threads: pure, any.
 */
#ifndef SESSION_ELSEWHERE_H
#define SESSION_ELSEWHERE_H

#include "base/bytes.h"
#include "base/conf.h"

#define ELSEWHERE_TC_URL_MAX 5200 /* the longest node and what connect may say (rtmp_call.c) */

/* "http://host:port" of the other node, as it stands in c; n = 0: none. tls: how the client came. */
struct slice elsewhere_http(const struct config *c, bool tls);
/*
 * The other node's tcUrl for a client that said these in connect; the path of its tcUrl stays, or
 * the app where it has none. "": no other node.
 */
void elsewhere_rtmp(char dst[ELSEWHERE_TC_URL_MAX], const struct config *c, bool tls,
		    struct slice app, struct slice tc_url);

#endif
