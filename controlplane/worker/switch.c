/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live source with backups and a slate: one of them is shown at a time, on one time line; the
 * destination sees new sequence headers and a key frame where the source changes, no gap and no end.
 * A source that still flows is left between two pictures where none is missing (splice_finish).
 *
 * Every source is connected all the time (feed.h); pick.h decides. Before anything was shown there is
 * nothing that the slate must have the codecs of: it waits for the first source.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/feed.h"
#include "controlplane/worker/output.h"
#include "controlplane/worker/pace.h"
#include "controlplane/worker/relay.h"

#define NEWS_US	 1000000
#define LOOK_US	 20000
#define LEAVE_US 500000 /* so long a source may take to come to such a place */
#define NOTHING	 (-2)	/* nothing is shown: before the first source, or without a slate */

struct switcher {
	struct job *job;
	struct feeds feeds;
	struct feed feed[PICK_SOURCES], slate;
	unsigned n;
	struct pick_rules rules;
	struct output out;
	struct track track[TRACKS]; /* of what is shown */
	struct splice line;
	struct pace pace; /* of the slate */
	int shown;
	int next; /* is shown when what is shown has come to an end; the same: nothing waits */
	uint64_t leave_us;   /* or then */
	bool running, begin; /* begin: the next unit is the first of another time line */
	uint64_t began_us, news_us, idle_us, bytes;
};

static struct feed *feed_of(struct switcher *s, int number)
{
	if (number == NOTHING)
		return NULL;
	return number == PICK_SLATE ? &s->slate : &s->feed[number];
}

/* ---- what is shown, with the lock held ------------------------------------------------------------- */

static bool fits(const struct switcher *s, const struct feed *f)
{
	for (int kind = 0; s->out.av && kind < TRACKS; kind++)
		if (s->out.codec[kind] != f->codec[kind])
			return false;
	return true;
}

static bool has_slate(const struct switcher *s)
{
	return *s->job->slate && s->out.av && s->slate.queued && fits(s, &s->slate);
}

/* Why what was shown is not any more. */
static enum reason why(const struct switcher *s, int next)
{
	if (s->shown < 0 || (next >= 0 && next < s->shown))
		return REASON_NONE;
	if (s->feed[s->shown].failed && !s->feed[s->shown].since_us)
		return s->feed[s->shown].fault.reason;
	return REASON_MEDIA_TIMEOUT;
}

static void show(struct switcher *s, int next)
{
	struct feed *f = feed_of(s, s->shown);

	if (next == PICK_SLATE && !has_slate(s))
		next = NOTHING;
	if (next == s->shown)
		return;
	job_say_source(next, why(s, next));
	log_info("source", "number=%d was=%d", next, s->shown);
	if (f)
		f->shown = false;
	s->shown = s->next = next;
	s->idle_us = clock_us();
	s->begin = true;
	s->pace.begun = false;
	f = feed_of(s, next);
	if (!f)
		return;
	f->shown = true;
	feed_to_key(f);
}

/* At the start the primary gets the time to come first. */
static bool waits_for_primary(const struct switcher *s, uint64_t now)
{
	uint64_t most = max_of(s->rules.silent_us, (uint64_t)s->job->connect_ms * 1000);

	return !s->running && !s->feed[0].failed && now - s->began_us < most;
}

/* What is shown has more: it is left at its next good place. */
static void leave(struct switcher *s, int next, uint64_t now)
{
	const struct feed *f = feed_of(s, s->shown);

	if (!f || STAILQ_EMPTY(&f->queue)) {
		show(s, next);
		return;
	}
	s->next = next;
	s->leave_us = now + LEAVE_US;
}

static bool is_left(const struct switcher *s)
{
	return s->next != s->shown;
}

static void choose(struct switcher *s, uint64_t now)
{
	struct pick_source view[PICK_SOURCES];
	int shown = s->shown == NOTHING ? PICK_SLATE : s->shown, next;

	if (is_left(s)) {
		if (now >= s->leave_us)
			show(s, s->next);
		return;
	}
	for (unsigned i = 0; i < s->n; i++) {
		view[i] = feed_state(&s->feed[i]);
		view[i].fits = fits(s, &s->feed[i]) && !(i && waits_for_primary(s, now));
	}
	next = pick_next(view, s->n, shown, &s->rules, now);
	if (next != shown || s->shown == NOTHING)
		leave(s, next, now);
}

static void wait_for_news(struct switcher *s)
{
	uint64_t until = clock_us() + LOOK_US;
	struct timespec ts = {(time_t)(until / 1000000), (long)(until % 1000000 * 1000)};

	pthread_cond_timedwait(&s->feeds.news, &s->feeds.lock, &ts);
}

/* The next unit to show, or NULL after a moment. */
static struct feed_unit *next_unit(struct switcher *s)
{
	struct feed_unit *u = NULL;
	struct splice_item item;
	struct feed *f;

	pthread_mutex_lock(&s->feeds.lock);
	choose(s, clock_us());
	f = feed_of(s, s->shown);
	if (f && !STAILQ_EMPTY(&f->queue)) {
		/* A source that was opened again has a new time line, and begins with a key frame too. */
		if (STAILQ_FIRST(&f->queue)->first)
			s->begin = true;
		if (s->begin)
			feed_to_key(f);
		if (s->begin && feed_first(f, &item)) {
			splice_begin(&s->line, &item);
			output_renew(&s->out);
			s->begin = false;
		}
		u = feed_take(f);
	}
	if (u) {
		memcpy(s->track, f->track, sizeof(s->track));
		/* Both tracks are announced before the first unit of either has come. */
		for (int kind = 0; kind < TRACKS; kind++)
			s->track[kind].codec = f->codec[kind];
		s->bytes += u->unit.n;
		s->idle_us = clock_us();
	} else {
		wait_for_news(s);
	}
	pthread_mutex_unlock(&s->feeds.lock);
	return u;
}

/* ---- without the lock --------------------------------------------------------------------------------- */

static void news(struct switcher *s)
{
	uint64_t now = clock_us();

	if (!s->running)
		job_say("running");
	else if (now - s->news_us < NEWS_US)
		return;
	s->running = true;
	s->news_us = now;
	job_say_position(0, 0, 0, s->bytes);
}

/* On the line, or not. A source that is left and has come to its end gives way to the next. */
static bool place(struct switcher *s, struct unit *u)
{
	enum splice_finish how;

	if (!is_left(s))
		return splice_place(&s->line, u);
	how = splice_finish(&s->line, u);
	if (how == SPLICE_ENDED) {
		pthread_mutex_lock(&s->feeds.lock);
		show(s, s->next);
		pthread_mutex_unlock(&s->feeds.lock);
	}
	return how == SPLICE_PLACED;
}

/* false: it is over and was said. */
static bool pass(struct switcher *s, struct feed_unit *u)
{
	struct fault f;

	if (!s->out.av && output_open(&s->out, s->job, s->track, &f)) {
		if (!job_stopping(s->job))
			job_say_failed(&f, true);
		return false;
	}
	if (!place(s, &u->unit))
		return true;
	if (s->shown == PICK_SLATE &&
	    job_wait(s->job, pace_due_us(&s->pace, u->unit.dts_us, clock_us())))
		return false;
	if (output_write(&s->out, &s->track[u->unit.kind], &u->unit, &f)) {
		job_say_failed(&f, true);
		return false;
	}
	news(s);
	return true;
}

/* Nothing can be shown for too long: the reason is the primary's. */
static bool is_lost(struct switcher *s)
{
	uint64_t most = (uint64_t)(s->job->media_ms + (s->running ? 0 : s->job->connect_ms)) * 1000;
	struct fault f = {REASON_MEDIA_TIMEOUT, ""};
	bool lost = clock_us() - s->idle_us > most, all_failed = !s->running;

	pthread_mutex_lock(&s->feeds.lock);
	for (unsigned i = 0; i < s->n; i++)
		all_failed = all_failed && s->feed[i].failed && !s->feed[i].since_us;
	if (s->feed[0].failed && s->feed[0].fault.reason != REASON_NONE)
		f = s->feed[0].fault;
	pthread_mutex_unlock(&s->feeds.lock);
	if (lost || all_failed)
		job_say_failed(&f, false);
	return lost || all_failed;
}

static void flow(struct switcher *s)
{
	struct feed_unit *u;
	bool goes_on = true;

	while (goes_on && !job_stopping(s->job)) {
		u = next_unit(s);
		if (!u) {
			goes_on = !is_lost(s);
			continue;
		}
		goes_on = pass(s, u);
		feed_unit_free(u);
	}
}

void relay_switch(struct job *j)
{
	struct switcher *s = calloc(1, sizeof(*s));

	must(s);
	s->job = j;
	s->n = min_of(j->urls, (unsigned)PICK_SOURCES);
	s->rules =
		(struct pick_rules){(uint64_t)j->switch_ms * 1000,
				    j->return_ms < 0 ? UINT64_MAX : (uint64_t)j->return_ms * 1000};
	s->shown = s->next = NOTHING;
	s->began_us = s->idle_us = clock_us();
	splice_init(&s->line);
	feeds_init(&s->feeds);
	job_say("connecting");
	for (unsigned i = 0; i < s->n; i++)
		feed_start(&s->feed[i], &s->feeds, j, j->url[i], false);
	if (*j->slate)
		feed_start(&s->slate, &s->feeds, j, j->slate, true);
	flow(s);
	output_close(&s->out);
	for (unsigned i = 0; i < s->n; i++)
		feed_stop(&s->feed[i]);
	if (*j->slate)
		feed_stop(&s->slate);
	free(s);
}
