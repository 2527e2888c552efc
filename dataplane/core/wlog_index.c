/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wlog_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define get_relaxed(p)	  atomic_load_explicit((p), memory_order_relaxed)
#define get_acquire(p)	  atomic_load_explicit((p), memory_order_acquire)
#define set_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define set_release(p, v) atomic_store_explicit((p), (v), memory_order_release)

static uint64_t ring_of(uint64_t least, uint64_t want)
{
	while (least < want)
		least *= 2;
	return least;
}

/* Four keys at least: with fewer a reader's copy would seldom be whole. */
int index_init(struct wlog_index *x, uint64_t marks, uint64_t keys)
{
	uint64_t n = ring_of(64, marks), keys_n = ring_of(4, keys);

	memset(x, 0, sizeof(*x));
	x->mark = malloc(n * sizeof(*x->mark));
	x->mark_mask = n - 1;
	x->key = malloc(keys_n * sizeof(*x->key));
	x->key_mask = keys_n - 1;
	return x->mark && x->key ? 0 : -ENOMEM;
}

void index_fini(struct wlog_index *x)
{
	free(x->mark);
	free(x->key);
	x->mark = NULL;
	x->key = NULL;
}

void index_mark(struct wlog_index *x, uint64_t off, uint64_t at_us)
{
	struct index_mark_slot *s = &x->mark[x->marks_wr & x->mark_mask];

	if (x->marks_wr - get_relaxed(&x->marks_first) > x->mark_mask)
		return;
	set_relaxed(&x->marks_begun, x->marks_wr + 1);
	set_release(&s->off, off);
	set_release(&s->at_us, at_us);
	x->marks_wr++;
}

void index_publish(struct wlog_index *x)
{
	set_release(&x->marks, x->marks_wr);
}

void index_key(struct wlog_index *x, const struct wlog_key *key)
{
	uint64_t n = get_relaxed(&x->keys);
	struct index_key_slot *s = &x->key[n & x->key_mask];

	set_relaxed(&x->keys_begun, n + 1);
	set_release(&s->off, key->off);
	set_release(&s->ts_ms, key->ts_ms);
	set_release(&s->at_us, key->at_us);
	set_release(&s->headers, key->headers);
	set_release(&x->keys, n + 1);
}

void index_drop_keys(struct wlog_index *x)
{
	set_release(&x->keys_first, get_relaxed(&x->keys));
}

/* Any entry that the writer has not come round to; false: overwritten. */
static bool mark_read(const struct wlog_index *x, uint64_t number, struct index_mark *out)
{
	struct wlog_index *w = (struct wlog_index *)x;
	struct index_mark_slot *s = &w->mark[number & w->mark_mask];

	out->off = get_acquire(&s->off);
	out->at_us = get_acquire(&s->at_us);
	return get_relaxed(&w->marks_begun) - number <= w->mark_mask + 1;
}

unsigned index_oldest(const struct wlog_index *x, struct index_mark out[2])
{
	struct wlog_index *w = (struct wlog_index *)x;
	uint64_t first = get_relaxed(&w->marks_first), end = get_relaxed(&w->marks);
	unsigned n = 0;

	for (; n < 2 && first + n < end; n++)
		mark_read(x, first + n, &out[n]);
	return n;
}

void index_drop_first(struct wlog_index *x)
{
	set_release(&x->marks_first, get_relaxed(&x->marks_first) + 1);
}

void index_drop_all(struct wlog_index *x)
{
	set_release(&x->marks_first, x->marks_wr);
	index_publish(x);
}

bool index_nth(const struct wlog_index *x, uint64_t i, struct index_mark *out)
{
	struct wlog_index *w = (struct wlog_index *)x;
	uint64_t number = get_relaxed(&w->marks_first) + i;

	return number < x->marks_wr && mark_read(x, number, out);
}

/*
 * The last mark that is not beyond `bound` (by its offset or by its time, which both grow); *behind is
 * the number of the one after it.
 */
static bool find_last(const struct wlog_index *x, bool by_time, uint64_t bound,
		      struct index_mark *out, uint64_t *behind, uint64_t end)
{
	struct wlog_index *w = (struct wlog_index *)x;
	uint64_t low = get_acquire(&w->marks_first), high = end;
	bool found = false;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct index_mark m;

		if (!mark_read(x, middle, &m))
			return false;
		if ((by_time ? m.at_us : m.off) <= bound) {
			*out = m;
			found = true;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*behind = low;
	return found;
}

bool index_find(const struct wlog_index *x, uint64_t off, struct index_mark *out)
{
	struct wlog_index *w = (struct wlog_index *)x;
	uint64_t behind;

	return find_last(x, false, off, out, &behind, get_acquire(&w->marks));
}

bool index_find_time(const struct wlog_index *x, uint64_t at_us, struct index_mark *out,
		     bool *newest)
{
	struct wlog_index *w = (struct wlog_index *)x;
	uint64_t end = get_acquire(&w->marks), behind = 0;
	bool found = find_last(x, true, at_us, out, &behind, end);

	*newest = found && behind == end;
	return found;
}

static bool key_read(const struct wlog_index *x, uint64_t number, struct wlog_key *out)
{
	struct wlog_index *w = (struct wlog_index *)x;
	struct index_key_slot *s = &w->key[number & w->key_mask];

	out->off = get_acquire(&s->off);
	out->ts_ms = get_acquire(&s->ts_ms);
	out->at_us = get_acquire(&s->at_us);
	out->headers = get_acquire(&s->headers);
	return get_relaxed(&w->keys_begun) - number <= w->key_mask + 1;
}

bool index_newest(const struct wlog_index *x, struct wlog_key *out)
{
	uint64_t n = get_acquire(&((struct wlog_index *)x)->keys);

	return n && key_read(x, n - 1, out);
}

bool index_key_after(const struct wlog_index *x, uint64_t off, struct wlog_key *out)
{
	struct wlog_index *w = (struct wlog_index *)x;
	uint64_t n = get_acquire(&w->keys), first = get_acquire(&w->keys_first);
	struct wlog_key one;
	bool found = false;

	for (uint64_t number = n; number > first; number--) {
		if (!key_read(x, number - 1, &one) || one.off <= off)
			break;
		*out = one;
		found = true;
	}
	return found;
}

bool index_key_near(const struct wlog_index *x, uint64_t at_us, uint64_t from, struct wlog_key *out)
{
	struct wlog_index *w = (struct wlog_index *)x;
	uint64_t n = get_acquire(&w->keys), first = get_acquire(&w->keys_first);
	struct wlog_key one;
	bool found = false;

	for (uint64_t number = n; number > first; number--) {
		if (!key_read(x, number - 1, &one) || one.off < from ||
		    (found && one.headers != out->headers))
			break;
		*out = one;
		found = true;
		if (one.at_us <= at_us)
			break;
	}
	return found;
}
