/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker process and its channel: started, spoken with, watched until its end.
 *
 * The worker's end of a SOCK_SEQPACKET pair is its descriptor 3, with one JSON object per packet
 * (worker/job.h). When this process ends, its workers see their channels close and end too.
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_PROCESS_H
#define CONTROLPLANE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

struct event_base;
struct process;

struct process_ops {
	void (*said)(void *arg, const json_t *packet);
	/* After its last word; it is freed then. status: as waitpid() gives it. */
	void (*gone)(void *arg, int status);
};

/* NULL with -errno in *error. Nothing is called from within. */
struct process *process_start(struct event_base *base, const char *program,
			      const struct process_ops *ops, void *arg, int *error);
/*
 * fd: travels beside it, stays the caller's; -1: none. Without its word it would do nothing, or the
 * wrong thing: where it does not take it, it is killed, and gone() follows.
 */
void process_tell(struct process *p, const json_t *packet, int fd);
void process_signal(struct process *p, int number);
pid_t process_pid(const struct process *p);
/* Its channel is closed, it ends by itself and gone() is not called: for the end of this process. */
void process_free(struct process *p);

#endif
