/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that came before their turn: bounded reassembly for what publishers and requests send.
 *
 * A list of blocks in order of sequence number, not overlapping, each holding up to
 * TCP_REASM_BYTES. At most so many of them as the stack allows a connection: what does not fit is dropped, as if the network
 * had lost it, and is not reported as received. What is reported is never dropped.
 *
 * Invariant: nothing in the list is before rcv_nxt after tcp_reasm_take() has returned NULL.
 * Threads: one owner.
 */
#ifndef NET_TCP_REASM_H
#define NET_TCP_REASM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "net/tcp/tcp_blocks.h"
#include "net/tcp/tcp_hdr.h"

#define TCP_REASM_BYTES (TCP_BLOCK_BYTES - 16)

struct tcp_late {
	struct tcp_late *next;
	uint32_t seq;
	uint16_t n;
	bool fin; /* the stream ends after these bytes */
	uint8_t p[TCP_REASM_BYTES];
};

struct tcp_reasm {
	struct tcp_late *head;
	uint32_t last_seq; /* of the newest arrival: its run is reported first (RFC 2018, 4) */
	uint16_t n;
};

/* Copies what is not there yet, into max blocks altogether. False: for some of it there was no room. */
bool tcp_reasm_put(struct tcp_reasm *r, struct tcp_blocks *b, uint16_t max, uint32_t seq,
		   struct slice data, bool fin);
/*
 * The first block, cut to what lies at or after *rcv_nxt, when it begins there; *rcv_nxt moves over
 * its bytes, not over a FIN. NULL: a gap, or nothing. The caller gives it to tcp_blocks_put().
 */
struct tcp_late *tcp_reasm_take(struct tcp_reasm *r, struct tcp_blocks *b, uint32_t *rcv_nxt,
				struct slice *data);
/* The runs that are there, the newest first; returns how many, at most max. */
unsigned tcp_reasm_sacks(const struct tcp_reasm *r, struct tcp_sack *out, unsigned max);
void tcp_reasm_fini(struct tcp_reasm *r, struct tcp_blocks *b);

#endif
