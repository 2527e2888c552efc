/* SPDX-License-Identifier: Apache-2.0 */
/* The action that shows who changed what. */
#include <string.h>

#include "controlplane/api_book.h"
#include "controlplane/audit.h"
#include "controlplane/history.h"
#include "controlplane/rules.h"

static bool row_fits(struct api_call *c, const json_t *row)
{
	const char *user = api_text(c, "User", ""), *action = api_text(c, "ActionName", "");

	return (!*user || !strcmp(user, dp_text(row, "user"))) &&
	       (!*action || !strcmp(action, dp_text(row, "action")));
}

static json_t *shown(const json_t *row)
{
	char time[TIME_TEXT];

	return json_pack("{ss ss ss ss ss sO* sO* ss sO* sO*}", "Time",
			 time_text(time, json_integer_value(json_object_get(row, "t")) / 1000),
			 "User", dp_text(row, "user"), "From", dp_text(row, "from"), "ActionName",
			 dp_text(row, "action"), "Request", dp_text(row, "request"), "Parameters",
			 json_object_get(row, "params"), "Status", json_object_get(row, "status"),
			 "Code", dp_text(row, "code"), "Before", json_object_get(row, "before"),
			 "After", json_object_get(row, "after"));
}

static void on_rows(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 100);
	json_t *all, *row, *out;
	size_t i;

	if (api_unread(c, error))
		return;
	all = json_array();
	json_array_foreach (rows, i, row)
		if (row_fits(c, row))
			json_array_append_new(all, shown(row));
	out = json_pack("{sI sI sI so}", "PageNumber", (json_int_t)page, "PageSize",
			(json_int_t)size, "TotalNum", (json_int_t)json_array_size(all),
			"AuditRecords", api_page(all, page, size));
	json_decref(all);
	api_answer(c, out);
}

void audit_records(struct api_call *c)
{
	const struct api_arg *from = api_arg(c, "StartTime"), *to = api_arg(c, "EndTime");

	history_ask(c->cp->store, HISTORY_AUDIT, AUDIT_SUBJECT,
		    from->text ? from->number * 1000 : 0, to->text ? to->number * 1000 : INT64_MAX,
		    on_rows, c);
}
