/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a connection's peer really is, where a load balancer stands in between.
 *
 * Addresses in proxy.trusted are believed: a PROXY protocol head (1 or 2) before the connection's
 * first bytes, on every listener (interop T1), before the ClientHello of TLS ones, and X-Forwarded-For or
 * X-Real-IP in HTTP requests (H12). What they say becomes conn->peer, so logs, lists, events and caps know the client. Of a chain
 * of proxies the nearest address that is not trusted itself counts; whatever a client wrote before
 * that is not looked at. Nobody else is believed, and a head from them is what it is: not RTMP.
 *
 * Threads: the session's core.
 */
#ifndef SESSION_CLIENT_H
#define SESSION_CLIENT_H

#include "media/http_in.h"
#include "session/session.h"

bool client_is_trusted(struct core *c, const union net_addr *peer);
/*
 * Input of an accepted connection whose peer is trusted (session->behind_proxy), from the first byte
 * until the head is over: what follows it goes to ops->received. NONE, or why to end.
 */
enum reason client_head(struct session *s, const uint8_t *p, size_t n);
/* What a request of a trusted peer says about the client. NONE, or CAP_ADDRESS. */
enum reason client_forwarded(struct session *s, const struct http_head *head);
void client_free(struct session *s);

#endif
