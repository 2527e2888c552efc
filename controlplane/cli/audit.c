/* SPDX-License-Identifier: Apache-2.0 */
/* The command that shows who changed what. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/table.h"

static const struct opt audit_opts[] = {
	{"user", "NAME", "only changes by this AccessKeyId, owner or node"},
	{"action", "NAME", "only this action of the API"},
	{"number", "N", "so many, newest first; default 100"},
	{NULL, NULL, NULL},
};
enum { OPT_USER, OPT_ACTION, OPT_NUMBER };

static void print_rows(const json_t *answer)
{
	static const char *const heads[] = {"TIME",   "USER",	"FROM",
					    "ACTION", "STATUS", "PARAMETERS"};
	const json_t *rows = json_object_get(answer, "AuditRecords");
	struct table t;
	json_t *row;
	size_t i;

	table_init(&t, heads, array_len(heads));
	json_array_foreach ((json_t *)rows, i, row) {
		char *params = json_dumps(json_object_get(row, "Parameters"), JSON_COMPACT);
		char status[16];

		snprintf(status, sizeof(status), "%.0f", client_number(row, "Status"));
		table_add(&t, client_text(row, "Time"));
		table_add(&t, client_text(row, "User"));
		table_add(&t, client_text(row, "From"));
		table_add(&t, client_text(row, "ActionName"));
		table_add(&t, status);
		table_add(&t, params);
		free(params);
	}
	table_print(&t, stdout);
	table_fini(&t);
}

static int run_audit(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"User", a->value[OPT_USER]},
					{"ActionName", a->value[OPT_ACTION]},
					{"PageSize", a->value[OPT_NUMBER]},
					{NULL, NULL}};
	json_t *answer;
	int rc = client_rpc(cli, "DescribeAuditRecords", params, &answer);

	return rc ? rc : client_show(cli, answer, print_rows);
}

const struct command audit_commands[] = {
	{"audit", "", "Show who changed what by the API",
	 "The newest 10000 changes; all of them are in STATE/audit.log.", audit_opts, 0, 0,
	 run_audit},
	{NULL},
};
