/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on streams: forbidden, allowed again, shown one by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/history.h"
#include "controlplane/live.h"
#include "controlplane/online.h"
#include "controlplane/post.h"
#include "controlplane/rules.h"

#define BLOCKS_MAX 10000
#define BAN_S	   (180 * 86400LL) /* "6 months" */
#define WEEK_MS	   (7 * 86400 * 1000LL)

static void note(struct api_call *c, const char *action)
{
	history_add(c->cp->store, HISTORY_CONTROL, api_text(c, "DomainName", ""),
		    json_pack("{sI ss ss ss ss}", "t", (json_int_t)clock_wall_ms(), "action",
			      action, "app", api_text(c, "AppName", ""), "name",
			      api_text(c, "StreamName", ""), "ip", c->http ? c->http->peer : ""));
}

static const char *key_of(struct api_call *c, char dst[LIVE_KEY])
{
	return domains_stream(c->cp->domains, dst, LIVE_KEY, api_text(c, "DomainName", ""),
			      api_text(c, "AppName", ""), api_text(c, "StreamName", ""));
}

/* ---- forbid ------------------------------------------------------------------------------------- */

static void refuse_kick(struct api_call *c, json_t *answer)
{
	struct refusal r;

	if (answer && !strcmp(dp_text(dp_error(answer), "code"), "not_found"))
		refuse(&r, 404, "InvalidStream.NotFound", "StreamName: the stream is not live.");
	else
		refuse(&r, 503, "ServiceUnavailable", "The data plane did not do it (%.200s).",
		       answer ? dp_text(dp_error(answer), "message") : dp_trouble(c->cp->dp));
	api_refuse(c, &r);
}

static void on_kicked_there(void *arg, int status, json_t *body)
{
	struct api_call *c = arg;
	struct refusal r;

	if (status) {
		api_relay_answer(c, status, body);
		return;
	}
	refuse(&r, 503, "ServiceUnavailable", "The node that has the stream does not answer.");
	api_refuse(c, &r);
}

/* Not here: the node that has it is asked. */
static void on_found(void *arg, json_t *rows, const char *error)
{
	const char *node = dp_text(json_array_get(rows, 0), "node");
	struct api_call *c = arg;
	struct refusal r;

	if (!error && *node && strcmp(node, c->cp->node) != 0) {
		post_ask(c->cp->post, node, c->action->name, api_given(c), on_kicked_there, c);
		return;
	}
	if (error)
		refuse_redis(&r, error);
	else
		refuse(&r, 404, "InvalidStream.NotFound", "StreamName: the stream is not live.");
	api_refuse(c, &r);
}

static void on_kicked(void *arg, json_t *answer)
{
	struct api_call *c = arg;
	char key[LIVE_KEY];

	if (answer && !dp_error(answer)) {
		note(c, "forbid_oneshot");
		api_answer(c, json_object());
	} else if (answer && c->cp->post && !c->here &&
		   !strcmp(dp_text(dp_error(answer), "code"), "not_found")) {
		online_find(c->cp, key_of(c, key), on_found, c);
	} else {
		refuse_kick(c, answer);
	}
}

static bool until_of(struct api_call *c, int64_t *until_ms, struct refusal *r)
{
	int64_t now_s = (int64_t)(clock_wall_ms() / 1000);
	const struct api_arg *resume = api_arg(c, "ResumeTime");

	*until_ms = (resume->text ? resume->number : now_s + BAN_S) * 1000;
	if (resume->text && resume->number <= now_s)
		return refuse(r, 400, "InvalidParameter",
			      "ResumeTime must be in the future; the value is \"%s\".",
			      resume->text);
	return true;
}

void live_forbid(struct api_call *c)
{
	struct book *b = domains_blocks(c->cp->domains);
	char key[LIVE_KEY];
	struct refusal r;
	int64_t until_ms;

	if (!api_domain_of(c, api_text(c, "DomainName", ""), false) || !api_book_known(c, b))
		return;
	key_of(c, key);
	if (!strcmp(api_text(c, "Oneshot", "no"), "yes")) {
		dp_request(c->cp->dp, "stream.kick", json_pack("{ss}", "stream", key), on_kicked,
			   c);
		return;
	}
	if (!until_of(c, &until_ms, &r)) {
		api_refuse(c, &r);
		return;
	}
	if (!book_get(b, key) && json_object_size(book_all(b)) >= BLOCKS_MAX) {
		refuse(&r, 403, "QuotaExceeded.BlockList",
		       "%d streams are forbidden, the most there can be.", BLOCKS_MAX);
		api_refuse(c, &r);
		return;
	}
	note(c, "forbid");
	api_commit(c, b,
		   json_pack("{s{sI sI}}", key, "until_ms", (json_int_t)until_ms, "since_ms",
			     (json_int_t)clock_wall_ms()),
		   json_object());
}

/* Whether a forbidden stream's key is domain/app/name; app NULL: any. */
static bool is_meant(const char *key, const char *domain, const char *app, const char *name)
{
	struct live_stream s;

	return live_split(&s, key) && !strcmp(s.domain, domain) && !strcmp(s.name, name) &&
	       (!app || !strcmp(s.app, app));
}

void live_resume(struct api_call *c)
{
	const char *domain = api_text(c, "DomainName", ""), *app = api_text(c, "AppName", "");
	struct book *b = domains_blocks(c->cp->domains);
	json_t *changes, *doc;
	struct refusal r;
	const char *key;

	if (!api_domain_of(c, domain, false) || !api_book_known(c, b))
		return;
	changes = json_object();
	json_object_foreach (book_all(b), key, doc)
		if (is_meant(key, domain, strcmp(app, "*") ? app : NULL,
			     api_text(c, "StreamName", "")) &&
		    json_object_size(changes) < BOOK_CHANGES_MAX)
			json_object_set_new(changes, key, json_null());
	if (json_object_size(changes)) {
		note(c, "resume");
		api_commit(c, b, changes, json_object());
		return;
	}
	json_decref(changes);
	refuse(&r, 404, "InvalidStream.NotFound", "StreamName: the stream is not forbidden.");
	api_refuse(c, &r);
}

void live_blocks(struct api_call *c)
{
	int64_t page = api_number(c, "PageNum", 1), size = api_number(c, "PageSize", 2000);
	const char *domain = api_text(c, "DomainName", ""), *center, *key;
	struct book *b = domains_blocks(c->cp->domains);
	json_t *all, *doc, *out;
	json_int_t n;

	if (!api_domain(c, domain) || !api_book_known(c, b))
		return;
	center = domain_center(book_all(domains_book(c->cp->domains)), domain);
	all = json_array();
	json_object_foreach (book_all(b), key, doc) {
		struct live_stream s;

		if (live_split(&s, key) && !strcmp(s.domain, center))
			json_array_append_new(
				all, json_sprintf("rtmp://%s/%s/%s", domain, s.app, s.name));
	}
	n = (json_int_t)json_array_size(all);
	out = json_pack("{ss sI sI sI sI s{so}}", "DomainName", domain, "PageNum", (json_int_t)page,
			"PageSize", (json_int_t)size, "TotalNum", n, "TotalPage",
			(n + size - 1) / size, "StreamUrls", "StreamUrl",
			api_page(all, page, size));
	json_decref(all);
	api_answer(c, out);
}

/* ---- history of that ------------------------------------------------------------------------------ */

static const char *member(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void on_control_rows(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 3000);
	const char *app = api_text(c, "AppName", "");
	char time[TIME_TEXT];
	json_t *out, *row, *shown;
	size_t i;

	if (api_unread(c, error))
		return;
	out = json_array();
	json_array_foreach (rows, i, row)
		if (!*app || !strcmp(app, member(row, "app")))
			json_array_append_new(
				out, json_pack("{ss ss ss ss}", "Action", member(row, "action"),
					       "ClientIP", member(row, "ip"), "StreamName",
					       member(row, "name"), "TimeStamp",
					       time_text(time, json_integer_value(
								       json_object_get(row, "t")) /
								       1000)));
	shown = json_pack("{sI sI sI s{so}}", "PageNumber", (json_int_t)page, "PageSize",
			  (json_int_t)size, "TotalNum", (json_int_t)json_array_size(out),
			  "ControlInfo", "LiveStreamControlInfo", api_page(out, page, size));
	json_decref(out);
	api_answer(c, shown);
}

void live_control_history(struct api_call *c)
{
	const struct api_arg *from = api_arg(c, "StartTime"), *to = api_arg(c, "EndTime");
	struct refusal r;

	if (!api_domain(c, api_text(c, "DomainName", "")))
		return;
	if (to->number <= from->number || (to->number - from->number) * 1000 > WEEK_MS) {
		refuse(&r, 400, "InvalidParameter",
		       "EndTime must be after StartTime, by 7 days at most; the value is \"%s\".",
		       to->text);
		api_refuse(c, &r);
		return;
	}
	history_ask(c->cp->store, HISTORY_CONTROL, api_text(c, "DomainName", ""),
		    from->number * 1000, to->number * 1000, on_control_rows, c);
}

/* ---- limits ------------------------------------------------------------------------------ */

void live_limit(struct api_call *c)
{
	const char *domain = api_text(c, "DomainName", ""), *center;
	json_int_t n = 0;

	if (!api_domain(c, domain))
		return;
	center = domain_center(book_all(domains_book(c->cp->domains)), domain);
	for (struct live_stream *s = live_first(c->cp->live); s; s = live_next(s))
		n += !strcmp(s->domain, center);
	api_answer(c, json_pack("{s{s[{ss sI sI}]}}", "LiveDomainLimitList", "LiveDomainLimit",
				"DomainName", domain, "LimitNum",
				(json_int_t)c->cp->conf.limit_streams, "CurrentNum", n));
}
