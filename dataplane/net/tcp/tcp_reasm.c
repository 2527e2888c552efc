/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_reasm.h"

#include "base/check.h"
#include "net/tcp/seq.h"

static_assert(sizeof(struct tcp_late) == TCP_BLOCK_BYTES, "one block each");

static uint32_t end_of(const struct tcp_late *l)
{
	return l->seq + l->n;
}

/* A new block after *at; false: no room. */
static bool insert(struct tcp_reasm *r, struct tcp_blocks *b, uint16_t max, struct tcp_late **at,
		   uint32_t seq, const uint8_t *p, size_t n)
{
	struct tcp_late *l = r->n < max ? tcp_blocks_get(b) : NULL;

	if (!l)
		return false;
	l->next = *at;
	l->seq = seq;
	l->n = (uint16_t)n;
	l->fin = false;
	if (n)
		memcpy(l->p, p, n);
	*at = l;
	r->n++;
	return true;
}

bool tcp_reasm_put(struct tcp_reasm *r, struct tcp_blocks *b, uint16_t max, uint32_t seq,
		   struct slice data, bool fin)
{
	struct tcp_late **at = &r->head, *last = NULL;
	uint32_t end = seq + (uint32_t)data.n, from = seq;

	r->last_seq = seq;
	while (from != end || (fin && !last)) {
		uint32_t n;

		while (*at && seq_le(end_of(*at), from) && (*at)->seq != from) {
			last = *at;
			at = &(*at)->next;
		}
		if (*at && seq_le((*at)->seq, from)) {
			/* These are there. */
			last = *at;
			from = seq_min(seq_max(end_of(*at), from), end);
			at = &(*at)->next;
			continue;
		}
		n = end - from;
		if (*at)
			n = seq_min(n, (*at)->seq - from);
		n = min_of(n, (uint32_t)TCP_REASM_BYTES);
		if (!insert(r, b, max, at, from, data.p + (from - seq), n))
			return false;
		last = *at;
		at = &last->next;
		from += n;
	}
	if (fin && last && end_of(last) == end)
		last->fin = true;
	return true;
}

struct tcp_late *tcp_reasm_take(struct tcp_reasm *r, struct tcp_blocks *b, uint32_t *rcv_nxt,
				struct slice *data)
{
	struct tcp_late *l;

	while ((l = r->head) && seq_le(l->seq, *rcv_nxt)) {
		uint32_t skip = *rcv_nxt - l->seq;

		r->head = l->next;
		r->n--;
		if (skip < l->n || (skip == l->n && l->fin)) {
			*data = (struct slice){l->p + skip, l->n - skip};
			*rcv_nxt += l->n - skip;
			return l;
		}
		tcp_blocks_put(b, l);
	}
	return NULL;
}

unsigned tcp_reasm_sacks(const struct tcp_reasm *r, struct tcp_sack *out, unsigned max)
{
	const struct tcp_late *l = r->head;
	unsigned n = 0;

	while (l && max) {
		struct tcp_sack run = {l->seq, end_of(l)};

		for (l = l->next; l && l->seq == run.end; l = l->next)
			run.end = end_of(l);
		if (run.start == run.end)
			continue;
		if (seq_in(r->last_seq, run.start, run.end - run.start)) {
			/* Now the first, and the others move; the one too many falls off. */
			n = min_of(n, max - 1);
			memmove(out + 1, out, n * sizeof(*out));
			out[0] = run;
			n++;
		} else if (n < max) {
			out[n++] = run;
		}
	}
	return n;
}

void tcp_reasm_fini(struct tcp_reasm *r, struct tcp_blocks *b)
{
	while (r->head) {
		struct tcp_late *l = r->head;

		r->head = l->next;
		tcp_blocks_put(b, l);
	}
	r->n = 0;
}
