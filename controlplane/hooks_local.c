/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/hooks_local.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "controlplane/refusal.h"

/* A call that waits for Redis. */
struct asked {
	struct cp *cp;
	struct http_call *http;
	char id[64]; /* "all", or of one callback */
	bool again;  /* replay, not drop */
	unsigned done, missing;
	char error[256];
};

static struct asked *asked_new(struct cp *cp, struct http_call *c)
{
	struct asked *a = calloc(1, sizeof(*a));

	must(a);
	a->cp = cp;
	a->http = c;
	return a;
}

static void fail(struct http_call *c, int status, const char *code, const char *message)
{
	http_reply_json(c, status, json_pack("{ss ss*}", "Code", code, "Message", message));
}

static void fail_store(struct asked *a, const char *error)
{
	struct refusal r;

	refuse_redis(&r, error);
	fail(a->http, r.status, r.code, r.message);
	free(a);
}

/* ---- list -------------------------------------------------------------------------------------- */

static json_t *masked(const char *url)
{
	char text[2200];
	json_t *shown = json_string(log_url(text, sizeof(text), url));

	return shown ? shown : json_string("");
}

static void add_waiting(void *arg, const char *task_id, const struct hook *h)
{
	json_t *row = json_pack("{ss ss ss so ss si ss}", "id", h->id, "task", task_id, "state",
				"waiting", "url", masked(h->url), "body", h->body, "tries",
				h->tries, "why", "");

	must(row);
	json_array_append_new(arg, row);
}

static void on_list(void *arg, const char *const *texts, size_t n, const char *error)
{
	struct asked *a = arg;
	json_t *rows = json_array();

	if (error) {
		json_decref(rows);
		fail_store(a, error);
		return;
	}
	hooks_each(a->cp->hooks, add_waiting, rows);
	for (size_t i = n; i > 0; i--) {
		json_t *row = json_loads(texts[i - 1], 0, NULL);

		if (!json_is_object(row)) {
			json_decref(row);
			continue;
		}
		json_object_set_new(row, "state", json_string("dead"));
		json_object_set_new(row, "url",
				    masked(json_string_value(json_object_get(row, "url")) ?: ""));
		json_array_append_new(rows, row);
	}
	http_reply_json(a->http, 200, json_pack("{so}", "callbacks", rows));
	free(a);
}

void hooks_local_list(struct cp *cp, struct http_call *c)
{
	store_dead_list(cp->store, on_list, asked_new(cp, c));
}

/* ---- replay and drop ----------------------------------------------------------------------------- */

/* One dead callback on its way. */
struct moving {
	struct asked *asked;
	struct hook *hook;
	char task_id[64];
};

static void asked_end(struct asked *a)
{
	if (a->missing)
		return;
	if (a->error[0]) {
		fail_store(a, a->error);
		return;
	}
	if (!a->done && strcmp(a->id, "all")) {
		fail(a->http, 404, "NotFound", "no such callback is kept");
		free(a);
		return;
	}
	http_reply_json(a->http, 200, json_pack("{si}", "callbacks", (int)a->done));
	free(a);
}

static void on_moved(void *arg, const char *error)
{
	struct moving *m = arg;
	struct asked *a = m->asked;

	if (error)
		snprintf(a->error, sizeof(a->error), "%s", error);
	else
		a->done++;
	if (!error && a->again)
		hooks_add(a->cp->hooks, m->task_id, m->hook);
	else
		hook_free(m->hook);
	free(m);
	a->missing--;
	asked_end(a);
}

/* false: not a text of ours, or not the one that is meant. */
static bool move(struct asked *a, const char *text)
{
	json_t *row = json_loads(text, 0, NULL);
	const char *task = json_string_value(json_object_get(row, "task"));
	struct hook *hook = hook_parse(text);
	struct moving *m;

	if (!hook || !task || (strcmp(a->id, "all") && strcmp(a->id, hook->id))) {
		hook_free(hook);
		json_decref(row);
		return false;
	}
	m = calloc(1, sizeof(*m));
	must(m);
	m->asked = a;
	m->hook = hook;
	snprintf(m->task_id, sizeof(m->task_id), "%s", task);
	json_decref(row);
	a->missing++;
	store_dead_end(a->cp->store, m->task_id, text, a->again, on_moved, m);
	return true;
}

static void on_found(void *arg, const char *const *texts, size_t n, const char *error)
{
	struct asked *a = arg;

	if (error) {
		fail_store(a, error);
		return;
	}
	/* Oldest first, so that a task's events keep their order. */
	for (size_t i = n; i > 0; i--)
		if (move(a, texts[i - 1]) && strcmp(a->id, "all"))
			break;
	asked_end(a);
}

static void begin(struct cp *cp, struct http_call *c, bool again)
{
	const char *id = params_value(&c->params, "id");
	struct asked *a;

	if (!id || !*id) {
		fail(c, 400, "MissingParameter", "id is missing");
		return;
	}
	if (!again && hooks_drop(cp->hooks, id)) {
		http_reply_json(c, 200, json_pack("{si}", "callbacks", 1));
		return;
	}
	a = asked_new(cp, c);
	a->again = again;
	snprintf(a->id, sizeof(a->id), "%s", id);
	store_dead_list(cp->store, on_found, a);
}

void hooks_local_replay(struct cp *cp, struct http_call *c)
{
	begin(cp, c, true);
}

void hooks_local_drop(struct cp *cp, struct http_call *c)
{
	begin(cp, c, false);
}
