/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about event callbacks that were not delivered: list, replay, drop. */
#include <string.h>
#include <time.h>

#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/table.h"

static const char *moment(char dst[32], double ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	dst[0] = 0;
	if (ms > 0 && gmtime_r(&s, &tm))
		strftime(dst, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return dst;
}

static void print_list(const json_t *answer)
{
	static const char *const heads[] = {"EVENT",	"TASK", "STATE", "TRIES",
					    "GIVEN UP", "WHY",	"URL"};
	const json_t *rows = json_object_get(answer, "callbacks");
	char tries[16], when[32];
	struct table t;
	json_t *row;
	size_t i;

	table_init(&t, heads, sizeof(heads) / sizeof(heads[0]));
	json_array_foreach ((json_t *)rows, i, row) {
		snprintf(tries, sizeof(tries), "%.0f", client_number(row, "tries"));
		table_add(&t, client_text(row, "id"));
		table_add(&t, client_text(row, "task"));
		table_add(&t, client_text(row, "state"));
		table_add(&t, tries);
		table_add(&t, moment(when, client_number(row, "time")));
		table_add(&t, client_text(row, "why"));
		table_add(&t, client_text(row, "url"));
	}
	table_print(&t, stdout);
	table_fini(&t);
}

static int run_list(struct cli *cli, const struct args *a)
{
	json_t *answer;
	int rc = client_get(cli, "/local/callbacks", NULL, &answer);

	return rc ? rc : client_show(cli, answer, print_list);
}

static int act(struct cli *cli, const struct args *a, const char *path, const char *done)
{
	struct client_param params[] = {{"id", a->rest[0]}, {NULL, NULL}};
	json_t *answer;
	int rc = client_post(cli, path, params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		printf("%.0f %s\n", client_number(answer, "callbacks"), done);
	json_decref(answer);
	return CLI_OK;
}

static int run_replay(struct cli *cli, const struct args *a)
{
	return act(cli, a, "/local/callbacks/replay", "will be delivered again");
}

static int run_drop(struct cli *cli, const struct args *a)
{
	return act(cli, a, "/local/callbacks/drop", "dropped");
}

const struct command callback_commands[] = {
	{"callback list", "", "List callbacks that were not delivered",
	 "Waiting ones are tried again by themselves (callback.interval); dead ones were tried\n"
	 "callback.tries times. The newest 1000 dead ones are kept.",
	 NULL, 0, 0, run_list},
	{"callback replay", "EVENT|all", "Deliver dead callbacks again",
	 "Each waits behind what its task has to tell already, with its event id.", NULL, 1, 1,
	 run_replay},
	{"callback drop", "EVENT|all", "Forget a callback",
	 "EVENT may be dead or waiting; all means every dead one.", NULL, 1, 1, run_drop},
	{NULL},
};
