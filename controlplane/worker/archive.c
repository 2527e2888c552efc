/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/worker/archive_run.h"

#define QUEUE_BYTES   (64u << 20) /* what a slow disk may hold up */
#define QUEUE_JOBS    4096
#define SWEEP_SECONDS 60
#define LEAVE_SECONDS 3 /* to write what is queued at the end */

enum errand_kind { ERRAND_BEGIN, ERRAND_INIT, ERRAND_KEY, ERRAND_PUT, ERRAND_END };

struct errand {
	STAILQ_ENTRY(errand) link;
	enum errand_kind kind;
	uint64_t run;
	int64_t number; /* of the init section or the key; the first sequence number */
	int64_t target_ms;
	struct archive_segment s;
	int fd;
	size_t bytes;
	char stream[512];
};

struct archive {
	char folder[1100];
	int64_t retain_ms;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	STAILQ_HEAD(, errand) queue;
	size_t queued, queued_bytes;
	uint64_t runs;
	bool leaving, left;
	struct archive_stats stats;
	LIST_HEAD(, archive_run) open; /* the thread's own */
};

/* ---- the thread ---------------------------------------------------------------------------------- */

static void count(struct archive *a, int rc, uint64_t bytes)
{
	pthread_mutex_lock(&a->lock);
	if (rc) {
		a->stats.failed++;
		a->stats.reason = rc == -ENOSPC || rc == -EDQUOT ? REASON_HLS_DISK_FULL
								 : REASON_HLS_DISK_ERROR;
	} else {
		a->stats.files++;
		a->stats.bytes += bytes;
	}
	pthread_mutex_unlock(&a->lock);
	if (rc)
		log_warn("archive", "folder=%s why=\"%s\"", a->folder, strerror(-rc));
}

static struct archive_run *find(struct archive *a, uint64_t number)
{
	struct archive_run *r;

	LIST_FOREACH (r, &a->open, link)
		if (r->number == number)
			return r;
	return NULL;
}

static void begin(struct archive *a, const struct errand *e)
{
	struct archive_run *r = calloc(1, sizeof(*r));
	int rc;

	must(r);
	r->number = e->run;
	r->target_ms = e->target_ms;
	LIST_INSERT_HEAD(&a->open, r, link);
	rc = archive_run_begin(r, a->folder, e->stream, e->number, (int64_t)clock_wall_ms());
	if (rc)
		count(a, rc, 0);
}

static void put_named(struct archive *a, struct archive_run *r, const struct errand *e)
{
	bool key = e->kind == ERRAND_KEY;
	uint64_t bytes = 0;
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "%s-%lld%s", key ? "key" : "init", (long long)e->number,
		 key ? "" : ".mp4");
	rc = archive_run_file(r, name, e->fd, &bytes);
	count(a, rc, bytes);
}

static void put(struct archive *a, struct archive_run *r, const struct errand *e)
{
	uint64_t bytes = 0;
	int rc;

	archive_run_shorten(r, (int64_t)clock_wall_ms() - a->retain_ms);
	rc = archive_run_put(r, &e->s, e->fd, &bytes);
	count(a, rc, bytes);
}

static void end(struct archive *a, struct archive_run *r)
{
	int rc = archive_run_end(r);

	if (rc)
		count(a, rc, 0);
	LIST_REMOVE(r, link);
	archive_run_fini(r);
	free(r);
}

static void run(struct archive *a, const struct errand *e)
{
	struct archive_run *r = e->kind == ERRAND_BEGIN ? NULL : find(a, e->run);

	if (e->kind == ERRAND_BEGIN)
		begin(a, e);
	else if (!r)
		return;
	else if (e->kind == ERRAND_PUT)
		put(a, r, e);
	else if (e->kind == ERRAND_END)
		end(a, r);
	else
		put_named(a, r, e);
}

/* NULL: it is time to sweep, or to leave. */
static struct errand *next(struct archive *a, uint64_t until_us)
{
	struct errand *e;
	struct timespec ts = {(time_t)(until_us / 1000000), (long)(until_us % 1000000 * 1000)};
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	while (!(e = STAILQ_FIRST(&a->queue)) && !a->leaving && !rc)
		rc = pthread_cond_timedwait(&a->changed, &a->lock, &ts);
	if (e)
		STAILQ_REMOVE_HEAD(&a->queue, link);
	else if (a->leaving)
		a->left = true;
	pthread_mutex_unlock(&a->lock);
	return e;
}

static void finish(struct archive *a, struct errand *e)
{
	pthread_mutex_lock(&a->lock);
	a->queued--;
	a->queued_bytes -= e->bytes;
	pthread_mutex_unlock(&a->lock);
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}

static void *archive_thread(void *arg)
{
	struct archive *a = arg;
	uint64_t sweep_us = 0;
	struct errand *e;

	while (!a->left) {
		if (clock_us() >= sweep_us) {
			archive_sweep(a->folder, ((int64_t)clock_wall_ms() - a->retain_ms) / 1000);
			sweep_us = clock_us() + SWEEP_SECONDS * 1000000ull;
		}
		e = next(a, sweep_us);
		if (!e)
			continue;
		run(a, e);
		finish(a, e);
	}
	while (!LIST_EMPTY(&a->open))
		end(a, LIST_FIRST(&a->open));
	return NULL;
}

/* ---- the packaging thread ------------------------------------------------------------------------ */

struct archive *archive_new(const char *folder, int64_t retain_ms)
{
	struct archive *a = calloc(1, sizeof(*a));
	pthread_condattr_t monotonic;

	must(a);
	if (access(folder, W_OK | X_OK)) {
		free(a);
		return NULL;
	}
	snprintf(a->folder, sizeof(a->folder), "%s", folder);
	a->retain_ms = retain_ms;
	STAILQ_INIT(&a->queue);
	LIST_INIT(&a->open);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	must(!pthread_create(&a->thread, NULL, archive_thread, a));
	return a;
}

void archive_free(struct archive *a)
{
	struct timespec ts;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->leaving = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += LEAVE_SECONDS;
	/* A disk that hangs is left behind: the process ends. */
	if (pthread_clockjoin_np(a->thread, NULL, CLOCK_MONOTONIC, &ts))
		return;
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static struct errand *errand_new(enum errand_kind kind, uint64_t run_number, int64_t number)
{
	struct errand *e = calloc(1, sizeof(*e));

	must(e);
	e->kind = kind;
	e->run = run_number;
	e->number = number;
	e->fd = -1;
	return e;
}

static void add(struct archive *a, struct errand *e)
{
	bool full;

	pthread_mutex_lock(&a->lock);
	/* Only segments have weight: a run without its beginning would be of no use. */
	full = e->kind == ERRAND_PUT &&
	       (a->queued >= QUEUE_JOBS || a->queued_bytes + e->bytes > QUEUE_BYTES);
	if (full) {
		a->stats.failed++;
		a->stats.reason = REASON_HLS_DISK_SLOW;
	} else {
		STAILQ_INSERT_TAIL(&a->queue, e, link);
		a->queued++;
		a->queued_bytes += e->bytes;
		pthread_cond_signal(&a->changed);
	}
	pthread_mutex_unlock(&a->lock);
	if (!full)
		return;
	close(e->fd);
	free(e);
}

/* Its own descriptor of the same object. */
static void add_object(struct archive *a, struct errand *e, int fd)
{
	struct stat st;

	e->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (e->fd < 0 || fstat(e->fd, &st)) {
		count(a, -errno, 0);
		if (e->fd >= 0)
			close(e->fd);
		free(e);
		return;
	}
	e->bytes = (size_t)st.st_size;
	add(a, e);
}

uint64_t archive_begin(struct archive *a, const char *stream, int64_t first_seq, int64_t target_ms)
{
	struct errand *e = errand_new(ERRAND_BEGIN, ++a->runs, first_seq);
	uint64_t number = e->run;

	snprintf(e->stream, sizeof(e->stream), "%s", stream);
	e->target_ms = target_ms;
	add(a, e);
	return number;
}

void archive_init_section(struct archive *a, uint64_t run_number, int64_t init, int fd)
{
	add_object(a, errand_new(ERRAND_INIT, run_number, init), fd);
}

void archive_key(struct archive *a, uint64_t run_number, int64_t key, int fd)
{
	add_object(a, errand_new(ERRAND_KEY, run_number, key), fd);
}

void archive_put(struct archive *a, uint64_t run_number, const struct archive_segment *s, int fd)
{
	struct errand *e = errand_new(ERRAND_PUT, run_number, s->seq);

	e->s = *s;
	add_object(a, e, fd);
}

void archive_end(struct archive *a, uint64_t run_number)
{
	add(a, errand_new(ERRAND_END, run_number, 0));
}

void archive_stats(struct archive *a, struct archive_stats *out)
{
	pthread_mutex_lock(&a->lock);
	*out = a->stats;
	pthread_mutex_unlock(&a->lock);
}
