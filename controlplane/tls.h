/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the API's listener: its certificate, and a bufferevent for each connection.
 *
 * A certificate is replaced as a whole or not at all; connections go on with the one that they began
 * with. TLS 1.2 and newer. Threads: the event loop's.
 */
#ifndef CONTROLPLANE_TLS_H
#define CONTROLPLANE_TLS_H

#include <stddef.h>

struct bufferevent;
struct event_base;
struct tls;

struct tls *tls_new(void);
/* After its connections. NULL is fine. */
void tls_free(struct tls *t);
/* PEM files: the certificate with its chain, and its private key. 0, or -EINVAL with a line in err and
 * nothing changed. */
int tls_load(struct tls *t, const char *certificate, const char *key, char *err, size_t err_n);
/* For evhttp_set_bevcb(); arg is a struct tls that has a certificate. */
struct bufferevent *tls_accept(struct event_base *base, void *arg);

#endif
