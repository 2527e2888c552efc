/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "core/load.h"

#define SLOT_VIEWERS_MIN 16u
/* How far ahead in a slot's array the viewers and their logs are fetched into the cache. */
#define PREFETCH_VIEWER 6u
#define PREFETCH_LOG	3u

struct slot {
	struct viewer **v;
	uint32_t n, cap;
};

/* A viewer that is being served further up the stack; v is NULL once it was removed. */
struct serving {
	struct viewer *v;
	struct serving *up;
};

struct fanout {
	struct slot slot[TICK_MAX][FANOUT_SLOTS];
	unsigned slots[TICK_MAX]; /* of the class: its tick in FANOUT_SLOT_US */
	uint32_t viewers[TICK_MAX];
	uint64_t next_slot
		[TICK_MAX];	 /* number of the slot time that comes next, or is being served */
	uint32_t left[TICK_MAX]; /* its viewers that have not had their turn; 0: all or none */
	struct serving *serving;
	/* rules, read from the configuration once per poll */
	uint64_t max_lag_us, skip_window_us, stall_us;
	uint32_t max_skips;
};

/* ---- life ---- */

static void read_rules(struct core *c)
{
	const struct config *conf = engine_conf(c->engine);
	struct fanout *f = c->fanout;

	f->max_lag_us = (uint64_t)conf->play_max_lag * 1000;
	f->skip_window_us = (uint64_t)conf->play_skip_window * 1000;
	f->stall_us = (uint64_t)conf->play_stall_timeout * 1000;
	f->max_skips = (uint32_t)conf->play_max_skips;
}

static unsigned slots_of(int64_t tick_ms)
{
	int64_t n = tick_ms * 1000 / FANOUT_SLOT_US;

	return n < 1 ? 1 : n > FANOUT_SLOTS ? FANOUT_SLOTS : (unsigned)n;
}

int fanout_init(struct core *c)
{
	const struct config *conf = engine_conf(c->engine);
	struct fanout *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	c->allocs++;
	f->slots[TICK_LOW] = slots_of(conf->tick_low);
	f->slots[TICK_NORMAL] = slots_of(conf->tick_normal);
	f->slots[TICK_BULK] = slots_of(conf->tick_bulk);
	c->fanout = f;
	read_rules(c);
	return 0;
}

void fanout_fini(struct core *c)
{
	struct fanout *f = c->fanout;

	if (!f)
		return;
	for (unsigned tick = 0; tick < TICK_MAX; tick++)
		for (unsigned i = 0; i < FANOUT_SLOTS; i++)
			free(f->slot[tick][i].v);
	free(f);
	c->fanout = NULL;
}

int tick_class_of(const char *word)
{
	static const char *const words[] = {
		[TICK_LOW] = "low", [TICK_NORMAL] = "normal", [TICK_BULK] = "bulk"};

	for (unsigned i = 0; i < array_len(words); i++)
		if (!strcmp(word, words[i]))
			return (int)i;
	return -1;
}

/* ---- serving one viewer ---- */

static void start_send(struct viewer *v)
{
	struct slice s[2] = {{NULL, 0}, {NULL, 0}};
	unsigned n = cursor_range(&v->cursor, FANOUT_SEND_MAX, s);

	v->asked = (uint32_t)(s[0].n + s[1].n);
	v->more = v->cursor.sent + v->asked < v->cursor.stop;
	v->burst++;
	v->busy = true;
	if (!v->busy_since_us)
		v->busy_since_us = v->core->now_us;
	v->ops->send(v, s, n);
}

static void count_place(struct fanout *f, struct viewer *v, bool first, uint64_t skipped)
{
	uint64_t now_us = v->core->now_us;

	if (first) {
		core_count(v->core, CTR_JOINS, 1);
		shm_add(&v->shm->joins, 1);
		return;
	}
	core_count(v->core, CTR_SKIPS, 1);
	core_count(v->core, CTR_SKIPPED_BYTES, skipped);
	shm_add(&v->shm->skips, 1);
	if (v->excused) {
		v->excused = false;
		return;
	}
	if (!v->window_skips || now_us - v->skip_window_us > f->skip_window_us) {
		v->skip_window_us = now_us;
		v->window_skips = 0;
	}
	v->window_skips++;
}

static void place(struct fanout *f, struct viewer *v, const struct serving *here,
		  const struct wlog_key *key, bool first, uint64_t skipped)
{
	uint64_t since_us = v->busy_since_us;

	count_place(f, v, first, skipped);
	/* Set before the call: the owner may be done, and kick, inside it. */
	v->held = true;
	v->busy_since_us = since_us ? since_us : v->core->now_us;
	if (v->ops->placed(v, key, first, skipped) || !here->v || !v->held)
		return;
	v->held = false;
	v->busy_since_us = since_us;
}

/*
 * The stream has ended and there is nothing to send. A viewer at rest may still be resumed and get
 * what is left, but not for ever.
 */
static bool is_over(struct fanout *f, struct viewer *v)
{
	if (v->cursor.state != CURSOR_PAUSED || !cursor_behind(&v->cursor))
		return true;
	if (!v->busy_since_us)
		v->busy_since_us = v->core->now_us;
	return v->core->now_us - v->busy_since_us > f->stall_us;
}

/* The stream has ended, but a delayed viewer has not come to its end yet. */
static bool is_still_late(const struct viewer *v)
{
	return v->cursor.delay_us && v->cursor.state == CURSOR_FLOWING && cursor_behind(&v->cursor);
}

/* Settles and sends; returns sends started. *why: it is over, and the caller may say so. */
static int serve_steps(struct fanout *f, struct viewer *v, const struct serving *here,
		       enum reason *why)
{
	struct wlog_key key;
	uint64_t skipped = 0;
	bool ended = false;

	while (here->v && !v->busy && !v->held) {
		switch (cursor_settle(&v->cursor, v->core->now_us, f->max_lag_us, &key, &skipped)) {
		case CURSOR_DATA:
			start_send(v);
			return 1;
		case CURSOR_JOINED:
			place(f, v, here, &key, true, 0);
			break;
		case CURSOR_SKIPPED:
			place(f, v, here, &key, false, skipped);
			break;
		case CURSOR_REACHED:
			v->busy_since_us = 0;
			v->ops->reached(v);
			break;
		case CURSOR_GONE:
			*why = REASON_TOO_SLOW;
			return 0;
		case CURSOR_NOTHING:
			/* The last bytes may have come between looking at the log and at the state. */
			if (stream_is_live(v->stream) || is_still_late(v))
				return 0;
			if (ended && is_over(f, v))
				*why = REASON_STREAM_ENDED;
			if (ended)
				return 0;
			ended = true;
		}
	}
	return 0;
}

static int serve(struct viewer *v, enum reason *why)
{
	struct fanout *f = v->core->fanout;
	struct serving here = {v, f->serving};
	int sends;

	f->serving = &here;
	sends = serve_steps(f, v, &here, why);
	f->serving = here.up;
	if (!here.v)
		*why = REASON_NONE;
	return sends;
}

/* From an owner's call: whatever is over waits for the tick. */
static void serve_now(struct viewer *v)
{
	enum reason why = REASON_NONE;

	if (v->added)
		serve(v, &why);
}

/* ---- membership ---- */

static unsigned least_loaded(const struct fanout *f, enum tick_class tick)
{
	unsigned best = 0;

	for (unsigned i = 1; i < f->slots[tick]; i++)
		if (f->slot[tick][i].n < f->slot[tick][best].n)
			best = i;
	return best;
}

static int slot_resize(struct core *c, struct slot *s, uint32_t cap)
{
	struct viewer **v = realloc(s->v, cap * sizeof(*v));

	if (!v)
		return -ENOMEM;
	c->allocs++;
	s->v = v;
	s->cap = cap;
	return 0;
}

int viewer_add(struct viewer *v, enum tick_class tick)
{
	struct core *c = v->core;
	struct fanout *f = c->fanout;
	unsigned at = least_loaded(f, tick);
	struct slot *s = &f->slot[tick][at];

	must(!v->added);
	if (s->n == s->cap && slot_resize(c, s, s->cap ? 2 * s->cap : SLOT_VIEWERS_MIN) < 0)
		return -ENOMEM;
	v->tick = (uint8_t)tick;
	v->slot = (uint8_t)at;
	v->index = s->n;
	v->added = true;
	v->busy = false;
	v->excused = false;
	v->burst = 0;
	v->window_skips = 0;
	v->busy_since_us = v->held ? c->now_us : 0;
	s->v[s->n++] = v;
	f->viewers[tick]++;
	serve_now(v);
	return 0;
}

void viewer_remove(struct viewer *v)
{
	struct fanout *f;
	struct slot *s;

	if (!v->added)
		return;
	f = v->core->fanout;
	s = &f->slot[v->tick][v->slot];
	must(v->index < s->n && s->v[v->index] == v);
	s->v[v->index] = s->v[--s->n];
	s->v[v->index]->index = v->index;
	f->viewers[v->tick]--;
	v->added = false;
	for (struct serving *up = f->serving; up; up = up->up)
		if (up->v == v)
			up->v = NULL;
	/* A smaller array that cannot be had is no loss. */
	if (s->cap > SLOT_VIEWERS_MIN && s->n < s->cap / 4)
		slot_resize(v->core, s, s->cap / 2);
}

/* ---- what the owner reports ---- */

void viewer_sent(struct viewer *v, uint32_t n)
{
	bool whole = n == v->asked;
	bool landed;

	must(v->busy && n <= v->asked);
	v->busy = false;
	cursor_advance(&v->cursor, n);
	if (!n)
		return;
	shm_add(&v->shm->bytes_out, n);
	v->busy_since_us = 0;
	/* What somebody waits for at the boundary does not wait for the tick as well. */
	landed = v->cursor.state == CURSOR_LANDING && cursor_at_boundary(&v->cursor);
	if (landed || v->cursor.want_pause || (whole && v->more && v->burst < FANOUT_CATCH_UP))
		serve_now(v);
}

void viewer_blocked(struct viewer *v, uint32_t n)
{
	must(v->busy && n <= v->asked);
	cursor_advance(&v->cursor, n);
	v->asked -= n;
	if (!n)
		return;
	shm_add(&v->shm->bytes_out, n);
	v->busy_since_us = v->core->now_us;
}

void viewer_kick(struct viewer *v)
{
	v->busy = false;
	v->held = false;
	v->busy_since_us = 0;
	serve_now(v);
}

void viewer_pause(struct viewer *v)
{
	cursor_pause(&v->cursor);
	serve_now(v);
}

void viewer_resume(struct viewer *v, bool at_key)
{
	v->busy_since_us = 0;
	v->excused = at_key;
	cursor_resume(&v->cursor, at_key);
	serve_now(v);
}

/* ---- the tick ---- */

static int tick_viewer(struct fanout *f, struct viewer *v)
{
	uint64_t now_us = v->core->now_us;
	enum reason why = REASON_NONE;
	int sends = 0;

	v->burst = 0;
	if (f->max_skips && v->window_skips > f->max_skips)
		why = REASON_TOO_SLOW;
	else if (!v->busy && !v->held)
		sends = serve(v, &why);
	else if (v->busy_since_us && now_us - v->busy_since_us > f->stall_us)
		why = REASON_SEND_STALLED;
	if (why != REASON_NONE)
		v->ops->over(v, why);
	return sends;
}

/*
 * From the last to the first: a removal puts the last one, already served, in the place of the
 * removed one, so nobody is left out whoever goes; those who are added meanwhile were served then.
 * every: a stretched tick serves one in so many, others in other rounds. Ends early after `most`
 * sends; *left is where it goes on.
 */
static int serve_slot(struct fanout *f, struct slot *s, unsigned every, uint64_t round, int most,
		      uint32_t *left)
{
	uint32_t i = *left ? min_of(*left, s->n) : s->n;
	int sends = 0;

	while (i > 0 && sends < most) {
		i--;
		if (i >= s->n) {
			i = s->n;
			continue;
		}
		if (every > 1 && (i + round) % every)
			continue;
		if (i >= PREFETCH_VIEWER) {
			__builtin_prefetch(s->v[i - PREFETCH_VIEWER], 1);
			__builtin_prefetch(&s->v[i - PREFETCH_VIEWER]->busy, 1);
		}
		if (i >= PREFETCH_LOG)
			wlog_prefetch(s->v[i - PREFETCH_LOG]->cursor.log);
		sends += tick_viewer(f, s->v[i]);
	}
	*left = i;
	return sends;
}

/* How many of its ticks make one when the core has too much to do: low as normal, others as bulk. */
static unsigned stretch(const struct core *c, unsigned tick)
{
	const struct fanout *f = c->fanout;
	unsigned to = tick == TICK_LOW ? f->slots[TICK_NORMAL] : FANOUT_SLOTS;

	return c->load == LOAD_FINE ? 1 : max_of(to / f->slots[tick], 1u);
}

static int serve_class(struct core *c, unsigned tick, uint64_t now_slot)
{
	struct fanout *f = c->fanout;
	unsigned slots = f->slots[tick], every = stretch(c, tick);
	uint64_t at = f->next_slot[tick];
	int sends = 0;

	while (f->viewers[tick] && at <= now_slot && sends < FANOUT_TURN_SENDS) {
		/* Late by more than a tick: its turn counts for all that were missed, and the order stays. */
		if (!f->left[tick])
			at += (now_slot - at) / slots * slots;
		sends += serve_slot(f, &f->slot[tick][at % slots], every, at / slots,
				    FANOUT_TURN_SENDS - sends, &f->left[tick]);
		if (!f->left[tick])
			at++;
	}
	if (!f->viewers[tick]) {
		f->left[tick] = 0;
		at = now_slot + 1;
	}
	f->next_slot[tick] = at;
	return sends;
}

int fanout_poll(struct core *c, uint64_t now_us)
{
	struct fanout *f = c->fanout;
	uint64_t now_slot = now_us / FANOUT_SLOT_US;
	int sends = 0;

	if (min_of(min_of(f->next_slot[TICK_LOW], f->next_slot[TICK_NORMAL]),
		   f->next_slot[TICK_BULK]) > now_slot)
		return 0;
	read_rules(c);
	for (unsigned tick = 0; tick < TICK_MAX; tick++)
		sends += serve_class(c, tick, now_slot);
	return sends;
}

uint64_t fanout_next(const struct core *c, uint64_t now_us)
{
	const struct fanout *f = c->fanout;
	uint64_t best = UINT64_MAX, next;

	for (unsigned tick = 0; tick < TICK_MAX; tick++) {
		if (!f->viewers[tick])
			continue;
		next = f->next_slot[tick];
		for (unsigned i = 0; i < f->slots[tick] && next + i < best; i++)
			if (f->slot[tick][(next + i) % f->slots[tick]].n)
				best = next + i;
	}
	return best == UINT64_MAX ? best : max_of(best * FANOUT_SLOT_US, now_us);
}
