/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/buckets_local.h"
#include "controlplane/guard_local.h"
#include "controlplane/assets_local.h"
#include "controlplane/hooks_local.h"
#include "controlplane/nodes_local.h"
#include "controlplane/numbers.h"
#include "controlplane/packages.h"
#include "controlplane/refusal.h"
#include "controlplane/streams.h"
#include "controlplane/view.h"

static void fail(struct http_call *c, const struct refusal *r)
{
	json_t *body = json_pack("{ss ss*}", "Code", r->code, "Message", r->message);

	http_reply_json(c, r->status, body);
}

/* ---- status ---------------------------------------------------------------------------------- */

static json_t *stream_rows(struct cp *cp, uint64_t now_us, uint64_t *viewers, uint64_t *live)
{
	json_t *rows = json_array();
	struct shm_stream_view v;

	*viewers = *live = 0;
	for (uint32_t i = 0; cp->shm && i < shm_streams(cp->shm); i++) {
		if (!shm_stream_at(cp->shm, i, &v))
			continue;
		json_array_append_new(rows, streams_row(cp->streams, i, &v, now_us));
		*viewers += v.viewers_rtmp + v.viewers_flv + v.viewers_ws + v.viewers_hls;
		*live += !v.internal;
	}
	return rows;
}

static json_t *task_row(struct cp *cp, const struct relay *r, uint64_t now_us)
{
	struct task_numbers n;
	json_t *row;

	numbers_of(cp->shm, r, now_us, &n);
	row = view_task_row(r->task, &n);
	json_object_set_new(row, "Node", json_string(tasks_node(cp->tasks, r)));
	return row;
}

/* At most n, without the skip oldest: nothing else is done while they are written. */
static json_t *task_rows(struct cp *cp, uint64_t now_us, uint64_t skip, uint64_t n)
{
	struct relay *r = tasks_first(cp->tasks);
	json_t *rows = json_array();

	for (; r && skip; skip--)
		r = tasks_next(r);
	for (; r && n; n--, r = tasks_next(r))
		json_array_append_new(rows, task_row(cp, r, now_us));
	return rows;
}

/* false: refused. */
static bool count_given(struct http_call *c, const char *name, uint64_t most, uint64_t *n)
{
	const char *text = params_value(&c->params, name);
	struct refusal r;
	char *end;

	if (!text)
		return true;
	*n = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *n <= most)
		return true;
	refuse(&r, 400, "InvalidParameter", "%s must be 0 to %llu; the value is \"%.40s\".", name,
	       (unsigned long long)most, text);
	fail(c, &r);
	return false;
}

static json_int_t of_shm(struct cp *cp, uint64_t (*get)(const struct shm *))
{
	return cp->shm ? (json_int_t)get(cp->shm) : 0;
}

static json_int_t total(struct cp *cp, enum counter c)
{
	return cp->shm ? (json_int_t)shm_total(cp->shm, c) : 0;
}

static void status(struct cp *cp, struct http_call *c)
{
	uint64_t now_us = clock_us(), viewers, live, skip = 0, most = LOCAL_TASKS_MAX;
	json_t *rows, *body, *totals;

	if (!count_given(c, "tasks", LOCAL_TASKS_MAX, &most) ||
	    !count_given(c, "skip", UINT32_MAX, &skip))
		return;
	rows = stream_rows(cp, now_us, &viewers, &live);
	totals = json_pack("{sI sI sI sI sI sI sI}", "streams", (json_int_t)live, "viewers",
			   (json_int_t)viewers, "tasks", (json_int_t)tasks_count(cp->tasks),
			   "in_bps", of_shm(cp, shm_in_bps), "out_bps", of_shm(cp, shm_out_bps),
			   "bytes_in", total(cp, CTR_BYTES_IN), "bytes_out",
			   total(cp, CTR_BYTES_OUT));
	body = json_pack("{ss ss sI s{sb si si} s{sb} so so so}", "node", cp->node, "version",
			 MILLRACE_VERSION, "uptime_s",
			 (json_int_t)((now_us - cp->start_us) / 1000000), "dataplane", "connected",
			 (int)dp_up(cp->dp), "pid", dp_up(cp->dp) ? dp_pid(cp->dp) : 0, "cores",
			 dp_up(cp->dp) ? dp_cores(cp->dp) : 0, "redis", "connected",
			 (int)store_ready(cp->store), "totals", totals, "streams", rows, "tasks",
			 task_rows(cp, now_us, skip, most));
	must(body);
	http_reply_json(c, 200, body);
}

/* ---- questions to the data plane --------------------------------------------------------------- */

/* A call that waits for the data plane's answer. */
struct asked {
	struct cp *cp;
	struct http_call *http;
	void (*fine)(struct asked *a, json_t *answer); /* replies */
};

static void fail_dp(struct http_call *c, json_t *error)
{
	const char *code = dp_text(error, "code"), *field = dp_text(error, "field");
	struct refusal r;

	if (!strcmp(code, "not_found"))
		refuse(&r, 404, "NotFound", "%s%s%s", field, *field ? ": " : "",
		       dp_text(error, "message"));
	else if (!strcmp(code, "bad_field"))
		refuse(&r, 400, "InvalidParameter", "%s %s", field, dp_text(error, "message"));
	else
		refuse(&r, 503, "ServiceUnavailable", "the data plane answered %s: %s", code,
		       dp_text(error, "message"));
	fail(c, &r);
}

static void fail_away(struct cp *cp, struct http_call *c)
{
	struct refusal r;

	refuse(&r, 503, "ServiceUnavailable", "the data plane is not connected (%s)",
	       dp_trouble(cp->dp));
	fail(c, &r);
}

static void on_answer(void *arg, json_t *answer)
{
	struct asked *a = arg;

	if (!answer)
		fail_away(a->cp, a->http);
	else if (dp_error(answer))
		fail_dp(a->http, dp_error(answer));
	else
		a->fine(a, answer);
	free(a);
}

static void ask_dp(struct cp *cp, struct http_call *c, const char *verb, json_t *keys,
		   void (*fine)(struct asked *a, json_t *answer))
{
	struct asked *a = calloc(1, sizeof(*a));

	must(a);
	*a = (struct asked){cp, c, fine};
	dp_request(cp->dp, verb, keys, on_answer, a);
}

static void reply_plain(struct asked *a, json_t *answer)
{
	json_t *body = json_copy(answer);

	json_object_del(body, "id");
	json_object_del(body, "error");
	json_object_del(body, "more");
	http_reply_json(a->http, 200, body);
}

/* Words from the answer, numbers from shared memory. */
static void reply_stream(struct asked *a, json_t *answer)
{
	const char *name = dp_text(answer, "stream");
	struct shm_stream_view v;
	json_t *body = json_copy(answer);
	uint32_t slot;

	json_object_del(body, "id");
	json_object_del(body, "error");
	if (a->cp->shm && shm_stream_find(a->cp->shm, name, &v, &slot)) {
		json_t *row = streams_row(a->cp->streams, slot, &v, clock_us());

		json_object_update_missing_new(body, row);
	}
	http_reply_json(a->http, 200, body);
}

/* NULL: answered already. */
static const char *need(struct http_call *c, const char *name)
{
	const char *value = params_value(&c->params, name);
	struct refusal r;

	if (value && *value)
		return value;
	refuse(&r, 400, "MissingParameter", "%s is missing", name);
	fail(c, &r);
	return NULL;
}

static void streams(struct cp *cp, struct http_call *c)
{
	const char *name = params_value(&c->params, "stream");
	uint64_t viewers, live;

	if (name && *name)
		ask_dp(cp, c, "stream.show", json_pack("{ss}", "stream", name), reply_stream);
	else
		http_reply_json(
			c, 200,
			json_pack("{so}", "streams", stream_rows(cp, clock_us(), &viewers, &live)));
}

/* What the data plane holds, with the words of who packages it. */
static void reply_hls(struct asked *a, json_t *answer)
{
	json_t *held = json_object_get(answer, "streams"), *mine = packages_list(a->cp->packages);
	json_t *row, *other;
	size_t i, j;

	json_array_foreach (mine, i, row)
		json_array_foreach (held, j, other)
			if (!strcmp(dp_text(row, "stream"), dp_text(other, "stream")))
				json_object_set(row, "held", other);
	http_reply_json(a->http, 200, json_pack("{so}", "packages", mine));
}

static void hls(struct cp *cp, struct http_call *c)
{
	ask_dp(cp, c, "hls.list", NULL, reply_hls);
}

static void viewers(struct cp *cp, struct http_call *c)
{
	const char *name = params_value(&c->params, "stream");
	json_t *keys = json_object();

	if (name && *name)
		json_object_set_new(keys, "stream", json_string(name));
	ask_dp(cp, c, "viewer.list", keys, reply_plain);
}

static void stream_kick(struct cp *cp, struct http_call *c)
{
	const char *name = need(c, "stream");

	if (name)
		ask_dp(cp, c, "stream.kick", json_pack("{ss}", "stream", name), reply_plain);
}

static void viewer_kick(struct cp *cp, struct http_call *c)
{
	const char *id = need(c, "id");

	if (id)
		ask_dp(cp, c, "viewer.kick", json_pack("{ss}", "viewer", id), reply_plain);
}

static void drain(struct cp *cp, struct http_call *c)
{
	const char *on = need(c, "on");
	struct refusal r;

	if (!on)
		return;
	if (strcmp(on, "0") && strcmp(on, "1")) {
		refuse(&r, 400, "InvalidParameter", "on must be 1 or 0; the value is \"%.32s\"",
		       on);
		fail(c, &r);
		return;
	}
	tasks_drain(cp->tasks, *on == '1');
	ask_dp(cp, c, "drain", json_pack("{sb}", "on", *on == '1'), reply_plain);
}

/* ---- paths ------------------------------------------------------------------------------------ */

static const struct {
	const char *path;
	bool post;
	void (*fn)(struct cp *cp, struct http_call *c);
} paths[] = {
	{"/local/status", false, status},
	{"/local/streams", false, streams},
	{"/local/hls", false, hls},
	{"/local/viewers", false, viewers},
	{"/local/stream/kick", true, stream_kick},
	{"/local/viewer/kick", true, viewer_kick},
	{"/local/drain", true, drain},
	{"/local/guard", false, guard_local_show},
	{"/local/guard", true, guard_local_set},
	{"/local/buckets", false, buckets_local_list},
	{"/local/bucket/create", true, buckets_local_create},
	{"/local/bucket/acl", true, buckets_local_acl},
	{"/local/bucket/remove", true, buckets_local_remove},
	{"/local/nodes", false, nodes_local_list},
	{"/local/assets", false, assets_local_list},
	{"/local/asset/add", true, assets_local_add},
	{"/local/asset/remove", true, assets_local_remove},
	{"/local/callbacks", false, hooks_local_list},
	{"/local/callbacks/replay", true, hooks_local_replay},
	{"/local/callbacks/drop", true, hooks_local_drop},
};

void local_handle(struct cp *cp, struct http_call *c)
{
	bool post = !strcmp(c->method, "POST");
	struct refusal r;

	refuse(&r, 404, "NotFound", "%s is not a path of this socket", c->path);
	for (size_t i = 0; i < array_len(paths); i++) {
		if (strcmp(paths[i].path, c->path))
			continue;
		if (paths[i].post == post) {
			paths[i].fn(cp, c);
			return;
		}
		refuse(&r, 405, "MethodNotAllowed", "%s takes %s", c->path,
		       paths[i].post ? "POST" : "GET");
	}
	fail(c, &r);
}
