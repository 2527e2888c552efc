/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's heap: its record buffers come from a few spare ones of the thread.
 *
 * So that a quiet connection keeps no buffers, OpenSSL takes one for each record and frees it
 * behind it (SSL_MODE_RELEASE_BUFFERS). Without this every send would cost an allocation, and one
 * large enough to be a mapping of its own. Blocks of that size, freed, wait here for the next
 * record: TLS_HEAP_SPARES of each thread at most. All other sizes are the C library's.
 *
 * Threads: any; a block may be freed by another thread than the one that took it.
 */
#ifndef NET_TLS_HEAP_H
#define NET_TLS_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#define TLS_HEAP_SPARES 64u

/* Once, before OpenSSL allocates anything; later calls change nothing. False: it was too late. */
bool tls_heap_use(void);
/* Blocks of a record's size that this thread took from the C library so far. */
uint64_t tls_heap_taken(void);
/* Gives this thread's spare ones back. */
void tls_heap_trim(void);

#endif
