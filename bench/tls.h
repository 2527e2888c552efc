/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of TLS for one viewer: ciphertext in, ciphertext out, no socket.
 *
 *   shaking --the server's last flight--> open
 *
 * Whom the server claims to be is not looked at: what it costs to serve is measured. Threads: one.
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_RECORD_BYTES 16384 /* most plaintext that tls_read() gives at once */

struct tls;

/* The first flight is ready for tls_take(). Ends the program without memory. */
struct tls *tls_new(void);
void tls_free(struct tls *t); /* NULL is fine */
/* What came from the server; goes on with the handshake. False: TLS is broken. */
bool tls_feed(struct tls *t, const void *p, size_t n);
bool tls_is_open(const struct tls *t);
/* Plaintext of what was fed: bytes; 0: no more for now; <0: broken. Only when open. */
int tls_read(struct tls *t, uint8_t dst[TLS_RECORD_BYTES]);
/* Only when open, at most TLS_RECORD_BYTES. False: broken. */
bool tls_write(struct tls *t, const void *p, size_t n);
/* Ciphertext for the server; 0: no more. */
size_t tls_take(struct tls *t, void *dst, size_t n);

#endif
