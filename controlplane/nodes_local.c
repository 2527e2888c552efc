/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/nodes_local.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/store_redis_nodes.h"

/* Until every node is read. */
struct listing {
	struct cp *cp;
	struct http_call *http;
	json_t *rows;
};

/* What is a number in a heartbeat; the rest is text. */
static bool is_number(const char *name)
{
	return strcmp(name, "Version") && strcmp(name, "Regions");
}

static void on_node(void *arg, const char *name, int64_t seen_ms, const struct task_field *f,
		    size_t n)
{
	struct listing *l = arg;
	json_t *row = json_pack("{ss sb sb sI}", "Node", name, "Alive", (int)(n > 0), "This",
				!strcmp(name, l->cp->node), "SeenMs", (json_int_t)seen_ms);

	if (!row) /* a name that is no text: not of ours */
		return;
	for (size_t i = 0; i < n; i++) {
		json_t *value = is_number(f[i].name) ? json_integer(strtoll(f[i].value, NULL, 10))
						     : json_string(f[i].value);

		if (value)
			json_object_set_new(row, f[i].name, value);
	}
	json_array_append_new(l->rows, row);
}

static void on_done(void *arg, const char *error)
{
	struct listing *l = arg;

	if (!error) {
		http_reply_json(l->http, 200, json_pack("{so}", "nodes", l->rows));
	} else {
		json_decref(l->rows);
		http_reply_json(
			l->http, 503,
			json_pack("{ss ss}", "Code", "ServiceUnavailable", "Message", error));
	}
	free(l);
}

void nodes_local_list(struct cp *cp, struct http_call *c)
{
	struct listing *l = calloc(1, sizeof(*l));

	must(l);
	*l = (struct listing){cp, c, json_array()};
	store_nodes_read(cp->store, on_node, on_done, l);
}
