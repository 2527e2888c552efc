/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about domains and the URLs of their streams: the RPC API in the words of a command line. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/table.h"

static const struct opt add_opts[] = {
	{"type", "TYPE", "ingest or play (needed)"},
	{"ingest", "DOMAIN", "of a play domain: where its streams are published to"},
	{"open", NULL, "without signed URLs"},
	{"region", "NAME", "recorded only"},
	{NULL, NULL, NULL},
};
enum { ADD_TYPE, ADD_INGEST, ADD_OPEN, ADD_REGION };

static const struct opt show_opts[] = {
	{"keys", NULL, "also the keys of signed URLs"},
	{NULL, NULL, NULL},
};
enum { SHOW_KEYS };

static const struct opt url_opts[] = {
	{"valid", "SECONDS",
	 "from now to the signed time; the domain's ali_auth_delta comes on top"},
	{"rand", "TEXT", "makes URLs differ"},
	{NULL, NULL, NULL},
};
enum { URL_VALID, URL_RAND };

/* ---- helpers --------------------------------------------------------------------------------- */

static int by_name(struct cli *cli, const struct args *a, const char *action, const char *done)
{
	struct client_param params[] = {{"DomainName", a->rest[0]}, {NULL, NULL}};

	return client_act(cli, action, params, done);
}

/* [{"functionName":name,"functionArgs":[...]}] from NAME=VALUE words; NULL: said what is wrong. */
static char *functions_text(const char *name, const char *const *words, unsigned n)
{
	json_t *args = json_array(), *all;
	char *text;

	for (unsigned i = 0; i < n; i++) {
		const char *eq = strchr(words[i], '=');

		if (!eq) {
			cli_fail(CLI_USAGE, "%s: must be NAME=VALUE", words[i]);
			json_decref(args);
			return NULL;
		}
		json_array_append_new(args, json_pack("{ss% ss}", "argName", words[i],
						      (size_t)(eq - words[i]), "argValue", eq + 1));
	}
	all = json_pack("[{ss so}]", "functionName", name, "functionArgs", args);
	text = json_dumps(all, JSON_COMPACT);
	must(text);
	json_decref(all);
	return text;
}

static int set_function(struct cli *cli, const char *domains, const char *name,
			const char *const *words, unsigned n, const char *done)
{
	char *text = functions_text(name, words, n);
	struct client_param params[] = {
		{"DomainNames", domains}, {"Functions", text}, {NULL, NULL}};
	int rc = text ? client_act(cli, "BatchSetLiveDomainConfigs", params, done) : CLI_USAGE;

	free(text);
	return rc;
}

/* ---- domain add, remove, start, stop -------------------------------------------------------------- */

static int run_add(struct cli *cli, const struct args *a)
{
	static const char *const open[] = {"auth_type=no_auth"};
	const char *type = a->value[ADD_TYPE], *ingest = a->value[ADD_INGEST];
	bool play = type && !strcmp(type, "play");
	struct client_param params[] = {{"DomainName", a->rest[0]},
					{"LiveDomainType", play ? "liveVideo" : "liveEdge"},
					{"Region", a->value[ADD_REGION]},
					{NULL, NULL}};
	struct client_param mapping[] = {
		{"PushDomain", ingest}, {"PullDomain", a->rest[0]}, {NULL, NULL}};
	bool more = a->value[ADD_OPEN] || ingest;
	struct cli quiet = *cli;
	int rc;

	if (!type || (!play && strcmp(type, "ingest")))
		return cli_fail(CLI_USAGE, "--type must be ingest or play");
	if (ingest && !play)
		return cli_fail(CLI_USAGE, "--ingest is for play domains");
	quiet.json = cli->json && !more;
	rc = client_act(&quiet, "AddLiveDomain", params, more ? NULL : "added");
	quiet.json = cli->json && !ingest;
	if (!rc && a->value[ADD_OPEN])
		rc = set_function(&quiet, a->rest[0], "aliauth", open, 1, ingest ? NULL : "added");
	if (!rc && ingest)
		rc = client_act(cli, "AddLiveDomainMapping", mapping, "added");
	return rc;
}

static int run_remove(struct cli *cli, const struct args *a)
{
	return by_name(cli, a, "DeleteLiveDomain", "removed");
}

static int run_start(struct cli *cli, const struct args *a)
{
	return by_name(cli, a, "StartLiveDomain", "online");
}

static int run_stop(struct cli *cli, const struct args *a)
{
	return by_name(cli, a, "StopLiveDomain", "offline");
}

static int run_set(struct cli *cli, const struct args *a)
{
	return set_function(cli, a->rest[0], a->rest[1], a->rest + 2, a->n_rest - 2, "set");
}

static int run_unset(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {
		{"DomainNames", a->rest[0]}, {"FunctionNames", a->rest[1]}, {NULL, NULL}};

	return client_act(cli, "BatchDeleteLiveDomainConfigs", params, "unset");
}

/* ---- domain list, show ------------------------------------------------------------------------- */

static int run_list(struct cli *cli, const struct args *a)
{
	static const char *const heads[] = {"DOMAIN", "TYPE", "STATUS", "INGEST", "CREATED"};
	struct client_param params[] = {{"PageSize", "500"}, {NULL, NULL}};
	json_t *answer, *row;
	struct table t;
	size_t i;
	int rc = client_rpc(cli, "DescribeLiveUserDomains", params, &answer);

	if (rc)
		return rc;
	if (cli->json) {
		client_print(answer);
		json_decref(answer);
		return CLI_OK;
	}
	table_init(&t, heads, array_len(heads));
	json_array_foreach (json_object_get(json_object_get(answer, "Domains"), "PageData"), i,
			    row) {
		bool play = !strcmp(client_text(row, "LiveDomainType"), "liveVideo");

		table_add(&t, client_text(row, "DomainName"));
		table_add(&t, play ? "play" : "ingest");
		table_add(&t, client_text(row, "LiveDomainStatus"));
		table_add(&t, client_text(row, "PushDomain"));
		table_add(&t, client_text(row, "GmtCreated"));
	}
	table_print(&t, stdout);
	table_fini(&t);
	json_decref(answer);
	return CLI_OK;
}

/* The keys of signed URLs become stars. */
static void hide_keys(json_t *configs)
{
	json_t *f, *arg;
	size_t i, j;

	json_array_foreach (configs, i, f)
		json_array_foreach (
			json_object_get(json_object_get(f, "FunctionArgs"), "FunctionArg"), j, arg)
			if (!strncmp(client_text(arg, "ArgName"), "auth_key", 8))
				json_object_set_new(arg, "ArgValue", json_string("***"));
}

static void print_line(const char *name, const char *text)
{
	char safe[1024];

	if (*text)
		printf("%-10s %s\n", name, format_safe(safe, sizeof(safe), text));
}

static void print_domain(const json_t *detail, const json_t *configs)
{
	json_t *f, *arg;
	size_t i, j;

	print_line("domain", client_text(detail, "DomainName"));
	print_line("type",
		   strcmp(client_text(detail, "LiveDomainType"), "liveVideo") ? "ingest" : "play");
	print_line("status", client_text(detail, "LiveDomainStatus"));
	print_line("ingest", client_text(detail, "PushDomain"));
	print_line("created", client_text(detail, "GmtCreated"));
	print_line("changed", client_text(detail, "GmtModified"));
	json_array_foreach ((json_t *)configs, i, f) {
		printf("%s\n", client_text(f, "FunctionName"));
		json_array_foreach (
			json_object_get(json_object_get(f, "FunctionArgs"), "FunctionArg"), j,
			arg) {
			char safe[1024];

			printf("  %s=%s\n", client_text(arg, "ArgName"),
			       format_safe(safe, sizeof(safe), client_text(arg, "ArgValue")));
		}
	}
}

static int run_show(struct cli *cli, const struct args *a)
{
	struct client_param params[] = {{"DomainName", a->rest[0]}, {NULL, NULL}};
	json_t *detail, *functions, *configs;
	int rc = client_rpc(cli, "DescribeLiveDomainDetail", params, &detail);

	if (rc)
		return rc;
	rc = client_rpc(cli, "DescribeLiveDomainConfigs", params, &functions);
	if (!rc) {
		configs = json_object_get(json_object_get(functions, "DomainConfigs"),
					  "DomainConfig");
		if (!a->value[SHOW_KEYS])
			hide_keys(configs);
		if (cli->json) {
			json_object_set(detail, "DomainConfigs",
					json_object_get(functions, "DomainConfigs"));
			client_print(detail);
		} else {
			print_domain(json_object_get(detail, "DomainDetail"), configs);
		}
		json_decref(functions);
	}
	json_decref(detail);
	return rc;
}

/* ---- url --------------------------------------------------------------------------------------- */

static int run_url(struct cli *cli, const struct args *a, const char *type)
{
	char stream[1024], *app = NULL, *name = NULL;
	struct client_param params[] = {
		{"DomainName", stream},	      {"AppName", NULL},
		{"StreamName", NULL},	      {"Valid", a->value[URL_VALID]},
		{"Rand", a->value[URL_RAND]}, {NULL, NULL}};
	const char *key;
	json_t *answer, *url;
	int rc;

	snprintf(stream, sizeof(stream), "%s", a->rest[0]);
	app = strchr(stream, '/');
	name = app ? strchr(app + 1, '/') : NULL;
	if (!name)
		return cli_fail(CLI_USAGE, "%s: must be DOMAIN/APP/NAME", a->rest[0]);
	*app = *name = 0;
	params[1].value = app + 1;
	params[2].value = name + 1;
	rc = client_rpc(cli, "GenerateLiveUrls", params, &answer);
	if (rc)
		return rc;
	if (strcmp(client_text(answer, "Type"), type))
		rc = cli_fail(CLI_REFUSED, "%s is no %s domain", stream,
			      strcmp(type, "play") ? "ingest" : "play");
	else if (cli->json)
		client_print(answer);
	else
		json_object_foreach (json_object_get(answer, "Urls"), key, url)
			printf("%-6s %s\n", key, json_string_value(url));
	json_decref(answer);
	return rc;
}

static int run_url_push(struct cli *cli, const struct args *a)
{
	return run_url(cli, a, "publish");
}

static int run_url_play(struct cli *cli, const struct args *a)
{
	return run_url(cli, a, "play");
}

const struct command domain_commands[] = {
	{"domain add", "DOMAIN", "Make a domain",
	 "A new domain has signed URLs with a random key (`domain show --keys`), unless --open.",
	 add_opts, 1, 1, run_add},
	{"domain list", "", "List the domains", NULL, NULL, 0, 0, run_list},
	{"domain show", "DOMAIN", "Show a domain and its functions", NULL, show_opts, 1, 1,
	 run_show},
	{"domain set", "DOMAIN[,...] FUNCTION NAME=VALUE...", "Set a function of domains",
	 "The functions and their arguments are in API.md: aliauth, ip_allow_list_set and so on.\n"
	 "Setting one replaces it as a whole, on all the domains or on none.",
	 NULL, 2, ARGS_REST, run_set},
	{"domain unset", "DOMAIN[,...] FUNCTION[,...]", "Delete functions of domains", NULL, NULL,
	 2, 2, run_unset},
	{"domain start", "DOMAIN", "Serve a domain again", NULL, NULL, 1, 1, run_start},
	{"domain stop", "DOMAIN", "Refuse publishers and players of a domain", NULL, NULL, 1, 1,
	 run_stop},
	{"domain remove", "DOMAIN", "Delete a domain and its functions", NULL, NULL, 1, 1,
	 run_remove},
	{"url push", "STREAM", "Print the URLs to publish a stream",
	 "STREAM is ingest-domain/app/name.", url_opts, 1, 1, run_url_push},
	{"url play", "STREAM", "Print the URLs to play a stream", "STREAM is play-domain/app/name.",
	 url_opts, 1, 1, run_url_play},
	{NULL},
};
