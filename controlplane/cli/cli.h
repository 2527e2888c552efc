/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: what every command shares.
 *
 * A command is one line of a table in the file of its noun; main.c finds it, reads its options and
 * runs it. What it prints for people is aligned text; with --json the answer as it came.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "controlplane/cli/args.h"

/* The exit status; the manual page lists the same. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,     /* the server said no: unknown task, value out of range */
	CLI_USAGE = 2,	     /* the command line or the configuration is wrong */
	CLI_UNREACHABLE = 3, /* Millrace does not answer in this state folder */
	CLI_FAILED = 4,	     /* the server failed, or something did on this side */
	CLI_NOT_STARTED = 5, /* up: something is missing or in the way */
};

struct cli {
	char state[1025];      /* folder of the sockets */
	const char *state_arg; /* --state as it was given, or NULL */
	bool json, color;
};

struct command {
	const char *name;	/* "task create" */
	const char *rest;	/* what follows the options in the usage line, or "" */
	const char *help;	/* one line */
	const char *more;	/* a paragraph, or NULL */
	const struct opt *opts; /* ended by a name of NULL; NULL: none */
	unsigned min_rest, max_rest;
	int (*run)(struct cli *cli, const struct args *a);
};

/* Each ended by a name of NULL. */
extern const struct command up_commands[], status_commands[], task_commands[], stream_commands[],
	viewer_commands[], callback_commands[], asset_commands[], node_commands[], nodes_commands[],
	config_commands[], doctor_commands[], domain_commands[], guard_commands[], hls_commands[],
	audit_commands[], bucket_commands[], upgrade_commands[], user_commands[], pull_commands[];

/* "millrace: ..." on standard error; returns code, so that a command can end with it. */
__attribute__((format(printf, 2, 3))) int cli_fail(int code, const char *fmt, ...);

#endif
