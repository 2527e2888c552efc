/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on ingest callbacks of a domain. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domains.h"
#include "controlplane/history.h"
#include "controlplane/rules.h"

#define KEY_MIN	  16
#define KEY_MAX	  64
#define WINDOW_MS (7 * 86400 * 1000LL)

static bool key_fits(const char *key)
{
	size_t n = strlen(key);

	for (const char *p = key; *p; p++)
		if (!isalnum((unsigned char)*p))
			return false;
	return n >= KEY_MIN && n <= KEY_MAX;
}

static json_t *edited(const json_t *doc)
{
	json_t *copy = json_deep_copy(doc);

	json_object_set_new(copy, "modified", json_integer((json_int_t)(clock_wall_ms() / 1000)));
	return copy;
}

static void commit(struct api_call *c, const char *name, json_t *doc)
{
	api_commit(c, domains_book(c->cp->domains), json_pack("{so}", name, doc), json_object());
}

void notify_set(struct api_call *c)
{
	const char *name = api_text(c, "DomainName", ""), *key = api_text(c, "NotifyAuthKey", "");
	const char *auth = api_text(c, "NotifyReqAuth", "no");
	json_t *doc = api_domain_of(c, name, false), *copy;
	struct refusal r;

	if (!doc)
		return;
	if ((*key || !strcmp(auth, "yes")) && !key_fits(key)) {
		refuse(&r, 400, *key ? "InvalidParameter" : "MissingParameter",
		       "NotifyAuthKey must be %d to %d letters and digits.", KEY_MIN, KEY_MAX);
		api_refuse(c, &r);
		return;
	}
	copy = edited(doc);
	json_object_set_new(copy, "notify",
			    json_pack("{ss ss ss ss ss ss}", "domain", name, "url",
				      api_text(c, "NotifyUrl", ""), "auth", auth, "key", key,
				      "exception_url", api_text(c, "ExceptionNotifyUrl", ""),
				      "switch_url", api_text(c, "SwitchNotifyUrl", "")));
	commit(c, name, copy);
}

void notify_delete(struct api_call *c)
{
	const char *name = api_text(c, "DomainName", "");
	json_t *doc = api_domain_of(c, name, false), *copy;

	if (!doc)
		return;
	copy = edited(doc);
	json_object_del(copy, "notify");
	commit(c, name, copy);
}

static const char *member(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

void notify_describe(struct api_call *c)
{
	const char *name = api_text(c, "DomainName", "");
	json_t *doc = api_domain_of(c, name, false), *n, *row;

	if (!doc)
		return;
	n = json_object_get(doc, "notify");
	row = json_pack("{ss ss ss ss ss ss}", "DomainName", name, "NotifyUrl", member(n, "url"),
			"NotifyReqAuth", n ? member(n, "auth") : "no", "NotifyAuthKey",
			member(n, "key"), "ExceptionNotifyUrl", member(n, "exception_url"),
			"SwitchNotifyUrl", member(n, "switch_url"));
	api_answer(c, json_pack("{so}", "LiveStreamsNotifyConfig", row));
}

/* ---- what was delivered ---------------------------------------------------------------------------- */

static bool row_fits(struct api_call *c, const json_t *row)
{
	const char *app = api_text(c, "AppName", ""), *stream = api_text(c, "StreamName", "");
	const char *status = api_text(c, "Status", "");
	bool ok = json_is_true(json_object_get(row, "ok"));

	return (!*app || !strcmp(app, member(row, "app"))) &&
	       (!*stream || !strcmp(stream, member(row, "name"))) &&
	       (!*status || !strcmp(status, "all") || !strcmp(status, ok ? "success" : "failed"));
}

/* A query becomes a JSON object's text, as documented; a body is one. */
static char *content_of(const json_t *row)
{
	const char *p = member(row, "content");
	json_t *o;
	char *text;

	if (*p == '{')
		return strdup(p);
	o = json_object();
	for (; *p; p += *p == '&') {
		size_t n = strcspn(p, "&"), name_n = strcspn(p, "=");
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)min_of(name_n, n), p);
		if (name_n < n)
			json_object_set_new(o, name, json_stringn(p + name_n + 1, n - name_n - 1));
		p += n;
	}
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static json_t *record_of(struct api_call *c, const json_t *row)
{
	bool ok = json_is_true(json_object_get(row, "ok"));
	char *content = content_of(row), time[TIME_TEXT];
	json_t *out;

	out = json_pack("{ss ss ss ss ss ss ss ss ss}", "DomainName", api_text(c, "DomainName", ""),
			"AppName", member(row, "app"), "StreamName", member(row, "name"),
			"NotifyUrl", member(row, "url"), "NotifyType", member(row, "type"),
			"NotifyContent", content ? content : "", "NotifyResult",
			ok ? "success" : "failed", "NotifyTime",
			time_text(time, json_integer_value(json_object_get(row, "t")) / 1000),
			"Description", member(row, "why"));
	free(content);
	return out;
}

static void on_rows(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 10);
	json_t *all, *row, *out;
	size_t i, n;

	if (api_unread(c, error))
		return;
	all = json_array();
	json_array_foreach (rows, i, row)
		if (row_fits(c, row))
			json_array_append_new(all, record_of(c, row));
	n = json_array_size(all);
	out = json_pack("{sI sI sI sI s{so}}", "PageNum", (json_int_t)page, "PageSize",
			(json_int_t)size, "TotalNum", (json_int_t)n, "TotalPage",
			((json_int_t)n + size - 1) / size, "NotifyRecordsInfo",
			"LiveStreamNotifyRecordsInfo", api_page(all, page, size));
	json_decref(all);
	api_answer(c, out);
}

void notify_records(struct api_call *c)
{
	const struct api_arg *from = api_arg(c, "StartTime"), *to = api_arg(c, "EndTime");
	int64_t from_ms = from->number * 1000, to_ms = to->number * 1000;
	struct refusal r;

	if (!api_domain(c, api_text(c, "DomainName", "")))
		return;
	if (to_ms <= from_ms || to_ms - from_ms > WINDOW_MS) {
		refuse(&r, 400, "InvalidParameter",
		       "EndTime must be after StartTime, by 7 days at most; the value is \"%s\".",
		       to->text);
		api_refuse(c, &r);
		return;
	}
	history_ask(c->cp->store, HISTORY_NOTIFY, api_text(c, "DomainName", ""), from_ms, to_ms,
		    on_rows, c);
}
