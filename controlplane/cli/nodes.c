/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the nodes on one Redis. */
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/table.h"

static const char *state_of(const json_t *n)
{
	if (!client_flag(n, "Alive"))
		return "gone";
	if (client_number(n, "Drained") > 0)
		return "drained";
	return client_number(n, "Dataplane") > 0 ? "up" : "no data plane";
}

static const char *seen_text(char dst[FORMAT_TEXT], const json_t *n)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return format_span(dst, (int64_t)((double)now.tv_sec - client_number(n, "SeenMs") / 1000));
}

static void add_count(struct table *t, const json_t *n, const char *key)
{
	char text[FORMAT_TEXT];

	snprintf(text, sizeof(text), "%.0f", client_number(n, key));
	table_add(t, client_flag(n, "Alive") ? text : "-");
}

static void add_node(struct table *t, const json_t *n)
{
	char text[FORMAT_TEXT], name[96];

	snprintf(name, sizeof(name), "%s%s", client_text(n, "Node"),
		 client_flag(n, "This") ? " *" : "");
	table_add(t, name);
	table_add(t, state_of(n));
	add_count(t, n, "Running");
	add_count(t, n, "Room");
	table_add(t, client_text(n, "Regions"));
	add_count(t, n, "Streams");
	add_count(t, n, "Viewers");
	table_add(t, format_rate(text, client_number(n, "InBps")));
	table_add(t, format_rate(text, client_number(n, "OutBps")));
	table_add(t, client_text(n, "Version"));
	table_add(t, seen_text(text, n));
}

static int run_list(struct cli *cli, const struct args *a)
{
	static const char *const heads[] = {"NODE",    ">STATE",   ">TASKS",   ">ROOM",
					    "REGIONS", ">STREAMS", ">VIEWERS", ">IN",
					    ">OUT",    "VERSION",  ">SEEN"};
	struct table t;
	json_t *answer, *n;
	size_t i;
	int rc = client_get(cli, "/local/nodes", NULL, &answer);

	if (rc)
		return rc;
	if (cli->json) {
		client_print(answer);
	} else {
		table_init(&t, heads, array_len(heads));
		json_array_foreach (json_object_get(answer, "nodes"), i, n)
			add_node(&t, n);
		table_print(&t, stdout);
		table_fini(&t);
	}
	json_decref(answer);
	return CLI_OK;
}

static void print_node(const json_t *n)
{
	char text[FORMAT_TEXT];

	printf("%s: %s\n", format_safe(text, sizeof(text), client_text(n, "Node")), state_of(n));
	printf("  last heartbeat  %s ago\n", seen_text(text, n));
	if (!client_flag(n, "Alive"))
		return;
	printf("  version         %s\n",
	       format_safe(text, sizeof(text), client_text(n, "Version")));
	printf("  tasks           %.0f of %.0f\n", client_number(n, "Running"),
	       client_number(n, "Room"));
	printf("  regions         %s\n",
	       *client_text(n, "Regions")
		       ? format_safe(text, sizeof(text), client_text(n, "Regions"))
		       : "all");
	printf("  streams         %.0f\n", client_number(n, "Streams"));
	printf("  viewers         %.0f\n", client_number(n, "Viewers"));
	printf("  in              %s\n", format_rate(text, client_number(n, "InBps")));
	printf("  out             %s\n", format_rate(text, client_number(n, "OutBps")));
	printf("  commands        %.0f, %.0f refused\n", client_number(n, "Commands"),
	       client_number(n, "CommandsRefused"));
}

static int run_show(struct cli *cli, const struct args *a)
{
	json_t *answer, *n, *found = NULL;
	size_t i;
	int rc = client_get(cli, "/local/nodes", NULL, &answer);

	if (rc)
		return rc;
	json_array_foreach (json_object_get(answer, "nodes"), i, n)
		if (!strcmp(client_text(n, "Node"), a->rest[0]))
			found = n;
	if (!found)
		rc = cli_fail(CLI_REFUSED, "no node \"%s\" was seen in the last 7 days",
			      a->rest[0]);
	else if (cli->json)
		client_print(found);
	else
		print_node(found);
	json_decref(answer);
	return rc;
}

const struct command nodes_commands[] = {
	{"node list", "", "List the nodes on this Redis",
	 "TASKS are those that the node runs, ROOM is its tasks.running. The node that was asked is\n"
	 "marked by a star; one that is gone stays in the list for 7 days.",
	 NULL, 0, 0, run_list},
	{"node show", "NODE", "Show one node", NULL, NULL, 1, 1, run_show},
	{NULL},
};
