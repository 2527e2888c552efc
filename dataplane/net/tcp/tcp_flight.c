/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_flight.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/tcp/seq.h"

#define IN_BLOCK ((TCP_BLOCK_BYTES - sizeof(struct tcp_episode)) / sizeof(struct tcp_piece))

struct tcp_flight_block {
	struct tcp_episode episode;
	struct tcp_piece piece[IN_BLOCK];
};

static_assert(sizeof(struct tcp_flight_block) <= TCP_BLOCK_BYTES, "in one block");
static_assert(IN_BLOCK < 256, "n is 8 bits");

void tcp_flight_init(struct tcp_flight *f, uint32_t seq)
{
	memset(f, 0, sizeof(*f));
	f->una = f->nxt = seq;
}

void tcp_flight_fini(struct tcp_flight *f, struct tcp_blocks *b)
{
	tcp_blocks_put(b, f->block);
	f->block = NULL;
	f->n = 0;
}

bool tcp_flight_grow(struct tcp_flight *f, struct tcp_blocks *b)
{
	if (f->block)
		return true;
	f->block = tcp_blocks_get(b);
	if (!f->block)
		return false;
	f->block->episode = (struct tcp_episode){0};
	memcpy(f->block->piece, f->inl, sizeof(f->inl));
	return true;
}

void tcp_flight_shrink(struct tcp_flight *f, struct tcp_blocks *b)
{
	if (!f->block || f->n > TCP_PIECES_INLINE)
		return;
	memcpy(f->inl, f->block->piece, sizeof(f->inl));
	tcp_blocks_put(b, f->block);
	f->block = NULL;
}

struct tcp_episode *tcp_flight_episode(const struct tcp_flight *f)
{
	return f->block ? &f->block->episode : NULL;
}

struct tcp_piece *tcp_flight_pieces(const struct tcp_flight *f)
{
	return f->block ? f->block->piece : (struct tcp_piece *)f->inl;
}

static unsigned room(const struct tcp_flight *f)
{
	return f->block ? IN_BLOCK : TCP_PIECES_INLINE;
}

static uint32_t start_of(const struct tcp_flight *f, unsigned i)
{
	return i ? tcp_flight_pieces(f)[i - 1].end : f->una;
}

/*
 * Makes a boundary at seq, una <= seq <= nxt: the index of the piece that begins there, n at nxt;
 * -1: no room for one more piece.
 */
static int cut(struct tcp_flight *f, uint32_t seq)
{
	struct tcp_piece *p = tcp_flight_pieces(f);
	unsigned i = 0;

	while (i < f->n && seq_le(p[i].end, seq))
		i++;
	if (i == f->n || start_of(f, i) == seq)
		return (int)i;
	if (f->n == room(f))
		return -1;
	memmove(p + i + 1, p + i, (f->n - i) * sizeof(*p));
	f->n++;
	p[i].end = seq;
	return (int)i + 1;
}

/* Of what is sacked nothing but its being so matters any more. */
static bool alike(const struct tcp_piece *a, const struct tcp_piece *b)
{
	if (a->flags & b->flags & PIECE_SACKED)
		return true;
	return a->flags == b->flags && a->sent_us == b->sent_us && a->delivered == b->delivered;
}

static void join_neighbours(struct tcp_flight *f)
{
	struct tcp_piece *p = tcp_flight_pieces(f);
	unsigned to = 0;

	for (unsigned i = 1; i < f->n; i++) {
		if (alike(&p[to], &p[i]))
			p[to].end = p[i].end;
		else
			p[++to] = p[i];
	}
	if (f->n)
		f->n = (uint8_t)(to + 1);
}

/* ---- a full list ---- */

/*
 * Which piece becomes one with its successor: of lost ones the history matters no more; of those on
 * the way, two that left at nearly the same time. n: none of these.
 */
static unsigned least_missed(const struct tcp_flight *f)
{
	const struct tcp_piece *p = tcp_flight_pieces(f);
	unsigned best = f->n;
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i + 1u < f->n; i++) {
		int32_t apart = (int32_t)(p[i + 1].sent_us - p[i].sent_us);

		if (p[i].flags & p[i + 1].flags & PIECE_LOST)
			return i;
		if ((p[i].flags | p[i + 1].flags) & (PIECE_SACKED | PIECE_LOST))
			continue;
		if ((uint32_t)abs(apart) < least) {
			least = (uint32_t)abs(apart);
			best = i;
		}
	}
	return best;
}

/* That it arrived is forgotten: sent again for nothing at worst, but never waited for. */
static void forget_arrival(struct tcp_flight *f, unsigned i)
{
	struct tcp_piece *p = &tcp_flight_pieces(f)[i];

	if (!(p->flags & PIECE_SACKED))
		return;
	f->sacked -= p->end - start_of(f, i);
	p->flags = (uint8_t)((p->flags & ~PIECE_SACKED) | PIECE_RETX);
}

/* Piece i and the next one, neither sacked, become one: lost, if one of them was. */
static void join(struct tcp_flight *f, unsigned i)
{
	struct tcp_piece *p = &tcp_flight_pieces(f)[i];
	bool lost = (p[0].flags | p[1].flags) & PIECE_LOST, later;

	for (unsigned k = i; lost && k < i + 2; k++)
		if (!(tcp_flight_pieces(f)[k].flags & PIECE_LOST))
			tcp_flight_lose(f, k);
	/* Nothing may seem lost too early, nor seem newer than it is when it arrives after all. */
	later = seq_gt(p[1].sent_us, p[0].sent_us);
	if (later != lost) {
		p[0].sent_us = p[1].sent_us;
		p[0].delivered = p[1].delivered;
	}
	p[0].flags |= p[1].flags | PIECE_MIXED;
	p[0].end = p[1].end;
	f->n--;
	memmove(p + 1, p + 2, (f->n - i - 1) * sizeof(*p));
}

/* force: what is known of the last two is given up where nothing else can be. */
static bool make_room(struct tcp_flight *f, bool force)
{
	unsigned i = least_missed(f);

	if (i == f->n) {
		if (!force || f->n < 2)
			return false;
		i = f->n - 2u;
		forget_arrival(f, i);
		forget_arrival(f, i + 1);
	}
	join(f, i);
	return true;
}

static bool inside(const struct tcp_flight *f, uint32_t seq)
{
	const struct tcp_piece *p = tcp_flight_pieces(f);
	unsigned i = 0;

	while (i < f->n && seq_le(p[i].end, seq))
		i++;
	return i < f->n && start_of(f, i) != seq;
}

/* Makes [start, end) whole pieces: [*first, *after). False: no room. */
static bool cut_out(struct tcp_flight *f, uint32_t start, uint32_t end, bool force, int *first,
		    int *after)
{
	while ((unsigned)(f->n + inside(f, start) + inside(f, end)) > room(f))
		if (!make_room(f, force))
			return false;
	*first = cut(f, start);
	*after = cut(f, end);
	return true;
}

/* ---- what happens to bytes ---- */

void tcp_flight_sent(struct tcp_flight *f, uint32_t n, const struct tcp_piece *tmpl)
{
	struct tcp_piece *p = tcp_flight_pieces(f), *last = f->n ? &p[f->n - 1] : NULL;

	f->nxt += n;
	if (last && alike(last, tmpl)) {
		last->end = f->nxt;
		return;
	}
	if (f->n == room(f) && f->block && make_room(f, true))
		p = tcp_flight_pieces(f);
	if (f->n < room(f)) {
		p[f->n] = *tmpl;
		p[f->n++].end = f->nxt;
		return;
	}
	/* Without a block the last piece takes what comes. */
	if (last->flags & PIECE_SACKED)
		f->sacked -= last->end - start_of(f, f->n - 1u);
	if (last->flags & PIECE_LOST)
		f->lost -= last->end - start_of(f, f->n - 1u);
	last->flags = PIECE_MIXED | (last->flags & PIECE_RETX);
	last->sent_us = tmpl->sent_us;
	last->end = f->nxt;
}

void tcp_flight_resent(struct tcp_flight *f, uint32_t start, uint32_t n,
		       const struct tcp_piece *tmpl)
{
	struct tcp_piece *p = tcp_flight_pieces(f);
	int first, after;

	must(cut_out(f, start, start + n, true, &first, &after));
	for (int i = first; i < after; i++) {
		if (p[i].flags & PIECE_SACKED)
			continue;
		if (p[i].flags & PIECE_LOST)
			f->lost -= p[i].end - start_of(f, (unsigned)i);
		p[i] = (struct tcp_piece){p[i].end, tmpl->sent_us, tmpl->delivered,
					  tmpl->flags | PIECE_RETX};
	}
	join_neighbours(f);
}

/* n bytes of a piece that was neither known to have arrived before. */
static void note_arrival(const struct tcp_flight *f, const struct tcp_piece *p, uint32_t n,
			 uint32_t now_us, struct tcp_delivery *d)
{
	d->bytes += n;
	if (!d->any || seq_gt(p->sent_us, d->newest.sent_us) ||
	    (p->sent_us == d->newest.sent_us && seq_gt(p->end, d->newest.end)))
		d->newest = *p;
	d->any = true;
	if (p->flags & (PIECE_RETX | PIECE_LOST))
		d->resent = true;
	if (!(p->flags & (PIECE_RETX | PIECE_LOST | PIECE_MIXED)) &&
	    (!d->rtt_ok || now_us - p->sent_us < d->rtt_us)) {
		d->rtt_ok = true;
		d->rtt_us = now_us - p->sent_us;
	}
	/* Sent once, and something above it had arrived earlier (RFC 8985, 6.2 step 3). */
	if (!(p->flags & PIECE_RETX) && f->n && f->sacked) {
		const struct tcp_piece *all = tcp_flight_pieces(f);

		for (unsigned i = f->n; i-- > 0 && seq_gt(all[i].end, p->end);)
			if (all[i].flags & PIECE_SACKED)
				d->reordered = true;
	}
}

void tcp_flight_ack(struct tcp_flight *f, uint32_t ack, uint32_t now_us, struct tcp_delivery *d)
{
	struct tcp_piece *p = tcp_flight_pieces(f);
	unsigned gone = 0;

	must(seq_lt(f->una, ack) && seq_le(ack, f->nxt));
	for (unsigned i = 0; i < f->n && seq_lt(start_of(f, i), ack); i++) {
		uint32_t n = seq_min(p[i].end, ack) - start_of(f, i);

		if (p[i].flags & PIECE_SACKED)
			f->sacked -= n;
		else
			note_arrival(f, &p[i], n, now_us, d);
		if (p[i].flags & PIECE_LOST)
			f->lost -= n;
		if (seq_le(p[i].end, ack))
			gone++;
	}
	d->acked += ack - f->una;
	f->una = ack;
	f->n -= (uint8_t)gone;
	memmove(p, p + gone, f->n * sizeof(*p));
}

void tcp_flight_sack(struct tcp_flight *f, uint32_t start, uint32_t end, uint32_t now_us,
		     struct tcp_delivery *d)
{
	struct tcp_piece *p;
	int first, after;

	start = seq_max(start, f->una);
	if (seq_ge(start, end) || seq_gt(end, f->nxt))
		return;
	p = tcp_flight_pieces(f);
	if (cut_out(f, start, end, f->block, &first, &after)) {
		for (int i = first; i < after; i++) {
			uint32_t n = p[i].end - start_of(f, (unsigned)i);

			if (p[i].flags & PIECE_SACKED)
				continue;
			note_arrival(f, &p[i], n, now_us, d);
			if (p[i].flags & PIECE_LOST)
				f->lost -= n;
			p[i].flags = (uint8_t)((p[i].flags & ~PIECE_LOST) | PIECE_SACKED);
			f->sacked += n;
		}
	}
	join_neighbours(f);
}

void tcp_flight_lose(struct tcp_flight *f, unsigned i)
{
	struct tcp_piece *p = &tcp_flight_pieces(f)[i];

	must(!(p->flags & (PIECE_SACKED | PIECE_LOST)));
	p->flags |= PIECE_LOST;
	f->lost += p->end - start_of(f, i);
}

void tcp_flight_lose_first(struct tcp_flight *f, uint32_t n)
{
	struct tcp_piece *p = tcp_flight_pieces(f);

	cut(f, f->una + seq_min(n, tcp_flight_bytes(f)));
	if (f->n && !(p[0].flags & (PIECE_SACKED | PIECE_LOST)))
		tcp_flight_lose(f, 0);
}

void tcp_flight_lose_all(struct tcp_flight *f, bool forget)
{
	struct tcp_piece *p = tcp_flight_pieces(f);

	for (unsigned i = 0; i < f->n; i++) {
		if (forget)
			p[i].flags &= (uint8_t)~PIECE_SACKED;
		if (!(p[i].flags & (PIECE_SACKED | PIECE_LOST)))
			tcp_flight_lose(f, i);
	}
	if (forget)
		f->sacked = 0;
	join_neighbours(f);
}

void tcp_flight_unlose(struct tcp_flight *f)
{
	struct tcp_piece *p = tcp_flight_pieces(f);

	for (unsigned i = 0; i < f->n; i++)
		p[i].flags &= (uint8_t)~PIECE_LOST;
	f->lost = 0;
}

bool tcp_flight_next_lost(const struct tcp_flight *f, uint32_t *start, uint32_t *n)
{
	const struct tcp_piece *p = tcp_flight_pieces(f);
	unsigned i = 0;

	if (!f->lost)
		return false;
	while (!(p[i].flags & PIECE_LOST))
		i++;
	*start = start_of(f, i);
	while (i + 1u < f->n && p[i + 1].flags & PIECE_LOST)
		i++;
	*n = p[i].end - *start;
	return true;
}

void tcp_flight_check(const struct tcp_flight *f)
{
	const struct tcp_piece *p = tcp_flight_pieces(f);
	uint32_t at = f->una, sacked = 0, lost = 0;

	for (unsigned i = 0; i < f->n; i++) {
		must(seq_gt(p[i].end, at));
		must((p[i].flags & (PIECE_SACKED | PIECE_LOST)) != (PIECE_SACKED | PIECE_LOST));
		if (p[i].flags & PIECE_SACKED)
			sacked += p[i].end - at;
		if (p[i].flags & PIECE_LOST)
			lost += p[i].end - at;
		at = p[i].end;
	}
	must(at == f->nxt && sacked == f->sacked && lost == f->lost && f->n <= room(f));
}
