/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the packet guard. */
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/table.h"

static void print_entries(const json_t *answer)
{
	static const char *const heads[] = {"RANGE", "VERDICT", "FROM"};
	struct table t;
	json_t *e;
	size_t i;

	table_init(&t, heads, array_len(heads));
	json_array_foreach (json_object_get(answer, "entries"), i, e) {
		table_add(&t, client_text(e, "range"));
		table_add(&t, client_text(e, "verdict"));
		table_add(&t, client_text(e, "from"));
	}
	if (t.cells)
		table_print(&t, stdout);
	else
		puts("no entries");
	table_fini(&t);
}

static void print_guard(const json_t *answer)
{
	const char *trouble = client_text(answer, "trouble"), *name;
	json_t *n;

	if (json_is_true(json_object_get(answer, "on")))
		printf("the guard is on; packets:");
	else
		printf("the guard is off: %s", *trouble ? trouble : "bpf.guard names no interface");
	json_object_foreach (json_object_get(answer, "packets"), name, n)
		printf(" %s %" JSON_INTEGER_FORMAT, name, json_integer_value(n));
	putchar('\n');
	print_entries(answer);
}

static int run_list(struct cli *cli, const struct args *a)
{
	json_t *answer;
	int rc = client_get(cli, "/local/guard", NULL, &answer);

	return rc ? rc : client_show(cli, answer, print_guard);
}

static int set(struct cli *cli, const struct args *a, const char *verdict)
{
	struct client_param params[] = {{"range", a->rest[0]}, {"verdict", verdict}, {NULL, NULL}};
	json_t *answer;
	int rc = client_post(cli, "/local/guard", params, &answer);

	return rc ? rc : client_show(cli, answer, print_guard);
}

static int run_allow(struct cli *cli, const struct args *a)
{
	return set(cli, a, "allow");
}

static int run_deny(struct cli *cli, const struct args *a)
{
	return set(cli, a, "deny");
}

static int run_remove(struct cli *cli, const struct args *a)
{
	return set(cli, a, "none");
}

#define MORE                                                                                         \
	"RANGE is an address or a range like 10.0.0.0/8 or 2001:db8::/32. The longest prefix that\n" \
	"holds an address decides. Entries stay until they are removed, over restarts too; they\n"   \
	"count while the guard is on (bpf.guard)."

const struct command guard_commands[] = {
	{"guard list", "", "Show the packet guard: entries and packets",
	 "The guard is a program at the network interfaces of bpf.guard that drops unwanted\n"
	 "connections to the media listeners before they cost anything.",
	 NULL, 0, 0, run_list},
	{"guard allow", "RANGE", "Let addresses pass the packet guard", MORE, NULL, 1, 1,
	 run_allow},
	{"guard deny", "RANGE", "Drop packets from addresses", MORE, NULL, 1, 1, run_deny},
	{"guard remove", "RANGE", "Take an entry of allow or deny away", MORE, NULL, 1, 1,
	 run_remove},
	{NULL},
};
