/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about buckets of objects and their live channels. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/table.h"

static void print_buckets(const json_t *answer)
{
	static const char *const heads[] = {"BUCKET", "ACCESS", "DOMAIN", ">CHANNELS", ">LIVE"};
	struct table t;
	json_t *row, *channel;
	size_t i, j, live;
	char text[24];

	table_init(&t, heads, array_len(heads));
	json_array_foreach (json_object_get(answer, "buckets"), i, row) {
		json_t *channels = json_object_get(row, "channels");

		live = 0;
		json_array_foreach (channels, j, channel)
			live += *client_text(channel, "publisher") != 0;
		table_add(&t, client_text(row, "bucket"));
		table_add(&t, client_text(row, "acl"));
		table_add(&t, client_text(row, "domain"));
		snprintf(text, sizeof(text), "%zu", json_array_size(channels));
		table_add(&t, text);
		snprintf(text, sizeof(text), "%zu", live);
		table_add(&t, text);
	}
	if (t.cells)
		table_print(&t, stdout);
	else
		puts("no bucket");
	table_fini(&t);
}

static void print_bucket(const json_t *row)
{
	static const char *const heads[] = {"CHANNEL",	"STATUS",    "PUBLISHER",
					    ">SECONDS", ">SEGMENTS", "PLAYLIST"};
	struct table t;
	json_t *c;
	size_t i;
	char text[24];

	printf("bucket  %s\naccess  %s\ndomain  %s\n", client_text(row, "bucket"),
	       client_text(row, "acl"), client_text(row, "domain"));
	table_init(&t, heads, array_len(heads));
	json_array_foreach (json_object_get(row, "channels"), i, c) {
		table_add(&t, client_text(c, "channel"));
		table_add(&t, client_flag(c, "enabled") ? "enabled" : "disabled");
		table_add(&t, client_text(c, "publisher"));
		snprintf(text, sizeof(text), "%.0f", client_number(c, "frag_s"));
		table_add(&t, text);
		snprintf(text, sizeof(text), "%.0f", client_number(c, "count"));
		table_add(&t, text);
		table_add(&t, client_text(c, "playlist"));
	}
	if (t.cells)
		table_print(&t, stdout);
	table_fini(&t);
}

static int show(struct cli *cli, const char *bucket)
{
	struct client_param params[] = {{"bucket", bucket}, {NULL, NULL}};
	json_t *answer;
	int rc = client_get(cli, "/local/buckets", params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	else if (bucket)
		print_bucket(json_array_get(json_object_get(answer, "buckets"), 0));
	else
		print_buckets(answer);
	json_decref(answer);
	return CLI_OK;
}

static int run_list(struct cli *cli, const struct args *a)
{
	return show(cli, NULL);
}

static int run_show(struct cli *cli, const struct args *a)
{
	return show(cli, a->rest[0]);
}

static int change(struct cli *cli, const char *path, const char *bucket, const char *acl)
{
	struct client_param params[] = {{"bucket", bucket}, {"acl", acl}, {NULL, NULL}};
	json_t *answer;
	int rc = client_post(cli, path, params, &answer);

	if (rc)
		return rc;
	if (cli->json)
		client_print(answer);
	json_decref(answer);
	return CLI_OK;
}

static int run_create(struct cli *cli, const struct args *a)
{
	return change(cli, "/local/bucket/create", a->rest[0], a->value[0]);
}

static int run_acl(struct cli *cli, const struct args *a)
{
	return change(cli, "/local/bucket/acl", a->rest[0], a->rest[1]);
}

static int run_remove(struct cli *cli, const struct args *a)
{
	return change(cli, "/local/bucket/remove", a->rest[0], NULL);
}

#define ACCESS                                                                                  \
	"ACCESS is private (every request and publisher is signed), public-read (objects are\n" \
	"fetched and listed by everybody) or public-read-write (publishing and deleting too)."

static const struct opt create_opts[] = {
	{"acl", "ACCESS", "private, public-read or public-read-write (private)"}, {NULL}};

const struct command bucket_commands[] = {
	{"bucket create", "BUCKET", "Make a bucket for objects and live channels",
	 "A bucket is a domain: as soon as there is one, the open default domain is gone.\n" ACCESS,
	 create_opts, 1, 1, run_create},
	{"bucket list", "", "List the buckets", NULL, NULL, 0, 0, run_list},
	{"bucket show", "BUCKET", "Show a bucket and its live channels",
	 "SECONDS and SEGMENTS are how long a segment is and how many of them the playlist has.",
	 NULL, 1, 1, run_show},
	{"bucket acl", "BUCKET ACCESS", "Change who may use a bucket without a signature", ACCESS,
	 NULL, 2, 2, run_acl},
	{"bucket remove", "BUCKET", "Remove a bucket that has neither channels nor objects", NULL,
	 NULL, 1, 1, run_remove},
	{NULL},
};
