/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/worker/fault.h"

#define AGAIN_MS    1000 /* from the end of a source to the next try */
#define QUEUE_UNITS 3000
#define QUEUE_BYTES (32u << 20)
#define FILM_UNITS  200

void feeds_init(struct feeds *fs)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&fs->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&fs->news, &attr);
	pthread_condattr_destroy(&attr);
}

/* ---- the queue, with the lock held ------------------------------------------------------------- */

void feed_unit_free(struct feed_unit *u)
{
	free(u->track);
	free(u);
}

struct feed_unit *feed_take(struct feed *f)
{
	struct feed_unit *u = STAILQ_FIRST(&f->queue);

	if (!u)
		return NULL;
	STAILQ_REMOVE_HEAD(&f->queue, link);
	f->queued--;
	f->queued_bytes -= u->unit.n;
	if (u->track)
		f->track[u->unit.kind] = *u->track;
	pthread_cond_broadcast(&f->feeds->news);
	return u;
}

/* A time line that began with what is dropped begins with what follows. */
static void drop_one(struct feed *f)
{
	struct feed_unit *u = feed_take(f), *next = STAILQ_FIRST(&f->queue);

	if (u->first && next)
		next->first = true;
	else
		f->first_due = f->first_due || u->first;
	feed_unit_free(u);
}

static bool begins_well(const struct feed *f, const struct feed_unit *u)
{
	return f->has[TRACK_VIDEO] ? u->unit.kind == TRACK_VIDEO && u->unit.key : true;
}

void feed_to_key(struct feed *f)
{
	while (!STAILQ_EMPTY(&f->queue) && !begins_well(f, STAILQ_FIRST(&f->queue)))
		drop_one(f);
}

bool feed_first(const struct feed *f, struct splice_item *item)
{
	const struct feed_unit *u;

	*item = (struct splice_item){SPLICE_NONE, SPLICE_NONE, SPLICE_NONE, f->frame_us};
	for (u = STAILQ_FIRST(&f->queue); u; u = STAILQ_NEXT(u, link)) {
		if (u->unit.kind == TRACK_VIDEO && item->video_dts_us == SPLICE_NONE) {
			item->video_dts_us = u->unit.dts_us;
			item->video_pts_us = u->unit.pts_us;
		}
		if (u->unit.kind == TRACK_AUDIO && item->audio_dts_us == SPLICE_NONE)
			item->audio_dts_us = u->unit.dts_us;
	}
	return !STAILQ_EMPTY(&f->queue);
}

struct pick_source feed_state(const struct feed *f)
{
	const struct feed_unit *head = STAILQ_FIRST(&f->queue);

	return (struct pick_source){.since_us = f->since_us,
				    .last_us = f->last_us,
				    .head_us = head ? head->came_us : 0,
				    .head_key = head && begins_well(f, head)};
}

/* ---- the feed's own thread ----------------------------------------------------------------------- */

static void wait_ms(struct feed *f, int64_t ms)
{
	uint64_t until = clock_us() + (uint64_t)ms * 1000;
	struct timespec ts = {(time_t)(until / 1000000), (long)(until % 1000000 * 1000)};

	while (!f->stop && clock_us() < until)
		if (pthread_cond_timedwait(&f->feeds->news, &f->feeds->lock, &ts) == ETIMEDOUT)
			return;
}

static bool is_full(const struct feed *f)
{
	return f->film ? f->queued >= FILM_UNITS
		       : f->queued >= QUEUE_UNITS || f->queued_bytes >= QUEUE_BYTES;
}

/* Nobody shows it: it begins anew with every key frame, and is never full. */
static void keep_short(struct feed *f, const struct feed_unit *came)
{
	if (f->film || f->shown)
		return;
	if (came->unit.kind == TRACK_VIDEO ? came->unit.key : !f->has[TRACK_VIDEO])
		while (STAILQ_FIRST(&f->queue) != came)
			drop_one(f);
}

static void add(struct feed *f, struct feed_unit *u)
{
	pthread_mutex_lock(&f->feeds->lock);
	while (f->film && is_full(f) && !f->stop)
		pthread_cond_wait(&f->feeds->news, &f->feeds->lock);
	while (is_full(f))
		drop_one(f);
	u->first = u->first || f->first_due;
	f->first_due = false;
	STAILQ_INSERT_TAIL(&f->queue, u, link);
	f->queued++;
	f->queued_bytes += u->unit.n;
	f->bytes += u->unit.n;
	f->last_us = u->came_us;
	if (!f->since_us)
		f->since_us = u->came_us;
	keep_short(f, u);
	pthread_cond_broadcast(&f->feeds->news);
	pthread_mutex_unlock(&f->feeds->lock);
}

static struct feed_unit *copy_of(const struct unit *u)
{
	struct feed_unit *c = malloc(sizeof(*c) + u->n);

	must(c);
	*c = (struct feed_unit){.unit = *u, .came_us = clock_us()};
	memcpy(c->bytes, u->data, u->n);
	c->unit.data = c->bytes;
	return c;
}

static void begin(struct feed *f, struct input *in, const struct splice_item *item)
{
	pthread_mutex_lock(&f->feeds->lock);
	for (int kind = 0; kind < TRACKS; kind++) {
		f->codec[kind] = in->track[kind].codec;
		f->has[kind] = in->track[kind].codec != CODEC_NONE;
	}
	f->frame_us = item->frame_us;
	pthread_mutex_unlock(&f->feeds->lock);
}

static void flow(struct feed *f, struct input *in, struct fault *fault)
{
	unsigned told[TRACKS] = {0};
	struct splice_item item;
	struct feed_unit *c;
	bool first = true;
	struct unit u;
	int rc = 0;

	input_first(in, &item);
	begin(f, in, &item);
	while (!f->stop && (rc = input_next(in, &u, fault)) > 0) {
		const struct track *t = &in->track[u.kind];

		c = copy_of(&u);
		c->first = first;
		first = false;
		if (told[u.kind] != t->changes + 1) {
			told[u.kind] = t->changes + 1;
			c->track = malloc(sizeof(*t));
			must(c->track);
			*c->track = *t;
		}
		add(f, c);
	}
	if (!f->stop && !rc)
		*fault = (struct fault){REASON_REMOTE_ENDED, ""};
}

static void *feed_run(void *arg)
{
	struct feed *f = arg;
	struct fault fault = {REASON_NONE, ""};
	struct input in;

	while (!f->stop) {
		if (!input_open(&in, &f->job, f->url, !f->film, &fault))
			flow(f, &in, &fault);
		input_close(&in);
		pthread_mutex_lock(&f->feeds->lock);
		f->since_us = 0;
		f->failed = true;
		f->fault = fault;
		pthread_cond_broadcast(&f->feeds->news);
		if (!f->film || fault.reason != REASON_REMOTE_ENDED)
			wait_ms(f, AGAIN_MS);
		pthread_mutex_unlock(&f->feeds->lock);
	}
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------ */

void feed_start(struct feed *f, struct feeds *fs, const struct job *job, const char *url, bool film)
{
	*f = (struct feed){.feeds = fs, .job = *job, .url = url, .film = film};
	f->job.stop = &f->stop;
	STAILQ_INIT(&f->queue);
	must(!pthread_create(&f->thread, NULL, feed_run, f));
}

void feed_stop(struct feed *f)
{
	struct feed_unit *u;

	pthread_mutex_lock(&f->feeds->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->feeds->news);
	pthread_mutex_unlock(&f->feeds->lock);
	pthread_join(f->thread, NULL);
	pthread_mutex_lock(&f->feeds->lock);
	while ((u = feed_take(f)))
		feed_unit_free(u);
	pthread_mutex_unlock(&f->feeds->lock);
}
