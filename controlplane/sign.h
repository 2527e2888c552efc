/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature version 1.0 of RPC-style requests (HMAC-SHA1), and the memory of used nonces.
 *
 * StringToSign = METHOD & %2F & encode(query): the query is every parameter but Signature, sorted by
 * name, encoded by RFC 3986, joined with = and &; the key is the secret plus "&".
 * A nonce is remembered only after its signature was found right, so that nobody without the key
 * can fill the memory. Threads: pure, any; a struct nonces has one owner.
 */
#ifndef CONTROLPLANE_SIGN_H
#define CONTROLPLANE_SIGN_H

#include <stdint.h>

#include "controlplane/creds.h"
#include "controlplane/params.h"
#include "controlplane/refusal.h"

#define SIGN_TEXT 29 /* base64 of 20 bytes, and the end */

void sign_v1(char dst[SIGN_TEXT], const char *method, const struct params *p, const char *secret);

enum nonce_use { NONCE_FIRST, NONCE_AGAIN, NONCE_FULL };

struct nonces;

/* Room for `max` nonces at a time. */
struct nonces *nonces_new(unsigned max);
void nonces_free(struct nonces *n);
/* Remembers it until now_ms + keep_ms. FULL: nothing was remembered. */
enum nonce_use nonces_take(struct nonces *n, const char *nonce, uint64_t now_ms, uint64_t keep_ms);

/*
 * Checks the signature parameters of a request. window_ms: how far its Timestamp may be from
 * now_ms (wall clock). true, or false with *r.
 */
bool sign_check(const struct params *p, const char *method, const struct creds *creds,
		struct nonces *nonces, uint64_t now_ms, uint64_t window_ms, struct refusal *r);

#endif
