/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that `up` keeps running: started, watched, started again, stopped, its log followed.
 *
 *   idle --start--> running --ended--> waiting --backoff over--> running
 *      any state --stop--> idle
 *
 * The child writes its log file itself, so that it never waits for us; we only read along. It dies
 * with this process (parent-death signal) and has a process group of its own, so that Ctrl-C at a
 * terminal reaches `up` alone and the order of stopping is ours.
 * Threads: one.
 */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_ARGS 96

struct child {
	const char *name;	      /* "dp"; its log is LOGS/dp.log */
	const char *argv[CHILD_ARGS]; /* argv[0]: a path, or a name to look up in PATH */
	unsigned argc;
	char log_path[1100];
	int log_fd;

	pid_t pid; /* 0: not running */
	uint64_t started_us;
	uint64_t again_us; /* when to start it again; 0: not planned */
	unsigned backoff_ms;
	off_t run_off, shown; /* log offsets: where this run began, how far it was shown */
};

/* Opens the log; argv is filled in by the caller with child_arg(). 0 or -errno. */
int child_init(struct child *c, const char *name, const char *log_dir);
void child_fini(struct child *c);
/* Appends one word; it must outlive the child. */
void child_arg(struct child *c, const char *word);
/* 0 or -errno, of exec too. */
int child_start(struct child *c, uint64_t now_us);
/* After it ended: plans the next start, 0.2 s away at first, 5 s at most. */
void child_ended(struct child *c, uint64_t now_us);
/* Starts it again when that is due. True if it did. */
bool child_tick(struct child *c, uint64_t now_us);
void child_signal(const struct child *c, int sig);
/* Calls back with each complete new line of level warn or error; keeps the file from growing. */
void child_follow(struct child *c, void (*line)(void *arg, const char *text), void *arg);
/* Calls back with the last lines (at most max) of the present or last run. */
void child_tail(const struct child *c, unsigned max, void (*line)(void *arg, const char *text),
		void *arg);

#endif
