/* SPDX-License-Identifier: Apache-2.0 */
/* The action that shows how publishing went, minute by minute. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/api_book.h"
#include "controlplane/history.h"
#include "controlplane/publish_codes.h"
#include "controlplane/rules.h"

#define WINDOW_S (7 * 86400)

/* t -> {code: how often}, of all nodes; rows come newest first. */
static void merge(json_t *minutes, const json_t *row)
{
	char t[24];
	const char *code;
	json_t *sum, *n;

	snprintf(t, sizeof(t), "%lld",
		 (long long)json_integer_value(json_object_get(row, "t")) / 1000);
	sum = json_object_get(minutes, t);
	if (!sum) {
		sum = json_object();
		json_object_set_new(minutes, t, sum);
	}
	json_object_foreach (json_object_get(row, "codes"), code, n)
		json_object_set_new(sum, code,
				    json_integer(json_integer_value(n) +
						 json_integer_value(json_object_get(sum, code))));
}

static json_t *minute_row(const char *t, json_t *sum)
{
	json_t *list = json_array(), *n;
	json_int_t all = 0;
	char time[TIME_TEXT];
	const char *code;

	json_object_foreach (sum, code, n)
		all += json_integer_value(n);
	json_object_foreach (sum, code, n)
		json_array_append_new(
			list, json_pack("{ss so so}", "Code", code, "Count",
					json_sprintf("%lld", (long long)json_integer_value(n)),
					"Proportion",
					json_sprintf("%.2f", 100.0 * (double)json_integer_value(n) /
								     (double)all)));
	return json_pack("{ss so}", "TimeStamp", time_text(time, strtoll(t, NULL, 10)), "CodeData",
			 list);
}

static void on_rows(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	const char *domain = api_text(c, "DomainName", ""), *t;
	json_t *minutes, *out, *row, *now, *sum;
	size_t i;

	if (api_unread(c, error))
		return;
	minutes = json_object();
	for (i = json_array_size(rows); i > 0 && (row = json_array_get(rows, i - 1)); i--)
		merge(minutes, row);
	now = publish_codes_now(c->cp->publish_codes, domain);
	i = (size_t)(json_integer_value(json_object_get(now, "t")) / 1000);
	if (now && (int64_t)i >= api_number(c, "StartTime", 0) &&
	    (int64_t)i < api_number(c, "EndTime", 0))
		merge(minutes, now);
	json_decref(now);
	out = json_array();
	json_object_foreach (minutes, t, sum)
		json_array_append_new(out, minute_row(t, sum));
	json_decref(minutes);
	api_answer(c, json_pack("{ss ss ss ss so}", "DomainName", domain, "StartTime",
				api_text(c, "StartTime", ""), "EndTime", api_text(c, "EndTime", ""),
				"DataInterval", "60", "RealTimeCodeData", out));
}

void live_publish_codes(struct api_call *c)
{
	const struct api_arg *from = api_arg(c, "StartTime"), *to = api_arg(c, "EndTime");
	struct refusal r;

	if (!api_domain_of(c, api_text(c, "DomainName", ""), false))
		return;
	if (to->number <= from->number || to->number - from->number > WINDOW_S) {
		refuse(&r, 400, "InvalidParameter",
		       "EndTime must be after StartTime, by 7 days at most; the value is \"%s\".",
		       to->text);
		api_refuse(c, &r);
		return;
	}
	history_ask(c->cp->store, HISTORY_CODES, api_text(c, "DomainName", ""), from->number * 1000,
		    to->number * 1000, on_rows, c);
}
