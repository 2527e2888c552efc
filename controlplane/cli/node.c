/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the node as a whole: drain, version. */
#include <string.h>

#include "controlplane/cli/client.h"

static int run_drain(struct cli *cli, const struct args *a)
{
	bool on = !strcmp(a->rest[0], "on");
	struct client_param params[] = {{"on", on ? "1" : "0"}, {NULL, NULL}};
	json_t *answer;
	int rc;

	if (!on && strcmp(a->rest[0], "off"))
		return cli_fail(CLI_USAGE, "drain takes on or off, not \"%s\"", a->rest[0]);
	rc = client_post(cli, "/local/drain", params, &answer);
	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else
		puts(on ? "New connections are refused; those that are open go on."
			: "New connections are accepted again.");
	json_decref(answer);
	return CLI_OK;
}

static int run_version(struct cli *cli, const struct args *a)
{
	if (cli->json)
		puts("{\"version\": \"" MILLRACE_VERSION "\"}");
	else
		puts("millrace " MILLRACE_VERSION);
	return CLI_OK;
}

const struct command node_commands[] = {
	{"drain", "on|off", "Refuse new connections, or accept them again",
	 "Encoders, viewers and relays that are there go on; `millrace status` shows when the\n"
	 "node has emptied. Of several nodes (cluster.enabled) relays go to the others at once.",
	 NULL, 1, 1, run_drain},
	{"version", "", "Print the version", NULL, NULL, 0, 0, run_version},
	{NULL},
};
