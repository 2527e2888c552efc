/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers: one process per task whose source needs FFmpeg's libraries, started, watched, stopped.
 *
 *   none --start--> running --"failed", "finished"--> ended --its process is gone--> none
 *   running --crash, or the data plane hung up--> waiting --soon--> running;  too often --> ended
 *   any --stop--> stopping --its process is gone--> none (or running, if started anew meanwhile)
 *
 * A worker that crashes is started again at the position that it told last, and the data plane
 * holds its stream meanwhile. What a worker is told and tells is in worker/job.h. When this process
 * ends, its workers see their channels close and end too; the next control plane starts them at the
 * position that Redis has.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_JOBS_H
#define CONTROLPLANE_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "controlplane/machine.h"

struct event_base;
struct jobs;

struct job_progress {
	int64_t file, offset_s, round; /* of a list: which file, where in it, rounds before */
	uint64_t bps;		       /* read from the source */
	int64_t first_media_ms;	       /* wall clock */
	uint64_t last_media_us;	       /* monotonic clock */
};

struct jobs_ops {
	/* detail: what went wrong, or "". Never from within jobs_start() or jobs_stop(). */
	void (*state)(void *arg, const char *task_id, enum leg_state state, enum reason reason,
		      const char *detail);
	/* About once a second. */
	void (*progress)(void *arg, const char *task_id, const struct job_progress *p);
	void (*skipped)(void *arg, const char *task_id, int64_t file, const char *reason,
			const char *detail);
	/* Every other event, borrowed. */
	void (*told)(void *arg, const char *task_id, const json_t *event);
};

/* program: path of millrace-worker. */
struct jobs *jobs_new(struct event_base *base, const char *program, const struct jobs_ops *ops,
		      void *arg);
/* Their channels are closed: the workers end by themselves. */
void jobs_free(struct jobs *js);
/* Takes the reference to the description (worker/job.h). Replaces what runs for the task. */
void jobs_start(struct jobs *js, const char *task_id, json_t *description);
/* Fine where there is none. */
void jobs_stop(struct jobs *js, const char *task_id);
/* How often the list is played again; told to the worker only where it is new. */
void jobs_set_repeat(struct jobs *js, const char *task_id, int64_t repeat);
/*
 * The list that takes the place of the one that is played (worker/job.h), or NULL: none waits. Takes
 * the reference; told to the worker only where it is new. The event "list" says that it is played.
 */
void jobs_set_next(struct jobs *js, const char *task_id, json_t *next);
size_t jobs_count(const struct jobs *js);
/* Workers that ended without a last word, since the start. */
uint64_t jobs_crashes(const struct jobs *js);

#endif
