/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about HLS. */
#include <string.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/status.h"
#include "controlplane/cli/table.h"

static void add_number(struct table *t, double value)
{
	char text[FORMAT_TEXT];

	snprintf(text, sizeof(text), "%.0f", value);
	table_add(t, text);
}

static void add_row(struct table *t, const json_t *row)
{
	const json_t *held = json_object_get(row, "held");
	const char *reason = client_text(row, "reason");
	char text[FORMAT_TEXT];

	table_add(t, client_text(row, "stream"));
	table_add(t, client_text(row, "state"));
	table_add(t, client_text(held, "kind"));
	add_number(t, client_number(row, "media_seq"));
	add_number(t, client_number(held, "segments"));
	table_add(t, format_bytes(text, client_number(held, "bytes")));
	add_number(t, client_number(held, "requests"));
	snprintf(text, sizeof(text), "%.1f s", client_number(held, "idle_ms") / 1000);
	table_add(t, held ? text : "");
	table_add(t, strcmp(reason, "none") != 0 ? reason : "");
}

static void print_packages(const json_t *answer)
{
	static const char *const heads[] = {"STREAM", "STATE",	   "KIND",  ">NEXT", ">SEGMENTS",
					    ">HELD",  ">REQUESTS", ">IDLE", "REASON"};
	struct table t;
	json_t *row;
	size_t i;

	table_init(&t, heads, array_len(heads));
	json_array_foreach (json_object_get(answer, "packages"), i, row) {
		add_row(&t, row);
	}
	if (t.cells)
		table_print(&t, stdout);
	else
		puts("no stream is packaged");
	table_fini(&t);
}

static int run_list(struct cli *cli, const struct args *a)
{
	json_t *answer;
	int rc = client_get(cli, "/local/hls", NULL, &answer);

	return rc ? rc : client_show(cli, answer, print_packages);
}

const struct command hls_commands[] = {
	{"hls list", "", "List the streams that are packaged as HLS",
	 "NEXT is the media sequence number of the next segment, SEGMENTS and HELD what the data plane "
	 "has in\nmemory, IDLE the time since the last request.",
	 NULL, 0, 0, run_list},
	{NULL},
};
