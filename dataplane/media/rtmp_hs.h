/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTMP handshake, both sides, as a pure state machine: bytes in, bytes out.
 *
 *   server:  C0C1 --> S0S1S2 --> C2 --> done
 *   client:  C0C1 --> S0S1S2 --> C2 --> done (the client may go on after S2)
 *
 * Simple (echo) and digest ("complex") handshake with both digest schemes; the answer uses the
 * scheme found, or the echo if none verifies or C1's version is 0 (interop T3). A bad C2 or S2 is
 * never a reason to close. S0S1S2 go out as soon as C1 is complete; C2 is not waited for before
 * sending (interop T2). Bytes after C2 belong to the chunk stream.
 * Source: RTMP specification 5.2. Threads: pure, any; randomness is an argument.
 */
#ifndef MEDIA_RTMP_HS_H
#define MEDIA_RTMP_HS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/reasons.h"

#define RTMP_HS_HALF 1536
#define RTMP_HS_OUT  (1 + 2 * RTMP_HS_HALF)

enum rtmp_hs_state { RTMP_HS_FIRST, RTMP_HS_SECOND, RTMP_HS_DONE };

struct rtmp_hs {
	bool server;
	uint8_t state;
	uint8_t scheme;	  /* 0 echo; 1, 2 digest schemes */
	uint16_t have;	  /* bytes of the present part */
	uint16_t out_len; /* bytes at out that wait to be sent */
	uint8_t in[1 + RTMP_HS_HALF];
	uint8_t out[RTMP_HS_OUT];
};

/* random: RTMP_HS_HALF unpredictable bytes. uptime_ms goes into the time field. */
void rtmp_hs_server(struct rtmp_hs *h, const uint8_t *random, uint32_t uptime_ms);
/* Fills out with C0C1 (digest scheme 1, as players do, or the echo form). */
void rtmp_hs_client(struct rtmp_hs *h, const uint8_t *random, uint32_t uptime_ms, bool digest);
/*
 * Takes bytes; returns how many (all of them until the handshake is done), or -(enum reason) where
 * the first byte is not 3. After each call out_len bytes at out are to be sent, then set it to 0.
 */
int rtmp_hs_feed(struct rtmp_hs *h, const uint8_t *p, size_t n);
static inline bool rtmp_hs_done(const struct rtmp_hs *h)
{
	return h->state == RTMP_HS_DONE;
}
/* What the first bytes of a connection that is not RTMP look like: "tls", "http", "proxy-v1",
 * "proxy-v2", "rtmpe", "unknown" (interop T1). */
const char *rtmp_hs_guess(const uint8_t *p, size_t n);

#endif
