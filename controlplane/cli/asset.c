/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the catalogue of media that tasks play by id. */
#include <stdio.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/table.h"

static const struct opt add_opts[] = {
	{"file", "PATH", "a file, by its path below asset.folder"},
	{"url", "URL", "a file at http:// or https://"},
	{NULL, NULL, NULL},
};
enum { ADD_FILE, ADD_URL };

static const char *place(const json_t *row)
{
	return json_object_get(row, "file") ? client_text(row, "file") : client_text(row, "url");
}

static void print_list(const json_t *answer)
{
	static const char *const heads[] = {"ASSET", "SECONDS", "VIDEO", "AUDIO", "FROM"};
	const json_t *rows = json_object_get(answer, "assets");
	struct table t;
	char seconds[24];
	json_t *row;
	size_t i;

	table_init(&t, heads, array_len(heads));
	json_array_foreach ((json_t *)rows, i, row) {
		snprintf(seconds, sizeof(seconds), "%.1f",
			 client_number(row, "duration_ms") / 1000);
		table_add(&t, client_text(row, "id"));
		table_add(&t, seconds);
		table_add(&t, client_text(row, "video"));
		table_add(&t, client_text(row, "audio"));
		table_add(&t, place(row));
	}
	table_print(&t, stdout);
	table_fini(&t);
}

static void print_one(const json_t *row)
{
	const char *key;
	char safe[2200], *text;
	json_t *v;

	json_object_foreach ((json_t *)row, key, v) {
		text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY);
		printf("%-12s %s\n", key,
		       format_safe(safe, sizeof(safe), text ? text : json_string_value(v)));
		free(text);
	}
}

static int run_list(struct cli *cli, const struct args *a)
{
	json_t *answer;
	int rc = client_get(cli, "/local/assets", NULL, &answer);

	return rc ? rc : client_show(cli, answer, print_list);
}

static int run_show(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"id", a->rest[0]}, {NULL, NULL}};
	json_t *answer;
	int rc = client_get(cli, "/local/assets", params, &answer);

	return rc ? rc : client_show(cli, answer, print_one);
}

static int run_add(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"id", a->rest[0]},
					{"file", a->value[ADD_FILE]},
					{"url", a->value[ADD_URL]},
					{NULL, NULL}};
	json_t *answer;
	int rc;

	if (!a->value[ADD_FILE] == !a->value[ADD_URL])
		return cli_fail(CLI_USAGE, "asset add needs --file PATH or --url URL");
	rc = client_post(cli, "/local/asset/add", params, &answer);
	return rc ? rc : client_show(cli, answer, print_one);
}

static int run_remove(struct cli *cli, const struct args *a)
{
	int rc, first = CLI_OK;

	for (unsigned i = 0; i < a->n_rest; i++) {
		struct client_param params[] = {{"id", a->rest[i]}, {NULL, NULL}};
		json_t *answer;

		rc = client_post(cli, "/local/asset/remove", params, &answer);
		if (rc && !first)
			first = rc;
		if (rc == CLI_UNREACHABLE)
			break;
		if (rc)
			continue;
		if (!cli->json)
			printf("%.200s: removed\n", a->rest[i]);
		json_decref(answer);
	}
	return first;
}

const struct command asset_commands[] = {
	{"asset add", "ASSET", "Add a file to the catalogue",
	 "ASSET is the id that tasks play it by (SourceType vod). A worker opens the file first: what\n"
	 "cannot be relayed is refused with the reason. Files are copied nowhere.",
	 add_opts, 1, 1, run_add},
	{"asset list", "", "List the catalogue", NULL, NULL, 0, 0, run_list},
	{"asset show", "ASSET", "Show one asset", NULL, NULL, 1, 1, run_show},
	{"asset remove", "ASSET...", "Take assets out of the catalogue",
	 "The files stay. An asset that a task plays is refused.", NULL, 1, ARGS_REST, run_remove},
	{NULL},
};
