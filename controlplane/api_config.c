/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on the node's configuration. */
#include "base/check.h"
#include "controlplane/api_book.h"
#include "controlplane/apply.h"
#include "controlplane/settings.h"

void config_describe(struct api_call *c)
{
	static struct config next;
	struct conf_error e;
	struct refusal r;

	if (settings_read(c->cp, api_arg(c, "Content")->text, &next, &e)) {
		refuse(&r, 400, "InvalidConfiguration", "%s", e.text);
		api_refuse(c, &r);
		return;
	}
	api_answer(c, json_pack("{ss so}", "File", c->cp->conf_path ? c->cp->conf_path : "",
				"Changes", settings_changes(c->cp, &next)));
}

/* {key: value} of a list of changes, for the audit log. */
static json_t *side_of(const json_t *changes, const char *side)
{
	json_t *out = json_object(), *row;
	size_t i;

	json_array_foreach ((json_t *)changes, i, row)
		json_object_set(out, dp_text(row, "Key"), json_object_get(row, side));
	return out;
}

static void on_applied(void *arg, const struct refusal *r, const json_t *changes)
{
	struct api_call *c = arg;

	if (r) {
		api_refuse(c, r);
		return;
	}
	c->before = side_of(changes, "From");
	c->after = side_of(changes, "To");
	api_answer(c, json_pack("{ss sO}", "File", c->cp->conf_path, "Changes", (json_t *)changes));
}

void config_apply(struct api_call *c)
{
	apply(c->cp, api_arg(c, "Content")->text, on_applied, c);
}
