/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cursor.h"

#include "base/check.h"

static void set_state(struct cursor *c, enum cursor_state to)
{
	must(c->state != CURSOR_LOST);
	c->state = (uint8_t)to;
}

void cursor_init(struct cursor *c, struct wlog *log, uint64_t delay_us)
{
	uint64_t head = wlog_head(log);

	*c = (struct cursor){.log = log,
			     .sent = head,
			     .stop = head,
			     .delay_us = delay_us,
			     .state = CURSOR_WAITING};
}

static enum cursor_event gone(struct cursor *c)
{
	set_state(c, CURSOR_LOST);
	return CURSOR_GONE;
}

static enum cursor_event reached(struct cursor *c)
{
	c->want_pause = false;
	c->stop = c->sent;
	set_state(c, CURSOR_PAUSED);
	return CURSOR_REACHED;
}

/* Onto a key frame; the caller is between two messages. */
static enum cursor_event place(struct cursor *c, const struct wlog_key *key, uint64_t *skipped)
{
	bool first = !c->joined;

	if (!first) {
		*skipped = key->off - c->sent;
		c->skips++;
	}
	c->joined = true;
	c->sent = key->off;
	c->stop = key->off;
	set_state(c, CURSOR_FLOWING);
	return first ? CURSOR_JOINED : CURSOR_SKIPPED;
}

static uint64_t past(uint64_t now_us, uint64_t back_us)
{
	return now_us > back_us ? now_us - back_us : 0;
}

static uint64_t start_us(const struct cursor *c)
{
	return (uint64_t)c->start_s * 1000000u;
}

/* How new what it gets may be; 0: nothing is old enough. */
static uint64_t horizon_us(const struct cursor *c, uint64_t now_us)
{
	return past(now_us, c->delay_us);
}

/* Where to join or skip to. */
static bool join_key(const struct cursor *c, uint64_t now_us, struct wlog_key *key)
{
	if (unlikely(c->start_s && !c->joined && !c->delay_us))
		return wlog_key_near(c->log, past(now_us, start_us(c)), key);
	if (likely(!c->delay_us))
		return wlog_newest_key(c->log, key);
	return wlog_key_before(c->log, horizon_us(c, now_us), key);
}

/* A log that has dropped what the delay asks for: the delay is what it can be, with a reserve. */
static void fit_delay(struct cursor *c, const struct wlog_ends *ends, uint64_t now_us)
{
	uint64_t at_us = ends->tail ? wlog_time_of(c->log, ends->tail) : 0;
	uint64_t age_us = now_us > at_us ? now_us - at_us : 0;

	if (at_us && age_us < c->delay_us)
		c->delay_us = max_of(age_us - age_us / 4, 1u);
}

static enum cursor_event flow(struct cursor *c, const struct wlog_ends *ends, uint64_t now_us)
{
	uint64_t old_enough = WLOG_NONE;

	if (unlikely(c->delay_us))
		old_enough = wlog_before(c->log, horizon_us(c, now_us));
	if (likely(!c->delay_us))
		c->stop = ends->head;
	else if (old_enough != WLOG_NONE)
		c->stop = max_of(c->stop, old_enough);
	return c->sent < c->stop ? CURSOR_DATA : CURSOR_NOTHING;
}

static enum cursor_event settle_waiting(struct cursor *c, const struct wlog_ends *ends,
					uint64_t now_us, struct wlog_key *key, uint64_t *skipped)
{
	if (c->want_pause)
		return reached(c);
	if (unlikely(c->delay_us))
		fit_delay(c, ends, now_us);
	if (join_key(c, now_us, key) && (!c->joined || key->off > c->sent))
		return place(c, key, skipped);
	if (!c->joined || c->sent < ends->tail)
		return CURSOR_NOTHING;
	set_state(c, CURSOR_FLOWING);
	return flow(c, ends, now_us);
}

static bool too_old(const struct cursor *c, uint64_t now_us, uint64_t max_lag_us)
{
	uint64_t at_us = wlog_time_of(c->log, c->sent);

	return at_us + max_lag_us + c->delay_us + start_us(c) < now_us;
}

/* The pause or the skip that it was landing for. */
static enum cursor_event landed(struct cursor *c, const struct wlog_ends *ends, uint64_t now_us,
				struct wlog_key *key, uint64_t *skipped)
{
	if (c->want_pause)
		return reached(c);
	if (join_key(c, now_us, key) && key->off > c->sent)
		return place(c, key, skipped);
	if (c->sent < ends->tail) {
		set_state(c, CURSOR_WAITING);
		return CURSOR_NOTHING;
	}
	set_state(c, CURSOR_FLOWING);
	return flow(c, ends, now_us);
}

static enum cursor_event settle_landing(struct cursor *c, const struct wlog_ends *ends,
					uint64_t now_us, struct wlog_key *key, uint64_t *skipped)
{
	if (cursor_at_boundary(c))
		return landed(c, ends, now_us, key, skipped);
	return c->sent < ends->tail ? gone(c) : CURSOR_DATA;
}

static enum cursor_event settle_flowing(struct cursor *c, const struct wlog_ends *ends,
					uint64_t now_us, uint64_t max_lag_us, struct wlog_key *key,
					uint64_t *skipped)
{
	uint64_t target = ends->key, boundary;
	bool behind;

	if (c->sent < ends->tail) {
		if (!cursor_at_boundary(c))
			return gone(c);
		set_state(c, CURSOR_WAITING);
		return settle_waiting(c, ends, now_us, key, skipped);
	}
	if (unlikely(c->delay_us))
		target = too_old(c, now_us, max_lag_us) && join_key(c, now_us, key) ? key->off
										    : WLOG_NONE;
	behind = target != WLOG_NONE && target > c->sent;
	/* Almost always: nothing asked, and no newer key frame that could be jumped to. */
	if (!c->want_pause && !(behind && too_old(c, now_us, max_lag_us)))
		return flow(c, ends, now_us);
	boundary = cursor_at_boundary(c) ? c->sent : wlog_boundary(c->log, c->sent);
	if (boundary == WLOG_NONE)
		return gone(c);
	/* The key frame is the next message: flowing gets there by itself. */
	if (!c->want_pause && boundary >= target)
		return flow(c, ends, now_us);
	c->stop = boundary;
	set_state(c, CURSOR_LANDING);
	return settle_landing(c, ends, now_us, key, skipped);
}

enum cursor_event cursor_settle(struct cursor *c, uint64_t now_us, uint64_t max_lag_us,
				struct wlog_key *key, uint64_t *skipped)
{
	struct wlog_ends ends;

	wlog_ends(c->log, &ends);
	switch ((enum cursor_state)c->state) {
	case CURSOR_FLOWING:
		return settle_flowing(c, &ends, now_us, max_lag_us, key, skipped);
	case CURSOR_WAITING:
		return settle_waiting(c, &ends, now_us, key, skipped);
	case CURSOR_LANDING:
		return settle_landing(c, &ends, now_us, key, skipped);
	case CURSOR_PAUSED:
		return c->want_pause ? reached(c) : CURSOR_NOTHING;
	case CURSOR_LOST:
		break;
	}
	return CURSOR_GONE;
}

unsigned cursor_range(const struct cursor *c, uint32_t max, struct slice out[2])
{
	uint64_t n = c->stop - c->sent;

	if ((c->state != CURSOR_FLOWING && c->state != CURSOR_LANDING) || !n || !max)
		return 0;
	return wlog_slices(c->log, c->sent, (uint32_t)min_of(n, (uint64_t)max), out);
}

void cursor_advance(struct cursor *c, uint64_t n)
{
	must(n <= c->stop - c->sent);
	c->sent += n;
}

void cursor_pause(struct cursor *c)
{
	c->want_pause = true;
}

void cursor_resume(struct cursor *c, bool at_key)
{
	bool asked = c->want_pause;

	c->want_pause = false;
	if (c->state == CURSOR_PAUSED)
		set_state(c, at_key || !c->joined ? CURSOR_WAITING : CURSOR_FLOWING);
	else if (c->state == CURSOR_LANDING && asked && !at_key)
		set_state(c, CURSOR_FLOWING);
}

static bool has_place(const struct cursor *c)
{
	return c->state != CURSOR_WAITING && c->state != CURSOR_LOST;
}

uint64_t cursor_behind(const struct cursor *c)
{
	return has_place(c) ? wlog_head(c->log) - c->sent : 0;
}

uint64_t cursor_lag_us(const struct cursor *c, uint64_t now_us)
{
	uint64_t at_us;

	if (!cursor_behind(c))
		return 0;
	/* Older than every mark: at least as old as the oldest one. */
	at_us = wlog_time_of(c->log, max_of(c->sent, wlog_tail(c->log)));
	at_us += at_us ? c->delay_us : 0;
	return at_us && at_us < now_us ? now_us - at_us : 0;
}

void cursor_check(const struct cursor *c)
{
	struct wlog_ends ends;

	wlog_ends(c->log, &ends);
	must(c->sent <= c->stop && c->stop <= ends.head);
	switch ((enum cursor_state)c->state) {
	case CURSOR_WAITING:
	case CURSOR_PAUSED:
		must(cursor_at_boundary(c));
		break;
	case CURSOR_FLOWING:
	case CURSOR_LANDING:
		must(c->joined);
		if (c->sent >= ends.tail)
			must(wlog_boundary(c->log, c->stop) == c->stop);
		break;
	case CURSOR_LOST:
		break;
	}
}
