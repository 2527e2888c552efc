/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log bytes are read where they are. A generation is a tenth of a second: sends of it carry the mark
 * of its beginning, and it holds that mark while any of its bytes are not acknowledged, or one of the
 * device's descriptors may still point at them. So a connection notes a generation per send, at most
 * four, and nobody looks for the oldest of many viewers.
 */
#include "net/dpdk.h"

#include <errno.h>
#include <rte_memzone.h>
#include <stdlib.h>
#include <sys/mman.h>

#define NONE	0 /* in lists, where the number + 1 stands */
#define LAZY_US 1000000u

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t pieces_bytes(const struct dpdk_flights *f)
{
	return f->pieces_max * sizeof(*f->piece);
}

int dpdk_flights_init(struct dpdk_flights *f, const struct dpdk_host *h, unsigned queue)
{
	f->chunk = h->chunk_zone[queue]->addr;
	f->chunks_max = h->chunks;
	f->pieces_max = h->conns_max * DPDK_LOG_PIECES + f->chunks_max;
	f->piece = reserve(pieces_bytes(f));
	f->chunk_next = calloc(f->chunks_max, sizeof(*f->chunk_next));
	return f->piece && f->chunk_next ? 0 : -ENOMEM;
}

void dpdk_flights_fini(struct dpdk_flights *f)
{
	if (f->piece)
		munmap(f->piece, pieces_bytes(f));
	free(f->chunk_next);
	f->piece = NULL;
	f->chunk_next = NULL;
}

/* ---- pieces and chunks ---- */

static struct dpdk_piece *piece_at(struct dpdk_flights *f, uint32_t i)
{
	return i == NONE ? NULL : &f->piece[i - 1];
}

/* There is always one: a connection has at most DPDK_LOG_PIECES and as many as it has chunks. */
static struct dpdk_piece *piece_add(struct dpdk_conn *c, uint32_t what)
{
	struct dpdk_flights *f = &dpdk_of(c)->flights;
	uint32_t i = f->pieces_free;
	struct dpdk_piece *p;

	if (i != NONE)
		f->pieces_free = piece_at(f, i)->next;
	else
		i = ++f->pieces_fresh;
	must(i <= f->pieces_max);
	p = piece_at(f, i);
	*p = (struct dpdk_piece){.what = what};
	if (c->last != NONE)
		piece_at(f, c->last)->next = i;
	else
		c->first = i;
	c->last = i;
	return p;
}

static struct dpdk_gen *gen_of(struct dpdk_flights *f, uint32_t number)
{
	return &f->gen[number % DPDK_GENS];
}

static void piece_free(struct dpdk_conn *c, uint32_t i)
{
	struct dpdk_flights *f = &dpdk_of(c)->flights;
	struct dpdk_piece *p = piece_at(f, i);

	if (p->what & PIECE_CHUNK) {
		uint32_t chunk = p->what & ~PIECE_CHUNK;

		f->chunk_next[chunk] = f->chunks_free;
		f->chunks_free = chunk + 1;
		c->chunks--;
	} else {
		gen_of(f, p->what)->pieces--;
		c->log_pieces--;
	}
	p->next = f->pieces_free;
	f->pieces_free = i;
}

static void pop_first(struct dpdk_conn *c)
{
	uint32_t i = c->first;

	c->first = piece_at(&dpdk_of(c)->flights, i)->next;
	if (c->first == NONE)
		c->last = NONE;
	piece_free(c, i);
}

/* ---- log bytes ---- */

static bool is_log(const struct dpdk_piece *p)
{
	return p && !(p->what & PIECE_CHUNK);
}

bool dpdk_flight_log_room(const struct dpdk_conn *c)
{
	return c->log_pieces < DPDK_LOG_PIECES || is_log(piece_at(&dpdk_of(c)->flights, c->last));
}

void dpdk_flight_log(struct dpdk_conn *c, uint32_t n)
{
	struct dpdk_flights *f = &dpdk_of(c)->flights;
	struct dpdk_piece *p = piece_at(f, c->last);

	/* With all places taken new bytes are noted as older than they are. */
	if (!is_log(p) || (p->what != f->now && c->log_pieces < DPDK_LOG_PIECES)) {
		p = piece_add(c, f->now);
		gen_of(f, f->now)->pieces++;
		c->log_pieces++;
	}
	p->n += n;
}

/* ---- private bytes ---- */

static struct dpdk_piece *chunk_add(struct dpdk_conn *c)
{
	struct dpdk_flights *f = &dpdk_of(c)->flights;
	uint32_t i = f->chunks_free;

	if (c->chunks == DPDK_CHUNKS_MAX)
		return NULL;
	if (i != NONE)
		f->chunks_free = f->chunk_next[i - 1];
	else if (f->chunks_fresh < f->chunks_max)
		i = ++f->chunks_fresh;
	else
		return NULL;
	c->chunks++;
	return piece_add(c, (i - 1) | PIECE_CHUNK);
}

uint32_t dpdk_flight_copy(struct dpdk_conn *c, const struct slice *s, struct tcp_range *r,
			  unsigned max, unsigned *n)
{
	struct dpdk_flights *f = &dpdk_of(c)->flights;
	uint32_t done = 0;

	*n = 0;
	while (done < s->n && *n < max) {
		struct dpdk_piece *p = piece_at(f, c->last);
		uint32_t part;
		uint8_t *to;

		if (!p || is_log(p) || p->end == DPDK_CHUNK_BYTES)
			p = chunk_add(c);
		if (!p)
			break;
		part = (uint32_t)min_of(s->n - done, (size_t)(DPDK_CHUNK_BYTES - p->end));
		to = f->chunk + (size_t)(p->what & ~PIECE_CHUNK) * DPDK_CHUNK_BYTES + p->end;
		memcpy(to, s->p + done, part);
		r[(*n)++] = (struct tcp_range){.at = (uintptr_t)to, .n = part};
		p->end += (uint16_t)part;
		p->n += part;
		done += part;
	}
	return done;
}

static void drop_last(struct dpdk_conn *c)
{
	struct dpdk_flights *f = &dpdk_of(c)->flights;
	uint32_t i = c->first, gone = c->last;

	if (i == gone) {
		pop_first(c);
		return;
	}
	while (piece_at(f, i)->next != gone)
		i = piece_at(f, i)->next;
	piece_at(f, i)->next = NONE;
	c->last = i;
	piece_free(c, gone);
}

void dpdk_flight_uncopy(struct dpdk_conn *c, uint32_t n)
{
	while (n) {
		struct dpdk_piece *p = piece_at(&dpdk_of(c)->flights, c->last);
		uint32_t part = min_of(n, p->n);

		must(!is_log(p));
		p->n -= part;
		p->end -= (uint16_t)part;
		n -= part;
		if (!p->n)
			drop_last(c);
	}
}

void dpdk_flight_acked(struct dpdk_conn *c, uint32_t n)
{
	while (n) {
		struct dpdk_piece *p = piece_at(&dpdk_of(c)->flights, c->first);
		uint32_t part;

		must(p);
		part = min_of(n, p->n);
		p->n -= part;
		n -= part;
		if (!p->n)
			pop_first(c);
	}
}

void dpdk_flight_drop(struct dpdk_conn *c)
{
	while (c->first != NONE)
		pop_first(c);
}

/* ---- generations ---- */

/*
 * Which of the log mbufs that the device got are back; it returns them in order. A device that
 * returns them only when it needs their places is asked to; where it cannot be asked, a second
 * without a link that is down is enough.
 */
static void look_at_device(struct dpdk *n)
{
	struct dpdk_flights *f = &n->flights;
	struct rte_mempool *pool = n->host->log_pool[n->queue];
	uint64_t gone;
	int asked;

	if (f->gone == f->posted || !pool)
		return;
	asked = rte_eth_tx_done_cleanup(n->host->port, (uint16_t)n->queue, 0);
	gone = f->posted - (pool->size - rte_mempool_avail_count(pool));
	if (gone != f->gone || !atomic_load(&n->host->link_up)) {
		f->gone = gone;
		f->gone_us = n->now_us;
	} else if (asked < 0 && n->now_us - f->gone_us > LAZY_US) {
		f->gone = f->posted;
	}
}

void dpdk_flights_turn(struct dpdk *n)
{
	struct dpdk_flights *f = &n->flights;
	struct dpdk_gen *now = gen_of(f, f->now);

	if (n->now_us - f->gen_us >= DPDK_GEN_US) {
		f->gen_us = n->now_us;
		look_at_device(n);
		now->posted = f->posted;
		if (f->now - f->oldest >= DPDK_GENS_OLD)
			dpdk_conns_expire(n, f->oldest);
		if (f->now - f->oldest < DPDK_GENS - 1) {
			now = gen_of(f, ++f->now);
			*now = (struct dpdk_gen){.mark = f->mark};
		}
	}
	while (f->oldest != f->now && !gen_of(f, f->oldest)->pieces &&
	       gen_of(f, f->oldest)->posted <= f->gone)
		f->oldest++;
	if (f->oldest == f->now && !now->pieces && f->gone == f->posted)
		now->mark = f->mark;
}

bool dpdk_flight_holds(const struct dpdk_conn *c, uint32_t gen)
{
	const struct dpdk_flights *f = &dpdk_of(c)->flights;

	for (uint32_t i = c->first; i != NONE; i = f->piece[i - 1].next)
		if (f->piece[i - 1].what == gen)
			return true;
	return false;
}

uint64_t dpdk_flights_held(const struct dpdk *n)
{
	const struct dpdk_flights *f = &n->flights;
	const struct dpdk_gen *g = &f->gen[f->oldest % DPDK_GENS];

	if (f->oldest == f->now && !g->pieces && f->gone == f->posted)
		return UINT64_MAX;
	return g->mark;
}
