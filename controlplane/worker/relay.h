/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two jobs: a live source passed on as it comes, and a list of files played in real time.
 *
 * Both end with job_say("finished"), job_say_failed(), or silently when the job is to stop.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include "controlplane/worker/job.h"

void relay_live(struct job *j);
void relay_list(struct job *j);

#endif
