/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about relay tasks: the RPC API in the words of a command line. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/status.h"
#include "controlplane/cli/task_args.h"

#define REGION "local" /* the API asks for one; a node has only itself */

/* Calls and prints the answer, or the line of text for people. */
static int call(struct cli *cli, const char *action, const struct client_param *params,
		const char *text)
{
	json_t *answer;
	int rc = client_rpc(cli, action, params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		puts(text ? text : client_text(answer, "TaskId"));
	json_decref(answer);
	return CLI_OK;
}

/* ---- commands ---- */

static int run_create(struct cli *cli, const struct args *a)
{
	struct task_params p;
	int rc = task_create_params(a, &p);

	if (!rc)
		rc = call(cli, "CreateLivePullToPush", p.list, NULL);
	task_params_fini(&p);
	return rc;
}

/* The API wants the region again; it stays unless another one is given. */
static int update(struct cli *cli, const char *id, struct task_params *p)
{
	json_t *answer = NULL;
	int rc = CLI_OK;

	if (!task_param(p, "Region")) {
		rc = client_rpc(
			cli, "DescribeLivePullToPush",
			(struct client_param[]){{"Region", REGION}, {"TaskId", id}, {NULL, NULL}},
			&answer);
		if (rc)
			return rc;
		task_param_add(p, "Region",
			       client_text(json_object_get(answer, "TaskInfo"), "Region"));
	}
	task_param_add(p, "TaskId", id);
	rc = call(cli, "UpdateLivePullToPush", p->list, "updated");
	json_decref(answer);
	return rc;
}

static int run_update(struct cli *cli, const struct args *a)
{
	struct task_params p;
	int rc = task_update_params(a, &p);

	if (!rc)
		rc = update(cli, a->rest[0], &p);
	task_params_fini(&p);
	return rc;
}

/* The status with the rows of all tasks, page after page; some may come or go meanwhile. */
static int all_tasks(struct cli *cli, json_t **status)
{
	int rc = client_get(cli, "/local/status", NULL, status);
	json_t *rows, *totals, *page;
	char skip[24];
	size_t had;

	if (rc)
		return rc;
	rows = json_object_get(*status, "tasks");
	totals = json_object_get(*status, "totals");
	do {
		had = json_array_size(rows);
		if ((double)had >= client_number(totals, "tasks"))
			return CLI_OK;
		snprintf(skip, sizeof(skip), "%zu", had);
		rc = client_get(cli, "/local/status",
				(struct client_param[]){{"skip", skip}, {NULL, NULL}}, &page);
		if (rc) {
			json_decref(*status);
			return rc;
		}
		json_array_extend(rows, json_object_get(page, "tasks"));
		json_decref(page);
	} while (json_array_size(rows) > had);
	return CLI_OK;
}

static int run_list(struct cli *cli, const struct args *a)
{
	json_t *status, *list;
	int rc = all_tasks(cli, &status);

	if (rc)
		return rc;
	if (cli->json) {
		list = json_pack("{s:O*}", "tasks", json_object_get(status, "tasks"));
		client_print(list);
		json_decref(list);
	} else {
		status_print_tasks(stdout, status, cli->color);
	}
	json_decref(status);
	return CLI_OK;
}

static const char *state_word(const json_t *task)
{
	switch ((int)client_number(task, "TaskStatus")) {
	case 0:
		return "Idle: its start time has not come";
	case 1:
		return "Running";
	case 2:
		return "Recovering: an error, trying again";
	case 3:
		return "Offline: stopped, or no tries left";
	default:
		return "Exit";
	}
}

/* Every member of an object as a line; members of objects inside it too. */
static void print_members(const json_t *o)
{
	const char *key;
	char safe[2200], *text;
	json_t *v;

	json_object_foreach ((json_t *)o, key, v) {
		if (json_is_object(v)) {
			print_members(v);
			continue;
		}
		text = json_is_string(v) ? strdup(json_string_value(v))
					 : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		if (text && *text)
			printf("%-18s %s\n", key, format_safe(safe, sizeof(safe), text));
		free(text);
	}
}

static int run_show(struct cli *cli, const struct args *a)
{
	json_t *answer;
	int rc = client_rpc(
		cli, "DescribeLivePullToPush",
		(struct client_param[]){{"Region", REGION}, {"TaskId", a->rest[0]}, {NULL, NULL}},
		&answer);

	if (rc)
		return rc;
	if (cli->json) {
		client_print(answer);
	} else {
		printf("%-18s %s\n", "State", state_word(answer));
		/* Said above, said again in TaskInfo, or about the call and not the task. */
		json_object_del(answer, "State");
		json_object_del(answer, "TaskId");
		json_object_del(answer, "RequestId");
		json_object_del(answer, "RetCode");
		json_object_del(answer, "Description");
		print_members(answer);
	}
	json_decref(answer);
	return CLI_OK;
}

/* One call per task named; goes on after one that was refused and returns the first trouble. */
static int for_each(struct cli *cli, const struct args *a, const char *action, const char *done)
{
	char line[256];
	int rc, first = CLI_OK;

	for (unsigned i = 0; i < a->n_rest; i++) {
		snprintf(line, sizeof(line), "%.200s: %s", a->rest[i], done);
		rc = call(cli, action,
			  (struct client_param[]){
				  {"Region", REGION}, {"TaskId", a->rest[i]}, {NULL, NULL}},
			  line);
		if (rc && !first)
			first = rc;
		if (rc == CLI_UNREACHABLE)
			break;
	}
	return first;
}

static int run_stop(struct cli *cli, const struct args *a)
{
	return for_each(cli, a, "StopLivePullToPush", "stopped");
}

static int run_restart(struct cli *cli, const struct args *a)
{
	return for_each(cli, a, "RestartLivePullToPush", "started again");
}

static int run_delete(struct cli *cli, const struct args *a)
{
	return for_each(cli, a, "DeleteLivePullToPush", "deleted");
}

const struct command task_commands[] = {
	{"task create", "", "Create a relay task; prints its id",
	 "Pulls a live stream, or plays a list of files as one, and pushes it on from its start time\n"
	 "to its end time, and tries again after failures.",
	 task_create_opts, 0, 0, run_create},
	{"task list", "", "List the relay tasks", NULL, NULL, 0, 0, run_list},
	{"task show", "TASK", "Show one relay task", NULL, NULL, 1, 1, run_show},
	{"task update", "TASK", "Change a relay task",
	 "A running task takes another callback address, --repeat and, with --list-at, other files\n"
	 "only; a stopped one another source and another end too.",
	 task_update_opts, 1, 1, run_update},
	{"task stop", "TASK...", "Stop relay tasks; they stay and can be restarted", NULL, NULL, 1,
	 ARGS_REST, run_stop},
	{"task restart", "TASK...", "Start stopped relay tasks, or running ones anew", NULL, NULL,
	 1, ARGS_REST, run_restart},
	{"task delete", "TASK...", "Stop and delete relay tasks", NULL, NULL, 1, ARGS_REST,
	 run_delete},
	{NULL},
};
