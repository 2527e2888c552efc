/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in flight: the scoreboard (RFC 2018, RFC 6675) and the transmission records that RTT,
 * RACK (RFC 8985) and delivery rate are measured with, in one list of pieces.
 *
 * A piece is a run of sequence numbers with one history: sent together, and since then acknowledged
 * out of order, lost or sent again together. A burst is one piece; a SACK block cuts pieces.
 *
 *   sent --SACK--> sacked          sent --tcp_flight_lose--> lost --sent again--> sent | RETX
 *     any --cumulative ACK--> gone
 *
 * Invariants (tcp_flight_check)
 *   1. pieces are in order and not empty, the first begins at una, the last ends at nxt
 *   2. sacked and lost are the bytes of the pieces so marked; no piece is both
 * Without a block there is room for three: a burst that finds none joins the last piece, which then
 * gives no RTT (MIXED), and a SACK block that cannot be noted is as if it had not come. In a full
 * block neighbours of one kind are joined, and what is known of the end is given up for what is news
 * of the beginning: the list is always good enough to repair the hole at una.
 *
 * Threads: one owner.
 */
#ifndef NET_TCP_FLIGHT_H
#define NET_TCP_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/tcp/tcp_blocks.h"

#define TCP_PIECES_INLINE 3

enum {
	PIECE_SACKED = 1,
	PIECE_LOST = 2,
	PIECE_RETX = 4,	   /* sent more than once: no RTT from it (Karn) */
	PIECE_MIXED = 8,   /* several bursts: sent_us is the last one's */
	PIECE_APPLIM = 16, /* sent when there was nothing more to send */
};

struct tcp_piece {
	uint32_t end;
	uint32_t sent_us;
	uint32_t delivered; /* the connection's when this was sent */
	uint8_t flags;
};

/* What RACK and PRR remember in an episode of loss; it lives in the block. */
struct tcp_episode {
	uint32_t rack_sent_us, rack_end, rack_rtt_us; /* of the newest piece that arrived */
	bool rack_valid, reo_round_set;
	uint32_t prr_delivered, prr_out, prr_flight;
	uint32_t reo_round_end; /* one change of the reordering window per round trip */
};

struct tcp_flight_block;

struct tcp_flight {
	uint32_t una, nxt;
	uint32_t sacked, lost; /* bytes */
	struct tcp_flight_block *block;
	struct tcp_piece inl[TCP_PIECES_INLINE];
	uint8_t n;
};

/* What one ACK told: filled by tcp_flight_ack() and tcp_flight_sack(), once for both. */
struct tcp_delivery {
	uint32_t bytes;			     /* newly known to have arrived */
	uint32_t acked;			     /* of them or earlier ones: una moved so far */
	bool any, rtt_ok, resent, reordered; /* resent: some had left twice */
	uint32_t rtt_us;		     /* rtt_ok: of the newest piece that was sent once */
	struct tcp_piece newest;	     /* any: the one sent last of those that arrived */
};

void tcp_flight_init(struct tcp_flight *f, uint32_t seq);
void tcp_flight_fini(struct tcp_flight *f, struct tcp_blocks *b);
/* Takes a block, if it has none and there is one: room for many pieces, and an episode. */
bool tcp_flight_grow(struct tcp_flight *f, struct tcp_blocks *b);
/* Gives the block back when what is left fits without. */
void tcp_flight_shrink(struct tcp_flight *f, struct tcp_blocks *b);
/* NULL without a block. */
struct tcp_episode *tcp_flight_episode(const struct tcp_flight *f);

struct tcp_piece *tcp_flight_pieces(const struct tcp_flight *f);
static inline uint32_t tcp_flight_bytes(const struct tcp_flight *f)
{
	return f->nxt - f->una;
}
/* What is thought to be on the way (RFC 6675, SetPipe). */
static inline uint32_t tcp_flight_pipe(const struct tcp_flight *f)
{
	return tcp_flight_bytes(f) - f->sacked - f->lost;
}

/* n new bytes leave. tmpl: sent_us, delivered and PIECE_APPLIM. */
void tcp_flight_sent(struct tcp_flight *f, uint32_t n, const struct tcp_piece *tmpl);
/* n bytes from start, all lost, leave again. */
void tcp_flight_resent(struct tcp_flight *f, uint32_t start, uint32_t n,
		       const struct tcp_piece *tmpl);
/* Everything before ack arrived; una < ack <= nxt. */
void tcp_flight_ack(struct tcp_flight *f, uint32_t ack, uint32_t now_us, struct tcp_delivery *d);
/* [start, end) arrived; what lies outside (una, nxt] is ignored. */
void tcp_flight_sack(struct tcp_flight *f, uint32_t start, uint32_t end, uint32_t now_us,
		     struct tcp_delivery *d);
/* Piece i, not sacked and not lost, is lost. */
void tcp_flight_lose(struct tcp_flight *f, unsigned i);
/* The first n bytes at una are lost unless known otherwise. */
void tcp_flight_lose_first(struct tcp_flight *f, uint32_t n);
/* Everything that is not sacked is lost. forget: what was sacked, too (the peer reneged). */
void tcp_flight_lose_all(struct tcp_flight *f, bool forget);
/* What was thought lost is on its way after all. */
void tcp_flight_unlose(struct tcp_flight *f);
/* The first lost run of bytes; false: none. */
bool tcp_flight_next_lost(const struct tcp_flight *f, uint32_t *start, uint32_t *n);
/* Aborts where an invariant does not hold. */
void tcp_flight_check(const struct tcp_flight *f);

#endif
