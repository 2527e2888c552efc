/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/assets_local.h"

#include <string.h>

#include "controlplane/assets.h"

static void fail(struct http_call *c, const struct refusal *r)
{
	http_reply_json(c, r->status,
			json_pack("{ss ss*}", "Code", r->code, "Message", r->message));
}

static bool is_ready(struct cp *cp, struct refusal *r)
{
	if (tasks_loaded(cp->tasks) && store_ready(cp->store))
		return true;
	return refuse_redis(r, store_trouble(cp->store));
}

static const char *given(struct http_call *c, const char *name)
{
	const char *value = params_value(&c->params, name);

	return value ? value : "";
}

void assets_local_list(struct cp *cp, struct http_call *c)
{
	const char *id = given(c, "id");
	const struct asset *a = assets_find(cp->assets, id);
	struct refusal r;

	if (!*id) {
		http_reply_json(c, 200, json_pack("{so}", "assets", assets_rows(cp->assets)));
	} else if (a) {
		http_reply_json(c, 200, assets_row(a));
	} else {
		refuse(&r, 404, "InvalidMediaId.NotFound", "\"%.64s\" is not an asset.", id);
		fail(c, &r);
	}
}

static void on_added(void *arg, json_t *row, const struct refusal *r)
{
	if (r)
		fail(arg, r);
	else
		http_reply_json(arg, 200, json_incref(row));
}

void assets_local_add(struct cp *cp, struct http_call *c)
{
	const char *file = given(c, "file"), *url = given(c, "url");
	struct refusal r;

	if (!*file == !*url)
		refuse(&r, 400, "InvalidParameter", "Either file or url must be given.");
	else if (is_ready(cp, &r)) {
		assets_add(cp->assets, given(c, "id"), *file ? file : url, *file, on_added, c);
		return;
	}
	fail(c, &r);
}

/* The task that plays it; NULL: none does. */
static const struct task *user_of(struct cp *cp, const char *id)
{
	for (struct relay *r = tasks_first(cp->tasks); r; r = tasks_next(r)) {
		json_t *ids, *one;
		bool found = false;
		size_t i;

		if (!strcmp(r->task->slate_url, id))
			return r->task;
		if (strcmp(r->task->source_type, "vod"))
			continue;
		ids = json_loads(r->task->source_urls, 0, NULL);
		json_array_foreach (ids, i, one)
			found = found || !strcmp(json_string_value(one), id);
		json_decref(ids);
		if (found)
			return r->task;
	}
	return NULL;
}

static void on_removed(void *arg, json_t *row, const struct refusal *r)
{
	if (r)
		fail(arg, r);
	else
		http_reply_json(arg, 200, json_object());
}

void assets_local_remove(struct cp *cp, struct http_call *c)
{
	const char *id = given(c, "id");
	const struct task *user = user_of(cp, id);
	struct refusal r;

	if (user)
		refuse(&r, 409, "OperationDenied.InUse", "Task %s plays %.64s.", user->id, id);
	else if (is_ready(cp, &r)) {
		assets_remove(cp->assets, id, on_removed, c);
		return;
	}
	fail(c, &r);
}
