/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `millrace up`: Redis, data plane and control plane of one machine under one foreground process.
 *
 * up.c prepares the ground (options, state folder, lock, ports) and says what to run;
 * supervise.c starts it, keeps it running, shows it and ends it.
 * Threads: one.
 */
#ifndef CLI_UP_H
#define CLI_UP_H

#include <limits.h>

#include "base/conf.h"
#include "controlplane/cli/child.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/demo.h"

/* In the order of starting; stopping goes the other way. */
/* UP_NEXT: see upgrade.h. */
enum up_child { UP_REDIS, UP_DP, UP_CP, UP_DEMO, UP_NEXT, UP_CHILDREN };

#define UP_SETS	  32
#define UP_RECENT 6

struct up {
	struct cli *cli;
	struct config conf;
	const char *config_file; /* NULL: defaults */
	char *set[UP_SETS];	 /* "key=value" for the programs; ours */
	unsigned n_set;

	char bin[PATH_MAX]; /* folder of this program and its siblings */
	char path[UP_CHILDREN][PATH_MAX + 16];
	char redis_dir[1100], redis_sock[1120];
	struct child child[UP_CHILDREN];
	bool used[UP_CHILDREN];
	struct demo demo;

	int lock_fd, signal_fd;
	unsigned stops;		     /* signals that asked to end */
	bool started;		     /* everything was ready once */
	bool upgrading;		     /* UP_NEXT takes over */
	const struct child *failed;  /* ended before it was ready */
	bool screen;		     /* a terminal: one refreshing picture */
	char recent[UP_RECENT][400]; /* newest last; shown below the picture */
};

/* A line for people, at once or below the picture. */
__attribute__((format(printf, 2, 3))) void up_note(struct up *u, const char *fmt, ...);
/* Runs what `u` describes until a signal ends it; an exit status. */
int supervise(struct up *u);

#endif
