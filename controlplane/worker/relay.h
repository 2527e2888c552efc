/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs: a live source passed on as it comes, a list of files played in real time, a look at a file, a destination.
 *
 * All end with job_say("finished"), job_say_failed(), or silently when the job is to stop.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include "controlplane/worker/job.h"

void relay_live(struct job *j);
/* The same with backups or a slate. */
void relay_switch(struct job *j);
void relay_list(struct job *j);
/* Sends the stream `output` on to the first URL. */
void relay_push(struct job *j);
/* Says what is in the first URL. */
void relay_probe(struct job *j);

#endif
