/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the users of the API and their keys. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/table.h"

static const struct opt add_opts[] = {
	{"role", "ROLE", "admin, operator or viewer (needed)"},
	{"domains", "DOMAIN,...", "only these; default all"},
	{NULL, NULL, NULL},
};
enum { ADD_ROLE, ADD_DOMAINS };

static int run_add(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"UserName", a->rest[0]},
					{"Role", a->value[ADD_ROLE]},
					{"Domains", a->value[ADD_DOMAINS]},
					{NULL, NULL}};

	if (!a->value[ADD_ROLE])
		return cli_fail(CLI_USAGE, "user add needs --role admin, operator or viewer");
	return client_act(cli, "CreateApiUser", params, "added");
}

static int run_remove(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"UserName", a->rest[0]}, {NULL, NULL}};

	return client_act(cli, "DeleteApiUser", params, "removed");
}

/* ---- list, show --------------------------------------------------------------------------------- */

/* "a, b", or otherwise where there is none. */
static const char *joined(const json_t *list, const char *otherwise, char *dst, size_t n)
{
	size_t i, used = 0;
	json_t *one;

	snprintf(dst, n, "%s", otherwise);
	json_array_foreach ((json_t *)list, i, one)
		if (used + json_string_length(one) + 3 < n)
			used += (size_t)snprintf(dst + used, n - used, "%s%s", used ? ", " : "",
						 json_string_value(one));
	return dst;
}

static void print_users(const json_t *users)
{
	static const char *const heads[] = {"USER", "ROLE", "DOMAINS", "KEYS"};
	char domains[2048], keys[512];
	struct table t;
	json_t *row;
	size_t i;

	table_init(&t, heads, array_len(heads));
	json_array_foreach ((json_t *)users, i, row) {
		table_add(&t, client_text(row, "UserName"));
		table_add(&t, client_text(row, "Role"));
		table_add(&t,
			  joined(json_object_get(row, "Domains"), "all", domains, sizeof(domains)));
		table_add(&t,
			  joined(json_object_get(row, "AccessKeyIds"), "none", keys, sizeof(keys)));
	}
	table_print(&t, stdout);
	table_fini(&t);
}

static int run_list(struct cli *cli, const struct args *a)
{
	json_t *answer;
	int rc = client_rpc(cli, "DescribeApiUsers", NULL, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		print_users(json_object_get(answer, "Users"));
	json_decref(answer);
	return CLI_OK;
}

static void print_user(const json_t *user)
{
	char text[2048];
	json_t *key;
	size_t i;

	printf("user       %s\n", client_text(user, "UserName"));
	printf("role       %s\n", client_text(user, "Role"));
	printf("domains    %s\n",
	       joined(json_object_get(user, "Domains"), "all", text, sizeof(text)));
	json_array_foreach (json_object_get(user, "AccessKeyIds"), i, key)
		printf("key        %s\n", json_string_value(key));
}

static int run_show(struct cli *cli, const struct args *a)
{
	json_t *answer, *row;
	int rc = client_rpc(cli, "DescribeApiUsers", NULL, &answer);
	size_t i;

	if (rc)
		return rc;
	rc = CLI_REFUSED;
	json_array_foreach (json_object_get(answer, "Users"), i, row) {
		if (strcmp(client_text(row, "UserName"), a->rest[0]) != 0)
			continue;
		if (cli->json)
			client_print(row);
		else
			print_user(row);
		rc = CLI_OK;
	}
	json_decref(answer);
	return rc ? cli_fail(rc, "there is no user \"%.64s\"", a->rest[0]) : CLI_OK;
}

/* ---- keys --------------------------------------------------------------------------------------- */

static int key_add(struct cli *cli, const char *user)
{
	struct client_param params[] = {{"UserName", user}, {NULL, NULL}};
	json_t *answer;
	int rc = client_rpc(cli, "CreateApiKey", params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		printf("AccessKeyId      %s\nAccessKeySecret  %s\n",
		       client_text(answer, "AccessKeyId"), client_text(answer, "AccessKeySecret"));
	json_decref(answer);
	return CLI_OK;
}

static int run_key(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"UserName", a->rest[1]},
					{"KeyId", a->n_rest > 2 ? a->rest[2] : NULL},
					{NULL, NULL}};

	if (!strcmp(a->rest[0], "add") && a->n_rest == 2)
		return key_add(cli, a->rest[1]);
	if (!strcmp(a->rest[0], "remove") && a->n_rest == 3)
		return client_act(cli, "DeleteApiKey", params, "removed");
	return cli_fail(CLI_USAGE, "user key takes add USER, or remove USER KEY");
}

const struct command user_commands[] = {
	{"user add", "USER", "Make a user of the API",
	 "admin: everything; operator: everything but users and the audit log; viewer: questions that\n"
	 "show no secret. A user has no key yet: `user key add`.",
	 add_opts, 1, 1, run_add},
	{"user list", "", "List the users of the API and the ids of their keys", NULL, NULL, 0, 0,
	 run_list},
	{"user show", "USER", "Show one user", NULL, NULL, 1, 1, run_show},
	{"user key", "add USER | remove USER KEY", "Make or delete a key of a user",
	 "A user has two keys at most, so that one can take the other's place without a gap. The secret\n"
	 "is shown when the key is made and never again.",
	 NULL, 2, 3, run_key},
	{"user remove", "USER", "Delete a user with its keys", NULL, NULL, 1, 1, run_remove},
	{NULL},
};
