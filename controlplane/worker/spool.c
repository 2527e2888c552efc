/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"

struct waiting {
	STAILQ_ENTRY(waiting) link;
	int fd; /* ours; -1: there was no memory for it */
	size_t bytes;
	int64_t begin_ms, duration_us;
	bool discontinuity;
};

struct spool {
	struct reel *reel; /* the thread's */
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	STAILQ_HEAD(, waiting) queue;
	size_t bytes; /* in the queue and being written */
	bool writing, leaving, broken;
	uint64_t left_out;
	struct reel_stats written;
};

static void forget(struct waiting *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

/* ---- the thread ---- */

/* NULL: it is to leave. */
static struct waiting *next(struct spool *s)
{
	struct waiting *w;

	pthread_mutex_lock(&s->lock);
	while (!(w = STAILQ_FIRST(&s->queue)) && !s->leaving)
		pthread_cond_wait(&s->changed, &s->lock);
	if (w)
		STAILQ_REMOVE_HEAD(&s->queue, link);
	s->writing = w != NULL;
	pthread_mutex_unlock(&s->lock);
	return w;
}

static void *spool_thread(void *arg)
{
	struct spool *s = arg;
	struct waiting *w;

	while ((w = next(s))) {
		reel_put(s->reel, w->fd, w->begin_ms, w->duration_us, w->discontinuity);
		pthread_mutex_lock(&s->lock);
		s->written = *reel_stats(s->reel);
		s->bytes -= w->bytes;
		s->writing = false;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
		forget(w);
	}
	return NULL;
}

/* ---- the owner ---- */

/* Locked. */
static void leave_out(struct spool *s, struct waiting *w)
{
	s->left_out++;
	s->broken = true;
	forget(w);
}

void spool_put(struct spool *s, int fd, int64_t begin_ms, int64_t duration_us, bool discontinuity)
{
	struct waiting *w = calloc(1, sizeof(*w));
	struct stat st;

	must(w);
	*w = (struct waiting){.fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0),
			      .begin_ms = begin_ms,
			      .duration_us = duration_us};
	if (w->fd >= 0 && !fstat(w->fd, &st))
		w->bytes = (size_t)st.st_size;
	pthread_mutex_lock(&s->lock);
	w->discontinuity = discontinuity || s->broken;
	if (s->bytes && s->bytes + w->bytes > SPOOL_BYTES) {
		if (!s->broken)
			log_warn("channel_disk_slow", "waiting=%zu", s->bytes);
		leave_out(s, w);
	} else {
		s->broken = false;
		s->bytes += w->bytes;
		STAILQ_INSERT_TAIL(&s->queue, w, link);
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
}

struct reel_stats spool_stats(struct spool *s)
{
	struct reel_stats now;

	pthread_mutex_lock(&s->lock);
	now = s->written;
	now.failed += s->left_out;
	if (s->broken)
		now.error = -ETIMEDOUT;
	pthread_mutex_unlock(&s->lock);
	return now;
}

void spool_drain(struct spool *s, uint64_t wait_us)
{
	struct timespec until;
	struct waiting *w;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(wait_us % 1000000 * 1000);
	until.tv_sec += (time_t)(wait_us / 1000000) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->lock);
	while ((s->writing || !STAILQ_EMPTY(&s->queue)) && !rc)
		rc = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	while ((w = STAILQ_FIRST(&s->queue))) {
		STAILQ_REMOVE_HEAD(&s->queue, link);
		s->bytes -= w->bytes;
		leave_out(s, w);
	}
	s->leaving = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

struct spool *spool_new(struct reel *r)
{
	struct spool *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;

	must(s);
	s->reel = r;
	STAILQ_INIT(&s->queue);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	must(!pthread_create(&s->thread, NULL, spool_thread, s));
	return s;
}

void spool_free(struct spool *s)
{
	bool stuck;

	if (!s)
		return;
	spool_drain(s, 0);
	pthread_mutex_lock(&s->lock);
	stuck = s->writing;
	pthread_mutex_unlock(&s->lock);
	if (stuck)
		return;
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	reel_close(s->reel);
	free(s);
}
