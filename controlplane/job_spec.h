/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker is told about a task (the first packet of worker/job.h).
 *
 * Threads: pure, any.
 */
#ifndef CONTROLPLANE_JOB_SPEC_H
#define CONTROLPLANE_JOB_SPEC_H

#include <jansson.h>

#include "api/config.h"
#include "controlplane/model.h"

struct assets;

/*
 * A new reference. assets: of tasks that play media ids. inner_key: of the data plane that the worker publishes to, at the first address of
 * rtmp.listen.
 */
json_t *job_spec(const struct task *t, const struct config *conf, const struct assets *assets,
		 const char *inner_key);
/* The list that waits to be played instead, for jobs_set_next(). */
json_t *job_spec_next(const struct task *t, const struct assets *assets);
/* The same of the worker that sends the task's stream on to a destination. */
json_t *job_spec_push(const struct task *t, const char *url, const struct config *conf,
		      const char *inner_key);
/* Of the worker that pulls a stream (domain/app/name) for a domain; protocol: pull_protocol(). */
json_t *job_spec_pull(const char *url, const char *protocol, const char *stream,
		      const struct config *conf, const char *inner_key);
/* The job of a worker that only looks at a file. */
json_t *job_spec_probe(const char *url, const struct config *conf);

#endif
