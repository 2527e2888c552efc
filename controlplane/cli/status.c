/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/status.h"

#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/format.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/when.h"

#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

/* ---- cells ---- */

const char *status_age(char *dst, const json_t *moment)
{
	double v = json_number_value(moment);
	int64_t now = (int64_t)(clock_wall_ms() / 1000), then = -1;

	if (json_is_string(moment))
		then = when_seconds(json_string_value(moment));
	else if (v > 0)
		then = (int64_t)(v > 1e11 ? v / 1000 : v);
	if (then <= 0)
		return strcpy(dst, "-");
	return format_span(dst, now - then);
}

static void add_rate(struct table *t, const json_t *o, const char *key)
{
	char text[FORMAT_TEXT];

	table_add(t, format_rate(text, client_number(o, key)));
}

static void add_count(struct table *t, double n)
{
	char text[FORMAT_TEXT];

	snprintf(text, sizeof(text), "%.0f", n);
	table_add(t, text);
}

static void add_video(struct table *t, const json_t *s)
{
	char text[128];
	double w = client_number(s, "width"), h = client_number(s, "height");

	if (w > 0 && h > 0)
		snprintf(text, sizeof(text), "%.40s %.0fx%.0f", client_text(s, "video"), w, h);
	else
		snprintf(text, sizeof(text), "%.40s", client_text(s, "video"));
	table_add(t, text);
}

static const char *tint_task(unsigned col, const char *text)
{
	if (col != 2)
		return NULL;
	if (!strcmp(text, "Running"))
		return GREEN;
	if (!strcmp(text, "Recovering"))
		return YELLOW;
	return strcmp(text, "Offline") ? NULL : RED;
}

static const char *tint_none(unsigned col, const char *text)
{
	return NULL;
}

/* ---- lists ---- */

static void add_stream(struct table *t, const json_t *s)
{
	char age[FORMAT_TEXT], gop[FORMAT_TEXT];

	table_add(t, client_text(s, "stream"));
	table_add(t, client_text(s, "publisher"));
	add_video(t, s);
	table_add(t, client_text(s, "audio"));
	snprintf(gop, sizeof(gop), "%.1fs", client_number(s, "gop_ms") / 1000);
	table_add(t, gop);
	add_rate(t, s, "in_bps");
	add_rate(t, s, "out_bps");
	add_count(t, client_number(s, "viewers_rtmp"));
	add_count(t, client_number(s, "viewers_flv"));
	add_count(t, client_number(s, "viewers_ws"));
	add_count(t, client_number(s, "viewers_hls"));
	add_count(t, client_number(s, "pushes"));
	table_add(t, status_age(age, json_object_get(s, "since")));
}

void status_print_streams(FILE *to, const json_t *status, bool color, bool all)
{
	static const char *const heads[] = {"STREAM", "PUBLISHER", "VIDEO", "AUDIO", ">GOP",
					    ">IN",    ">OUT",	   ">RTMP", ">FLV",  ">WS",
					    ">HLS",   ">PUSHES",   ">SINCE"};
	struct table t;
	json_t *s;
	size_t i;

	table_init(&t, heads, array_len(heads));
	t.tint = color ? tint_none : NULL;
	json_array_foreach (json_object_get(status, "streams"), i, s) {
		if (all || !client_flag(s, "internal"))
			add_stream(&t, s);
	}
	if (t.cells)
		table_print(&t, to);
	else
		fputs("no streams\n", to);
	table_fini(&t);
}

static void add_task(struct table *t, const json_t *o)
{
	table_add(t, client_text(o, "TaskId"));
	table_add(t, client_text(o, "TaskName"));
	table_add(t, client_text(o, "State"));
	table_add(t, client_text(o, "Reason"));
	table_add(t, client_text(o, "SourceUrl"));
	table_add(t, client_text(o, "DstUrl"));
	add_count(t, client_number(o, "Retries"));
	add_rate(t, o, "in_bps");
	add_rate(t, o, "out_bps");
	table_add(t, client_text(o, "EndTime"));
}

void status_print_tasks(FILE *to, const json_t *status, bool color)
{
	static const char *const heads[] = {"TASK",	   "NAME",     "STATE", "REASON", "SOURCE",
					    "DESTINATION", ">RETRIES", ">IN",	">OUT",	  "ENDS"};
	double all = client_number(json_object_get(status, "totals"), "tasks");
	struct table t;
	json_t *o;
	size_t i;

	table_init(&t, heads, array_len(heads));
	t.tint = color ? tint_task : NULL;
	json_array_foreach (json_object_get(status, "tasks"), i, o) {
		add_task(&t, o);
	}
	if (t.cells)
		table_print(&t, to);
	else
		fputs("no tasks\n", to);
	table_fini(&t);
	if (i && i < all)
		fprintf(to, "the %zu oldest of %.0f; all: millrace task list\n", i, all);
}

/* ---- the whole ---- */

static void print_link(FILE *to, const char *name, const json_t *o, bool color)
{
	bool up = client_flag(o, "connected");

	fprintf(to, "   %s %s%s%s", name, color ? (up ? GREEN : RED) : "",
		up ? "connected" : "NOT CONNECTED", color ? PLAIN : "");
}

void status_print_line(FILE *to, const json_t *status)
{
	const json_t *t = json_object_get(status, "totals");
	char in[FORMAT_TEXT], out[FORMAT_TEXT], bytes_in[FORMAT_TEXT], bytes_out[FORMAT_TEXT];

	fprintf(to, "streams %.0f, viewers %.0f, tasks %.0f, in %s (%s), out %s (%s)\n",
		client_number(t, "streams"), client_number(t, "viewers"), client_number(t, "tasks"),
		format_rate(in, client_number(t, "in_bps")),
		format_bytes(bytes_in, client_number(t, "bytes_in")),
		format_rate(out, client_number(t, "out_bps")),
		format_bytes(bytes_out, client_number(t, "bytes_out")));
}

void status_print(FILE *to, const json_t *status, bool color)
{
	const json_t *dp = json_object_get(status, "dataplane");
	char node[80], version[40], up[FORMAT_TEXT];

	fprintf(to, "Millrace %s on %s, up %s",
		format_safe(version, sizeof(version), client_text(status, "version")),
		format_safe(node, sizeof(node), client_text(status, "node")),
		format_span(up, (int64_t)client_number(status, "uptime_s")));
	print_link(to, "data plane", dp, color);
	if (client_flag(dp, "connected"))
		fprintf(to, " (%.0f cores)", client_number(dp, "cores"));
	print_link(to, "Redis", json_object_get(status, "redis"), color);
	fputc('\n', to);
	status_print_line(to, status);
	fputc('\n', to);
	status_print_streams(to, status, color, false);
	fputc('\n', to);
	status_print_tasks(to, status, color);
}

/* ---- the command ---- */

static const struct opt status_opts[] = {
	{"watch", NULL, "again every second, until Ctrl-C"},
	{NULL, NULL, NULL},
};
enum { OPT_WATCH };

static int print_once(struct cli *cli, bool home)
{
	json_t *status;
	int rc = client_get(cli, "/local/status", NULL, &status);

	if (rc)
		return rc;
	if (home)
		fputs("\033[H\033[J", stdout);
	if (cli->json)
		client_print(status);
	else
		status_print(stdout, status, cli->color);
	fflush(stdout);
	json_decref(status);
	return CLI_OK;
}

static int run_status(struct cli *cli, const struct args *a)
{
	bool tty = isatty(STDOUT_FILENO) && !cli->json;
	int rc = print_once(cli, a->value[OPT_WATCH] && tty);

	while (rc == CLI_OK && a->value[OPT_WATCH] && !ferror(stdout)) {
		sleep(1);
		rc = print_once(cli, tty);
	}
	return rc;
}

const struct command status_commands[] = {
	{"status", "", "Show node, streams, viewers, bit rates and tasks", NULL, status_opts, 0, 0,
	 run_status},
	{NULL},
};
