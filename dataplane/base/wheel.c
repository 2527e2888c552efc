/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wheel.h"

#include <string.h>

#include "base/check.h"

void wheel_init(struct wheel *w, uint64_t now_us)
{
	memset(w, 0, sizeof(*w));
	w->done = now_us / WHEEL_SLOT_US;
}

/* The first slot that begins at or after the deadline, so that nothing fires early. */
static uint64_t slot_of(uint64_t deadline_us)
{
	return deadline_us / WHEEL_SLOT_US + (deadline_us % WHEEL_SLOT_US != 0);
}

static unsigned place(uint64_t slot)
{
	return (unsigned)(slot % WHEEL_SLOTS);
}

static void put_in_slot(struct wheel *w, struct timer *t)
{
	uint64_t slot = max_of(slot_of(t->deadline_us), w->done);
	struct timer **head = &w->slot[place(slot)];

	t->slot = slot;
	t->next = *head;
	t->prev = head;
	if (t->next)
		t->next->prev = &t->next;
	*head = t;
	w->busy[place(slot) / 64] |= (uint64_t)1 << place(slot) % 64;
}

static void take_from_slot(struct wheel *w, struct timer *t)
{
	unsigned at = place(t->slot);

	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->next = NULL;
	t->prev = NULL;
	if (!w->slot[at])
		w->busy[at / 64] &= ~((uint64_t)1 << at % 64);
}

void wheel_arm(struct wheel *w, struct timer *t, uint64_t deadline_us)
{
	must(t->fire);
	t->deadline_us = deadline_us;
	if (timer_armed(t)) {
		/* Later than the slot it waits in: looked at again when that slot comes. */
		if (slot_of(deadline_us) >= t->slot)
			return;
		take_from_slot(w, t);
	} else {
		w->armed++;
	}
	put_in_slot(w, t);
}

void wheel_cancel(struct wheel *w, struct timer *t)
{
	if (!timer_armed(t))
		return;
	take_from_slot(w, t);
	w->armed--;
}

/*
 * The slot's timers move to a list of their own first: what callbacks arm into the same slot waits
 * for the next poll, and what they cancel leaves whichever list it is in.
 */
static unsigned serve(struct wheel *w, unsigned at, uint64_t now_us)
{
	struct timer *list = w->slot[at], *t;
	unsigned fired = 0;

	if (!list)
		return 0;
	w->slot[at] = NULL;
	list->prev = &list;
	while ((t = list)) {
		take_from_slot(w, t);
		if (t->deadline_us > now_us) {
			put_in_slot(w, t);
			continue;
		}
		w->armed--;
		fired++;
		t->fire(t, now_us);
	}
	return fired;
}

unsigned wheel_poll(struct wheel *w, uint64_t now_us)
{
	uint64_t slot = w->done, last = max_of(now_us / WHEEL_SLOT_US, w->done);
	unsigned fired = 0;

	/* The last served slot again: deadlines already past wait there. At most one turn. */
	if (last - slot >= WHEEL_SLOTS)
		slot = last - WHEEL_SLOTS + 1;
	w->done = last;
	for (; slot <= last; slot++)
		fired += serve(w, place(slot), now_us);
	return fired;
}

/* Slots from `done` to the next one that holds timers: 0..WHEEL_SLOTS-1. */
static unsigned next_busy(const struct wheel *w, uint64_t from)
{
	unsigned start = place(from), word = start / 64, i;
	uint64_t bits = w->busy[word] & ~(uint64_t)0 << start % 64;

	for (i = 0; i <= WHEEL_SLOTS / 64; i++) {
		if (bits)
			return (word * 64 + (unsigned)__builtin_ctzll(bits) - start) % WHEEL_SLOTS;
		word = (word + 1) % (WHEEL_SLOTS / 64);
		bits = w->busy[word];
	}
	return 0;
}

uint64_t wheel_next(const struct wheel *w, uint64_t now_us)
{
	const struct timer *t;
	uint64_t from = w->done;

	if (!w->armed)
		return UINT64_MAX;
	for (t = w->slot[place(from)]; t; t = t->next)
		if (t->slot <= from)
			return now_us;
	from++;
	return max_of(now_us, (from + next_busy(w, from)) * WHEEL_SLOT_US);
}
