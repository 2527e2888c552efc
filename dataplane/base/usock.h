/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix SOCK_SEQPACKET sockets with one JSON object per packet and descriptors beside it.
 *
 * Threads: any, no state. Descriptors are close-on-exec and non-blocking.
 */
#ifndef BASE_USOCK_H
#define BASE_USOCK_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Listens at path with mode 0600. A stale socket file (nobody answers) is replaced; a live one
 * gives -EADDRINUSE. Returns the descriptor or -errno (-ENAMETOOLONG over 107 bytes).
 */
int usock_listen(const char *path);
/* The same, in the place of whoever listens there: connections made from now on come here. */
int usock_replace(const char *path);
/* The descriptor or -errno; completes at once on unix sockets. */
int usock_connect(const char *path);
int usock_accept(int fd);
/* Two ends of a connection without a path. 0 or -errno. */
int usock_pair(int fd[2]);
/* One packet; pass_fd -1: none. Bytes sent or -errno (-EAGAIN: the peer is slow, -EMSGSIZE). */
ssize_t usock_send(int fd, const void *p, size_t n, int pass_fd);
/* One packet; *got_fd is -1 or a descriptor that the caller owns. 0: closed; -EAGAIN: none now;
 * -EMSGSIZE: it was longer than n and is lost. */
ssize_t usock_recv(int fd, void *p, size_t n, int *got_fd);
/* One datagram to the socket at path, where '@' first means an abstract name. 0 or -errno. */
int usock_notify(const char *path, const char *text);

#endif
