/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp/tcp_extent.h"

#include <string.h>

#include "base/check.h"
#include "net/tcp/seq.h"

#define IN_BLOCK (TCP_BLOCK_BYTES / sizeof(struct tcp_extent))

static struct tcp_extent *list(const struct tcp_extents *x)
{
	return x->more ? x->more : (struct tcp_extent *)x->inl;
}

bool tcp_extents_add(struct tcp_extents *x, struct tcp_blocks *b, uint32_t seq, uint32_t source,
		     uint64_t at)
{
	struct tcp_extent *e = list(x);

	if (x->n) {
		const struct tcp_extent *last = &e[x->n - 1];

		if (last->source == source && last->at + (seq - last->seq) == at)
			return true;
	}
	if (x->n == (x->more ? IN_BLOCK : TCP_EXTENTS_INLINE)) {
		if (x->more || !(x->more = tcp_blocks_get(b)))
			return false;
		memcpy(x->more, x->inl, sizeof(x->inl));
		e = x->more;
	}
	e[x->n++] = (struct tcp_extent){at, seq, source};
	return true;
}

void tcp_extents_trim(struct tcp_extents *x, struct tcp_blocks *b, uint32_t una, uint32_t nxt)
{
	struct tcp_extent *e = list(x);
	unsigned gone = 0;

	if (una == nxt)
		gone = x->n;
	while (gone + 1u < x->n && seq_le(e[gone + 1].seq, una))
		gone++;
	if (gone) {
		x->n -= (uint16_t)gone;
		memmove(e, e + gone, x->n * sizeof(*e));
	}
	if (x->n) {
		/* The first begins at una, so that no sequence number grows old and wraps. */
		uint32_t skip = seq_gt(una, e->seq) ? una - e->seq : 0;

		e->seq += skip;
		e->at += skip;
	}
	if (x->more && x->n <= TCP_EXTENTS_INLINE) {
		memcpy(x->inl, x->more, x->n * sizeof(*e));
		tcp_blocks_put(b, x->more);
		x->more = NULL;
	}
}

const struct tcp_extent *tcp_extents_find(const struct tcp_extents *x, uint32_t seq, uint32_t nxt,
					  uint32_t *to)
{
	const struct tcp_extent *e = list(x);
	unsigned i = 0;

	must(x->n && seq_le(e->seq, seq) && seq_lt(seq, nxt));
	while (i + 1u < x->n && seq_le(e[i + 1].seq, seq))
		i++;
	*to = i + 1u < x->n ? e[i + 1].seq : nxt;
	return &e[i];
}

bool tcp_extents_oldest(const struct tcp_extents *x, uint32_t source, uint32_t una, uint64_t *at)
{
	const struct tcp_extent *e = list(x);
	bool found = false;

	for (unsigned i = 0; i < x->n; i++) {
		uint64_t from = e[i].at + (seq_gt(una, e[i].seq) ? una - e[i].seq : 0);

		if (e[i].source == source && (!found || from < *at)) {
			*at = from;
			found = true;
		}
	}
	return found;
}

void tcp_extents_fini(struct tcp_extents *x, struct tcp_blocks *b)
{
	tcp_blocks_put(b, x->more);
	x->more = NULL;
	x->n = 0;
}
