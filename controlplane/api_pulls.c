/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on pulled streams of domains: regular (in a window) and triggered (while played). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/live.h"
#include "controlplane/pull_origin.h"
#include "controlplane/pulls.h"
#include "controlplane/rules.h"

#define PULLS_MAX   10000
#define WINDOW_S    (7 * 86400)
#define SOURCES_MAX 16
#define ORIGINS_MAX 16
#define LAZY_MAX    256
#define IDLE_S	    60

static const char *member(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* ---- regular ------------------------------------------------------------------------------------- */

static const char *name_of(struct api_call *c, char dst[LIVE_KEY])
{
	snprintf(dst, LIVE_KEY, "%s/%s/%s", api_text(c, "DomainName", ""),
		 api_text(c, "AppName", ""), api_text(c, "StreamName", ""));
	return dst;
}

static const char *source_rule(const char *url)
{
	const char *rule, *protocol;

	rule = rule_url(url,
			RULE_RTMP | RULE_RTMPS | RULE_HTTP | RULE_HTTPS | RULE_SRT | RULE_RTSP);
	if (rule)
		return "must begin with rtmp, rtmps, http, https, srt or rtsp, \"://\" and a host "
		       "with a fair port";
	protocol = pull_protocol(url);
	if (!protocol)
		return "must have a path that ends with .flv, .m3u8 or .ts where it is HTTP";
	if (!strcmp(protocol, "rtmp"))
		return rule_rtmp(url);
	return strcmp(protocol, "srt") ? NULL : rule_srt(url);
}

static bool check_sources(const char *text, struct refusal *r)
{
	unsigned n = 0;

	for (const char *s = text;; s++) {
		size_t len = strcspn(s, ";");
		char url[2001];
		const char *rule;

		snprintf(url, sizeof(url), "%.*s", (int)len, s);
		rule = len >= sizeof(url) ? "is longer than 2000 bytes" : source_rule(url);
		if (rule || ++n > SOURCES_MAX)
			return refuse(r, 400, "InvalidParameter",
				      "SourceUrl, URL %u, %s; up to %d are separated by ';'.",
				      n + !!rule, rule ? rule : "is one too many", SOURCES_MAX);
		s += len;
		if (!*s)
			return true;
	}
}

static bool check_window(struct api_call *c, struct refusal *r)
{
	const struct api_arg *from = api_arg(c, "StartTime"), *to = api_arg(c, "EndTime");

	if (to->number <= (int64_t)(clock_wall_ms() / 1000))
		return refuse(r, 400, "InvalidParameter",
			      "EndTime must be in the future; the value is \"%s\".", to->text);
	if (to->number <= from->number || to->number - from->number > WINDOW_S)
		return refuse(
			r, 400, "InvalidParameter",
			"EndTime must be after StartTime, by 7 days at most; the value is \"%s\".",
			to->text);
	return true;
}

static void put(struct api_call *c, bool add)
{
	struct book *b = pulls_book(c->cp->pulls);
	const char *source = api_text(c, "SourceUrl", "");
	char name[LIVE_KEY];
	struct refusal r;

	if (!api_domain_of(c, api_text(c, "DomainName", ""), true) || !api_book_known(c, b))
		return;
	name_of(c, name);
	if (!check_sources(source, &r) || !check_window(c, &r))
		api_refuse(c, &r);
	else if (add && book_get(b, name)) {
		refuse(&r, 400, "ConfigAlreadyExists", "StreamName: there is a pull of %.300s.",
		       name);
		api_refuse(c, &r);
	} else if (!add && !book_get(b, name)) {
		refuse(&r, 404, "InvalidConfig.NotFound", "StreamName: there is no pull of %.300s.",
		       name);
		api_refuse(c, &r);
	} else if (json_object_size(book_all(b)) >= PULLS_MAX) {
		refuse(&r, 403, "QuotaExceeded.Pull", "There are %d pulls, the most there can be.",
		       PULLS_MAX);
		api_refuse(c, &r);
	} else {
		api_commit(c, b,
			   json_pack("{s{ss sI sI}}", name, "source", source, "start",
				     (json_int_t)api_arg(c, "StartTime")->number, "end",
				     (json_int_t)api_arg(c, "EndTime")->number),
			   json_object());
	}
}

void pull_add(struct api_call *c)
{
	put(c, true);
}

void pull_update(struct api_call *c)
{
	put(c, false);
}

void pull_delete(struct api_call *c)
{
	struct book *b = pulls_book(c->cp->pulls);
	char name[LIVE_KEY];
	struct refusal r;

	if (!api_book_known(c, b))
		return;
	if (book_get(b, name_of(c, name))) {
		api_commit(c, b, json_pack("{sn}", name), json_object());
		return;
	}
	refuse(&r, 404, "InvalidConfig.NotFound", "StreamName: there is no pull of %.300s.", name);
	api_refuse(c, &r);
}

void pull_describe(struct api_call *c)
{
	struct book *b = pulls_book(c->cp->pulls);
	const char *domain = api_text(c, "DomainName", ""), *name;
	json_t *rows, *doc;

	if (!api_domain_of(c, domain, true) || !api_book_known(c, b))
		return;
	rows = json_array();
	json_object_foreach (book_all(b), name, doc) {
		char key[LIVE_KEY], start[TIME_TEXT], end[TIME_TEXT];
		struct live_stream s;

		if (!live_split(&s, name) || strcmp(s.domain, domain))
			continue;
		domains_stream(c->cp->domains, key, sizeof(key), domain, s.app, s.name);
		time_text(start, json_integer_value(json_object_get(doc, "start")));
		time_text(end, json_integer_value(json_object_get(doc, "end")));
		json_array_append_new(rows, json_pack("{ss ss ss ss ss ss ss}", "DomainName",
						      domain, "AppName", s.app, "StreamName",
						      s.name, "SourceUrl", member(doc, "source"),
						      "SourceUsing", pulls_using(c->cp->pulls, key),
						      "StartTime", start, "EndTime", end));
	}
	api_answer(c, json_pack("{s{so}}", "LiveAppRecordList", "LiveAppRecord", rows));
}

/* ---- triggered ------------------------------------------------------------------------------------- */

static bool check_origins(const char *text, struct refusal *r)
{
	unsigned n = 0;

	if (!strcmp(text, PULL_CLUSTER))
		return true;
	for (const char *h = text;; h++) {
		size_t len = strcspn(h, ";");
		char url[320];
		const char *rule;

		snprintf(url, sizeof(url), "rtmp://%.*s/a/b", (int)min_of(len, 256u), h);
		rule = len > 256 ? "is too long" : rule_rtmp(url);
		if (!rule && memchr(h, '/', len))
			rule = "must be host[:port]";
		if (rule || ++n > ORIGINS_MAX)
			return refuse(r, 400, "InvalidParameter",
				      "PullDomainName, host %u, %s; up to %d are separated by ';'.",
				      n + !!rule, rule ? rule : "is one too many", ORIGINS_MAX);
		h += len;
		if (!*h)
			return true;
	}
}

/* The row of exactly this application, and its place. */
static json_t *lazy_row(const json_t *doc, const char *app, size_t *at)
{
	json_t *list = json_object_get(doc, "lazy"), *row;
	size_t i;

	json_array_foreach (list, i, row) {
		if (strcmp(member(row, "app"), app))
			continue;
		*at = i;
		return row;
	}
	return NULL;
}

static json_t *edited(const json_t *doc)
{
	json_t *copy = json_deep_copy(doc);

	json_object_set_new(copy, "modified", json_integer((json_int_t)(clock_wall_ms() / 1000)));
	if (!json_object_get(copy, "lazy"))
		json_object_set_new(copy, "lazy", json_array());
	return copy;
}

static void commit(struct api_call *c, json_t *doc)
{
	api_commit(c, domains_book(c->cp->domains),
		   json_pack("{so}", api_text(c, "DomainName", ""), doc), json_object());
}

static json_t *row_of(struct api_call *c)
{
	return json_pack("{ss ss ss ss ss sI}", "app", api_text(c, "AppName", ""), "hosts",
			 api_text(c, "PullDomainName", ""), "pull_app",
			 api_text(c, "PullAppName", ""), "protocol",
			 api_text(c, "PullProtocol", ""), "auth", api_text(c, "OriginAuth", "none"),
			 "idle_s", (json_int_t)api_number(c, "IdleTime", IDLE_S));
}

void lazy_set(struct api_call *c)
{
	json_t *doc = api_domain_of(c, api_text(c, "DomainName", ""), true), *copy, *was;
	struct refusal r;
	size_t at;

	if (!doc)
		return;
	was = lazy_row(doc, api_text(c, "AppName", ""), &at);
	if (!check_origins(api_text(c, "PullDomainName", ""), &r)) {
		api_refuse(c, &r);
		return;
	}
	if (was && *member(was, "pull_app") && !*api_text(c, "PullAppName", "")) {
		refuse(&r, 400, "InvalidParameter",
		       "PullAppName must not be left out any more once it was set; it is \"%.100s\".",
		       member(was, "pull_app"));
		api_refuse(c, &r);
		return;
	}
	if (!was && json_array_size(json_object_get(doc, "lazy")) >= LAZY_MAX) {
		refuse(&r, 403, "QuotaExceeded.Pull", "The domain has %d triggered pulls already.",
		       LAZY_MAX);
		api_refuse(c, &r);
		return;
	}
	copy = edited(doc);
	if (was)
		json_array_set_new(json_object_get(copy, "lazy"), at, row_of(c));
	else
		json_array_append_new(json_object_get(copy, "lazy"), row_of(c));
	commit(c, copy);
}

void lazy_delete(struct api_call *c)
{
	json_t *doc = api_domain_of(c, api_text(c, "DomainName", ""), true), *copy;
	struct refusal r;
	size_t at;

	if (!doc)
		return;
	if (!lazy_row(doc, api_text(c, "AppName", ""), &at)) {
		refuse(&r, 404, "InvalidConfig.NotFound", "AppName: %.100s has no triggered pull.",
		       api_text(c, "AppName", ""));
		api_refuse(c, &r);
		return;
	}
	copy = edited(doc);
	json_array_remove(json_object_get(copy, "lazy"), at);
	commit(c, copy);
}

void lazy_describe(struct api_call *c)
{
	const char *app = api_text(c, "AppName", ""), *domain = api_text(c, "DomainName", "");
	json_t *doc = api_domain_of(c, domain, true), *rows, *row;
	size_t i;

	if (!doc)
		return;
	rows = json_array();
	json_array_foreach (json_object_get(doc, "lazy"), i, row)
		if (!*app || !strcmp(app, member(row, "app")))
			json_array_append_new(
				rows,
				json_pack("{ss ss ss ss ss ss ss ss sO}", "DomainName", domain,
					  "AppName", member(row, "app"), "PullDomainName",
					  member(row, "hosts"), "PullAppName",
					  member(row, "pull_app"), "PullProtocol",
					  member(row, "protocol"), "PullArgs", "", "TranscodeLazy",
					  "no", "OriginAuth", member(row, "auth"), "IdleTime",
					  json_object_get(row, "idle_s")));
	api_answer(c, json_pack("{s{so}}", "LiveLazyPullConfigList", "LiveLazyPullConfig", rows));
}
