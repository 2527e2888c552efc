/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS between a connection and its socket: the inside of net.h's struct net_tls, for uring_tls.c.
 *
 *   shaking --tls_shake 1--> open --close_notify came--> ended (sending still works)
 *      any state --tls_shake, tls_read or tls_write fails--> failed
 *
 * OpenSSL reads what tls_feed() lends it and writes into one buffer of ciphertext, for one record or
 * for several, which is taken from the core's spare ones with the first byte and given back with the
 * last, so that a quiet connection holds none. Nothing here waits, and only tls_flush() (handshake) touches the socket; except where
 * the kernel encrypts (ktls): then plaintext goes to the socket, and only the few messages that
 * OpenSSL has to say itself come this way.
 *
 * Bounds: a buffer holds TLS_OUT_BYTES at most. A batch of plaintext leaves TLS_CONTROL_BYTES of it free for
 * answers to the peer; a peer that makes us owe it more than that, and takes nothing, fails.
 *
 * Threads: a struct tls_conn belongs to its core; contexts are shared (net.h).
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/reasons.h"
#include "base/bytes.h"
#include "net/net.h"

#define TLS_OUT_BYTES	  65536u
#define TLS_CONTROL_BYTES 1024u
#define TLS_PLAIN_BYTES	  16384u /* the most that one record holds */
#define TLS_RECORD_BYTES  18432u /* a buffer for one record and control messages */
#define TLS_TEXT_BYTES	  160u

struct ssl_st;
struct tls_state;
struct tls_spare;

/* Buffers of one size that nobody uses now. */
struct tls_spares {
	struct tls_spare *first;
	unsigned n;
};

/* What the connections of one core share. */
struct tls_core {
	bool offload;			    /* the kernel knows TLS, and shall use it */
	struct tls_spares records, batches; /* of TLS_RECORD_BYTES, of TLS_OUT_BYTES */
	uint64_t heap_seen;		    /* of tls_heap_taken() */
	uint64_t *allocs;		    /* may be NULL */
	uint8_t *plain; /* TLS_PLAIN_BYTES for tls_read(); made with the first connection */
};

struct tls_conn {
	struct ssl_st *ssl;
	struct tls_state *state; /* a reference */
	struct tls_core *core;
	int fd;
	bool shaking, ended, failed;
	bool ktls;	 /* plaintext goes to the socket */
	bool wants_room; /* shaking: goes on when the socket has room */
	bool overrun;
	bool pinned, unverified; /* client: how the certificate is judged */
	uint8_t pin[NET_TLS_PIN_BYTES];
	struct slice in; /* lent */
	uint8_t *out;
	uint32_t out_off, out_n; /* ciphertext not yet sent */
	uint32_t out_bytes;	 /* the buffer's size */
	uint64_t flushed;	 /* bytes that tls_flush() sent */
	enum reason why;	 /* failed */
	char text[TLS_TEXT_BYTES];
};

/* offload: if the kernel knows TLS */
void tls_core_init(struct tls_core *core, bool offload, uint64_t *allocs);
void tls_core_fini(struct tls_core *core);

/* On a connected or connecting socket; t is zeroed. 0, -ENOMEM, or -ENOKEY: nothing was loaded. */
int tls_init_server(struct tls_conn *t, struct net_tls *with, struct tls_core *core, int fd);
/* -EINVAL too: the host cannot be a name in a certificate. */
int tls_init_client(struct tls_conn *t, const struct net_dial *d, struct tls_core *core, int fd);
void tls_fini(struct tls_conn *t);

/* Ciphertext from the peer, until the next call of tls_forget(). */
void tls_feed(struct tls_conn *t, const uint8_t *p, size_t n);
void tls_forget(struct tls_conn *t);
/* 1: open, 0: more is needed, -1: failed. */
int tls_shake(struct tls_conn *t);
/* Plaintext into core->plain: bytes, 0: no more (or ended), -1: failed. */
int tls_read(struct tls_conn *t);
/* Encrypts as much of the slices as has room; bytes taken. 0: no room, no memory, or failed. */
size_t tls_write(struct tls_conn *t, const struct slice *s, unsigned n);
/* The last message, close_notify. */
void tls_bye(struct tls_conn *t);
/* Ciphertext to send, and what of it was sent. */
struct slice tls_pending(const struct tls_conn *t);
void tls_sent(struct tls_conn *t, size_t n);
/* Sends at once what the socket takes. */
void tls_flush(struct tls_conn *t);
/* The handshake ends for a reason from outside. */
void tls_fail(struct tls_conn *t, enum reason why, const char *text);

/* ---- between tls.c and tls_conn.c ---- */

/* What a context holds at a time; counted by the connections that began with it. */
struct ssl_ctx_st *tls_state_ctx(struct tls_state *s);
struct tls_state *tls_state_get(struct net_tls *t); /* NULL: nothing is loaded */
void tls_state_put(struct tls_state *s);
/* How a connection's certificate is judged: 1 or 0, with t->why and t->text. */
struct x509_store_ctx_st;
int tls_judge(struct tls_conn *t, struct x509_store_ctx_st *certificate);

#endif
