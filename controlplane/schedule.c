/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/schedule.h"

#include <stdlib.h>

#include "base/check.h"

void schedule_fini(struct schedule *s)
{
	for (size_t i = 1; i <= s->n; i++)
		s->heap[i]->slot = 0;
	free(s->heap);
	*s = (struct schedule){0};
}

static void place(struct schedule *s, struct wake *w, size_t slot)
{
	s->heap[slot] = w;
	w->slot = slot;
}

static void sift(struct schedule *s, struct wake *w)
{
	size_t at = w->slot;

	for (; at > 1 && s->heap[at / 2]->at_us > w->at_us; at /= 2)
		place(s, s->heap[at / 2], at);
	for (size_t child; (child = at * 2) <= s->n; at = child) {
		if (child < s->n && s->heap[child + 1]->at_us < s->heap[child]->at_us)
			child++;
		if (s->heap[child]->at_us >= w->at_us)
			break;
		place(s, s->heap[child], at);
	}
	place(s, w, at);
}

void schedule_set(struct schedule *s, struct wake *w, uint64_t at_us)
{
	if (!w->slot) {
		if (s->n + 1 >= s->cap) {
			s->cap = s->cap ? s->cap * 2 : 64;
			s->heap = realloc(s->heap, s->cap * sizeof(s->heap[0]));
			must(s->heap);
		}
		w->slot = ++s->n;
		s->heap[w->slot] = w;
	}
	w->at_us = at_us;
	sift(s, w);
}

void schedule_del(struct schedule *s, struct wake *w)
{
	struct wake *last;

	if (!w->slot)
		return;
	must(s->heap[w->slot] == w);
	last = s->heap[s->n--];
	if (last != w) {
		place(s, last, w->slot);
		sift(s, last);
	}
	w->slot = 0;
}

struct wake *schedule_pop(struct schedule *s, uint64_t now_us)
{
	struct wake *w = s->n ? s->heap[1] : NULL;

	if (!w || w->at_us > now_us)
		return NULL;
	schedule_del(s, w);
	return w;
}

uint64_t schedule_next(const struct schedule *s)
{
	return s->n ? s->heap[1]->at_us : UINT64_MAX;
}
