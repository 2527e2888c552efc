/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of `task create` and `task update`: each is a parameter of the API in the words of a
 * command line. A new parameter is one line in the table of task_args.c.
 *
 * Threads: pure but for the clock, any.
 */
#ifndef CLI_TASK_ARGS_H
#define CLI_TASK_ARGS_H

#include "controlplane/cli/cli.h"
#include "controlplane/cli/client.h"

#define TASK_PARAMS 32

extern const struct opt task_create_opts[], task_update_opts[];

/* As client_rpc() takes them. */
struct task_params {
	struct client_param list[TASK_PARAMS];
	unsigned n;
	char *owned[TASK_PARAMS];
	unsigned n_owned;
};

/* Everything of a creation, what was not said by default; CLI_OK, or CLI_USAGE and it was said. */
int task_create_params(const struct args *a, struct task_params *p);
/* What was given; without Region and TaskId. */
int task_update_params(const struct args *a, struct task_params *p);
/* The value is borrowed. */
void task_param_add(struct task_params *p, const char *name, const char *value);
/* NULL: there is none. */
const char *task_param(const struct task_params *p, const char *name);
void task_params_fini(struct task_params *p);

#endif
