/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about viewers. */
#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/status.h"
#include "controlplane/cli/table.h"

static const struct opt list_opts[] = {
	{"stream", "STREAM", "only this stream's (domain/app/name)"},
	{NULL, NULL, NULL},
};
enum { OPT_STREAM };

static void add_viewer(struct table *t, const json_t *v)
{
	char text[FORMAT_TEXT];

	table_add(t, client_text(v, "id"));
	table_add(t, client_text(v, "stream"));
	table_add(t, client_text(v, "protocol"));
	table_add(t, client_text(v, "address"));
	table_add(t, status_age(text, json_object_get(v, "since")));
	table_add(t, format_bytes(text, client_number(v, "bytes")));
	snprintf(text, sizeof(text), "%.0f ms", client_number(v, "lag_ms"));
	table_add(t, text);
	snprintf(text, sizeof(text), "%.0f", client_number(v, "skips"));
	table_add(t, text);
}

static void print_viewers(const json_t *answer)
{
	static const char *const heads[] = {"VIEWER", "STREAM", "PROTOCOL", "ADDRESS",
					    ">SINCE", ">SENT",	">LAG",	    ">SKIPS"};
	struct table t;
	json_t *v;
	size_t i;

	table_init(&t, heads, array_len(heads));
	json_array_foreach (json_object_get(answer, "viewers"), i, v) {
		add_viewer(&t, v);
	}
	if (t.cells)
		table_print(&t, stdout);
	else
		puts("no viewers");
	table_fini(&t);
}

static int run_list(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"stream", a->value[OPT_STREAM]}, {NULL, NULL}};
	json_t *answer;
	int rc = client_get(cli, "/local/viewers", params, &answer);

	return rc ? rc : client_show(cli, answer, print_viewers);
}

static int run_kick(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"id", a->rest[0]}, {NULL, NULL}};
	json_t *answer;
	int rc = client_post(cli, "/local/viewer/kick", params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		printf("%s: disconnected\n", a->rest[0]);
	json_decref(answer);
	return CLI_OK;
}

const struct command viewer_commands[] = {
	{"viewer list", "", "List viewers", NULL, list_opts, 0, 0, run_list},
	{"viewer kick", "VIEWER", "Disconnect a viewer",
	 "VIEWER is an id as `millrace viewer list` shows it.", NULL, 1, 1, run_kick},
	{NULL},
};
