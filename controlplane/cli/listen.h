/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners' addresses: are they free, and how does a program on this machine reach them? */
#ifndef CLI_LISTEN_H
#define CLI_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether every address of "HOST:PORT ..." can be listened on now. False with one line in why:
 * which address, who has it as far as /proc tells, what to do; `option` is the one to change it.
 */
bool listen_free(const char *addresses, const char *option, char *why, size_t n);
/* "HOST:PORT" by which this machine reaches the first address; "any" becomes the loopback. */
void listen_reach(const char *addresses, char *dst, size_t n);
/* Takes "HOST:PORT" apart; brackets of IPv6 go. Both bufs are cut to fit. */
void listen_split(const char *address, char *host, size_t host_n, char *port, size_t port_n);

#endif
