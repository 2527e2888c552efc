/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of several sources: read by a thread of its own into a queue, opened again when it ended.
 *
 *   opening --open--> flowing --ended, failed--> pausing --a moment later--> opening
 *
 * A feed that nobody shows keeps what came since its last key frame, so that showing it can begin at
 * once; a film (the slate) waits while its queue is full. All feeds of a worker share one lock.
 * Threads: feed_run() is the feed's own; the rest is the shower's, with the lock held where it says so.
 */
#ifndef WORKER_FEED_H
#define WORKER_FEED_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "controlplane/worker/input.h"
#include "controlplane/worker/pick.h"

struct feeds {
	pthread_mutex_t lock;
	pthread_cond_t news;
};

struct feed_unit {
	STAILQ_ENTRY(feed_unit) link;
	struct unit unit;
	uint64_t came_us;
	struct track *track; /* what its track has become, or NULL: as before */
	bool first;	     /* of an opened source: another time line begins */
	uint8_t bytes[];
};

struct feed {
	struct feeds *feeds;
	struct job job; /* the worker's, stopped by `stop` */
	const char *url;
	pthread_t thread;
	atomic_bool stop, shown;
	bool film;
	/* With the lock. */
	STAILQ_HEAD(, feed_unit) queue;
	size_t queued, queued_bytes;
	uint64_t since_us, last_us, bytes;
	int64_t frame_us;
	bool has[TRACKS];
	enum track_codec codec[TRACKS]; /* of what is queued */
	struct track track[TRACKS];	/* of the unit that was taken last */
	bool first_due;			/* what was dropped last began a time line */
	struct fault fault;		/* why it ended last */
	bool failed;			/* it has ended at least once */
};

void feeds_init(struct feeds *fs);
void feed_start(struct feed *f, struct feeds *fs, const struct job *job, const char *url,
		bool film);
/* Waits for its thread. */
void feed_stop(struct feed *f);

/* ---- with the lock held ---------------------------------------------------------------------- */

/* NULL: none is there. */
struct feed_unit *feed_take(struct feed *f);
void feed_unit_free(struct feed_unit *u);
/* Where its time line begins, by what is queued. false: nothing is. */
bool feed_first(const struct feed *f, struct splice_item *item);
/* Everything before the first key frame of the queue goes. */
void feed_to_key(struct feed *f);
/* What pick.h wants to know; fits is left to the caller. */
struct pick_source feed_state(const struct feed *f);

#endif
