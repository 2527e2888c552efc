/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on backup publishers: several encoders for one name, one of them shown. */
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
#include "controlplane/rules.h"

#define SEQUENCE   "_AliRewrite_" /* between the stream's name and the number, as documented */
#define MANUAL_MAX 1000
#define WEEK_MS	   (7 * 86400 * 1000LL)

/* ---- settings -------------------------------------------------------------------------------- */

/* Where the domain's streams are published; NULL: refused. */
static const char *center_of(struct api_call *c)
{
	const char *name = api_text(c, "Domain", "");

	if (!api_domain(c, name))
		return NULL;
	return domain_center(book_all(domains_book(c->cp->domains)), name);
}

static void commit(struct api_call *c, const char *center, json_t *multi)
{
	json_t *doc = json_deep_copy(domains_get(c->cp->domains, center));

	json_object_set_new(doc, "modified", json_integer((json_int_t)(clock_wall_ms() / 1000)));
	json_object_set_new(doc, "multi", multi);
	api_commit(c, domains_book(c->cp->domains), json_pack("{so}", center, doc), json_object());
}

/* A copy of the domain's setting; a new reference. */
static json_t *multi_of(struct api_call *c, const char *center)
{
	json_t *multi = json_object_get(domains_get(c->cp->domains, center), "multi");

	return multi ? json_deep_copy(multi) : json_pack("{sb s[]}", "on", 0, "manual");
}

void multi_set(struct api_call *c)
{
	const char *center = center_of(c);
	json_t *multi;

	if (!center)
		return;
	multi = multi_of(c, center);
	json_object_set_new(multi, "on", json_boolean(!strcmp(api_text(c, "Switch", ""), "on")));
	commit(c, center, multi);
}

void multi_optimal(struct api_call *c)
{
	const char *center = center_of(c);
	bool manual = !strcmp(api_text(c, "OptimalMode", ""), "off");
	json_t *multi, *list, *one;
	char name[LIVE_KEY];
	struct refusal r;
	size_t i;

	if (!center)
		return;
	snprintf(name, sizeof(name), "%s/%s", api_text(c, "AppName", ""),
		 api_text(c, "StreamName", ""));
	multi = multi_of(c, center);
	list = json_object_get(multi, "manual");
	for (i = json_array_size(list); i > 0; i--) {
		one = json_array_get(list, i - 1);
		if (!strcmp(json_string_value(one), name))
			json_array_remove(list, i - 1);
	}
	if (manual && json_array_size(list) >= MANUAL_MAX) {
		json_decref(multi);
		refuse(&r, 403, "QuotaExceeded.MultiStream",
		       "%d streams of the domain are switched by hand, the most there can be.",
		       MANUAL_MAX);
		api_refuse(c, &r);
		return;
	}
	if (manual)
		json_array_append_new(list, json_string(name));
	commit(c, center, multi);
}

/* ---- switching ------------------------------------------------------------------------------- */

static void on_switched(void *arg, json_t *answer)
{
	struct api_call *c = arg;
	struct refusal r;

	if (answer && !dp_error(answer)) {
		api_answer(c, json_object());
		return;
	}
	if (answer && !strcmp(dp_text(dp_error(answer), "code"), "not_found"))
		refuse(&r, 404, "InvalidUpstream.NotFound",
		       "UpstreamSequence: the stream has no such publisher on this node.");
	else
		refuse(&r, 503, "ServiceUnavailable", "The data plane did not do it (%.200s).",
		       answer ? dp_text(dp_error(answer), "message") : dp_trouble(c->cp->dp));
	api_refuse(c, &r);
}

/* "stream_AliRewrite_2", or the number alone; 0: neither. */
static long sequence_of(const char *text, const char *stream)
{
	size_t n = strlen(stream);
	char *end;
	long number;

	if (!strncmp(text, stream, n) && !strncmp(text + n, SEQUENCE, strlen(SEQUENCE)))
		text += n + strlen(SEQUENCE);
	number = strtol(text, &end, 10);
	return *end || end == text || number < 1 ? 0 : number;
}

void multi_master(struct api_call *c)
{
	const char *text = api_text(c, "UpstreamSequence", ""), *center = center_of(c);
	long number = sequence_of(text, api_text(c, "StreamName", ""));
	char key[LIVE_KEY];
	struct refusal r;

	if (!center)
		return;
	if (!number) {
		refuse(&r, 400, "InvalidParameter",
		       "UpstreamSequence must be one of QueryLiveDomainMultiStreamList; the value "
		       "is \"%.300s\".",
		       text);
		api_refuse(c, &r);
		return;
	}
	snprintf(key, sizeof(key), "%s/%s/%s", center, api_text(c, "AppName", ""),
		 api_text(c, "StreamName", ""));
	dp_request(c->cp->dp, "stream.switch",
		   json_pack("{ss sI}", "stream", key, "sequence", (json_int_t)number), on_switched,
		   c);
}

/* ---- the list -------------------------------------------------------------------------------- */

/* One question to the data plane and one to Redis; each publisher list waits for the other. */
struct listing {
	struct api_call *call;
	json_t *publishers;
	char center[DOMAIN_NAME_MAX + 1];
};

static void sequence_text(char dst[LIVE_KEY], const char *stream, json_int_t number)
{
	snprintf(dst, LIVE_KEY, "%s" SEQUENCE "%lld", stream, (long long)number);
}

static json_int_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

/* Without its port. */
static const char *host_of(char dst[80], const char *address)
{
	const char *colon = strrchr(address, ':');

	snprintf(dst, 80, "%.*s", (int)(colon ? colon - address : (long)strlen(address)), address);
	return dst;
}

static json_t *upstream(const struct live_stream *s, const json_t *row)
{
	char sequence[LIVE_KEY], time[TIME_TEXT], ip[80];

	sequence_text(sequence, s->name, number(row, "sequence"));
	return json_pack("{sb ss ss ss}", "MasterFlag",
			 (int)json_is_true(json_object_get(row, "master")), "UpstreamIp",
			 host_of(ip, dp_text(row, "address")), "UpstreamSequence", sequence,
			 "UpstreamTime", time_text(time, number(row, "since") / 1000));
}

static bool is_manual(struct api_call *c, const struct live_stream *s)
{
	const json_t *doc = domains_get(c->cp->domains, s->domain), *one;
	const json_t *list = json_object_get(json_object_get(doc, "multi"), "manual");
	char name[LIVE_KEY];
	size_t i;

	snprintf(name, sizeof(name), "%s/%s", s->app, s->name);
	json_array_foreach ((json_t *)list, i, one)
		if (!strcmp(json_string_value(one), name))
			return true;
	return false;
}

/* The entry of the stream in out; made when it is first asked for. */
static json_t *entry(json_t *out, struct api_call *c, const struct live_stream *s)
{
	json_t *e;
	size_t i;

	json_array_foreach (out, i, e)
		if (!strcmp(dp_text(e, "AppName"), s->app) &&
		    !strcmp(dp_text(e, "StreamName"), s->name))
			return e;
	e = json_pack("{ss ss ss ss s[] s[]}", "Domain", api_text(c, "Domain", ""), "AppName",
		      s->app, "StreamName", s->name, "OptimalMode", is_manual(c, s) ? "off" : "on",
		      "UpstreamList", "ChangeLogs");
	json_array_append_new(out, e);
	return e;
}

static const char *change_reason(const json_t *row)
{
	return strcmp(dp_text(row, "change"), "manual") ? "master stream no data"
							: "merge cut manually";
}

static void add_change(json_t *out, const json_t *row)
{
	char time[TIME_TEXT], ip[80];
	json_t *e;
	size_t i;

	json_array_foreach (out, i, e)
		if (!strcmp(dp_text(e, "AppName"), dp_text(row, "app")) &&
		    !strcmp(dp_text(e, "StreamName"), dp_text(row, "name")))
			json_array_append_new(
				json_object_get(e, "ChangeLogs"),
				json_pack("{ss ss ss}", "ChangeReason", change_reason(row),
					  "ChangeTime", time_text(time, number(row, "t") / 1000),
					  "UpstreamIp", host_of(ip, dp_text(row, "address"))));
}

static void on_changes(void *arg, json_t *rows, const char *error)
{
	struct listing *l = arg;
	struct api_call *c = l->call;
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 20);
	json_t *out = json_array(), *row, *body;
	struct live_stream s;
	size_t i;

	json_array_foreach (l->publishers, i, row)
		if (live_split(&s, dp_text(row, "stream")) && !strcmp(s.domain, l->center))
			json_array_append_new(json_object_get(entry(out, c, &s), "UpstreamList"),
					      upstream(&s, row));
	/* Without Redis the publishers are told all the same. */
	json_array_foreach (error ? NULL : rows, i, row)
		add_change(out, row);
	json_decref(l->publishers);
	free(l);
	body = json_pack("{so sI sI sI}", "OnlineStreams", api_page(out, page, size), "PageNumber",
			 (json_int_t)page, "PageSize", (json_int_t)size, "TotalCount",
			 (json_int_t)json_array_size(out));
	json_decref(out);
	api_answer(c, body);
}

static void on_publishers(void *arg, json_t *answer)
{
	struct listing *l = arg;
	struct api_call *c = l->call;
	int64_t now_ms = (int64_t)clock_wall_ms();
	struct refusal r;

	if (!answer || dp_error(answer)) {
		free(l);
		refuse(&r, 503, "ServiceUnavailable", "The data plane did not answer (%.200s).",
		       dp_trouble(c->cp->dp));
		api_refuse(c, &r);
		return;
	}
	l->publishers = json_incref(json_object_get(answer, "publishers"));
	history_ask(c->cp->store, HISTORY_SWITCH, l->center, now_ms - WEEK_MS, now_ms + 1000,
		    on_changes, l);
}

void multi_list(struct api_call *c)
{
	const char *center = center_of(c);
	struct listing *l;

	if (!center)
		return;
	l = calloc(1, sizeof(*l));
	must(l);
	l->call = c;
	snprintf(l->center, sizeof(l->center), "%s", center);
	dp_request(c->cp->dp, "stream.publishers", NULL, on_publishers, l);
}
