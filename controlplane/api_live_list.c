/* SPDX-License-Identifier: Apache-2.0 */
/* The actions that list streams that were published, and the numbers of streams by the minute. */
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
#include "controlplane/rules.h"

#define DAY_MS (86400 * 1000LL)

static const char *ms_text(char dst[TIME_TEXT], int64_t ms)
{
	return time_text(dst, ms / 1000);
}

/* Renditions: this node makes none by itself, so there are source streams only. */
static bool sources_wanted(struct api_call *c)
{
	return strcmp(api_text(c, "StreamType", ""), "trans") != 0;
}

/* ---- that were ------------------------------------------------------------------------------------ */

static const char *member(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static json_int_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

/* end_ms 0: it is live. */
static json_t *published_row(struct api_call *c, const char *app, const char *name,
			     const char *address, const char *node, int64_t start_ms,
			     int64_t end_ms)
{
	const char *push = api_center(c), *domain = api_text(c, "DomainName", "");
	char start[TIME_TEXT], stop[TIME_TEXT] = "", publish_url[900], url[900];

	snprintf(publish_url, sizeof(publish_url), "rtmp://%s/%s/%s", push, app, name);
	snprintf(url, sizeof(url), "rtmp://%s/%s/%s", domain, app, name);
	if (end_ms)
		ms_text(stop, end_ms);
	return json_pack("{ss ss ss ss ss ss ss ss ss ss ss ss}", "AppName", app, "StreamName",
			 name, "DomainName", domain, "PublishDomain", push, "PublishTime",
			 ms_text(start, start_ms), "StopTime", stop, "PublishType", "center",
			 "PublishUrl", publish_url, "StreamUrl", url, "ClientAddr", address,
			 "EdgeNodeAddr", node, "Transcoded", "no");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(member(*(json_t *const *)a, "StreamName"),
		      member(*(json_t *const *)b, "StreamName"));
}

static int by_time(const void *a, const void *b)
{
	return strcmp(member(*(json_t *const *)a, "PublishTime"),
		      member(*(json_t *const *)b, "PublishTime"));
}

/* A new list in the order that was asked for. */
static json_t *ordered(struct api_call *c, json_t *rows)
{
	const char *by = api_text(c, "OrderBy", "publish_time_asc");
	size_t n = json_array_size(rows);
	json_t **list = calloc(n + 1, sizeof(*list)), *out = json_array();

	must(list);
	for (size_t i = 0; i < n; i++)
		list[i] = json_array_get(rows, i);
	qsort(list, n, sizeof(*list), strncmp(by, "stream", 6) ? by_time : by_name);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, list[strstr(by, "_desc") ? n - 1 - i : i]);
	free(list);
	return out;
}

/* What was published, until it is known what is live. */
struct published {
	struct api_call *call;
	json_t *rows;
};

static bool is_asked_for(struct api_call *c, const json_t *row)
{
	return sources_wanted(c) && api_name_fits(c, "AppName", member(row, "app")) &&
	       api_name_fits(c, "StreamName", member(row, "name"));
}

static json_t *row_of(struct api_call *c, const json_t *row, const char *end)
{
	return published_row(c, member(row, "app"), member(row, "name"), member(row, "address"),
			     member(row, "node"), number(row, end ? "t" : "since"),
			     end ? number(row, end) : 0);
}

static void add_live(struct api_call *c, json_t *all, json_t *rows)
{
	int64_t from_ms = api_arg(c, "StartTime")->number * 1000;
	int64_t to_ms = api_arg(c, "EndTime")->number * 1000;
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (number(row, "since") >= from_ms && number(row, "since") < to_ms &&
		    is_asked_for(c, row))
			json_array_append_new(all, row_of(c, row, NULL));
}

static void on_live(void *arg, json_t *rows, const char *error)
{
	struct published *p = arg;
	struct api_call *c = p->call;
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 2000);
	json_t *all = p->rows, *sorted;
	json_int_t n;

	free(p);
	if (api_unread(c, error)) {
		json_decref(all);
		return;
	}
	add_live(c, all, rows);
	sorted = ordered(c, all);
	n = (json_int_t)json_array_size(all);
	json_decref(all);
	all = json_pack("{sI sI sI sI s{so}}", "PageNum", (json_int_t)page, "PageSize",
			(json_int_t)size, "TotalNum", n, "TotalPage", (n + size - 1) / size,
			"PublishInfo", "LiveStreamPublishInfo", api_page(sorted, page, size));
	json_decref(sorted);
	api_answer(c, all);
}

static void on_published(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	struct published *p;
	json_t *row;
	size_t i;

	if (api_unread(c, error))
		return;
	p = calloc(1, sizeof(*p));
	must(p);
	*p = (struct published){c, json_array()};
	json_array_foreach (rows, i, row)
		if (is_asked_for(c, row))
			json_array_append_new(p->rows, row_of(c, row, "end"));
	online_ask(c->cp, api_center(c), on_live, p);
}

/* StartTime and EndTime of a window of at most most_ms; false: refused. */
static bool window(struct api_call *c, int64_t most_ms)
{
	const struct api_arg *from = api_arg(c, "StartTime"), *to = api_arg(c, "EndTime");
	struct refusal r;

	if (to->number > from->number && (to->number - from->number) * 1000 <= most_ms)
		return true;
	refuse(&r, 400, "InvalidParameter",
	       "EndTime must be after StartTime, by %lld days at most; the value is \"%s\".",
	       (long long)(most_ms / DAY_MS), to->text);
	api_refuse(c, &r);
	return false;
}

static void ask(struct api_call *c, enum history_kind kind, const char *subject, history_fn *fn)
{
	history_ask(c->cp->store, kind, subject, api_arg(c, "StartTime")->number * 1000,
		    api_arg(c, "EndTime")->number * 1000, fn, c);
}

void live_published(struct api_call *c)
{
	if (api_domain(c, api_text(c, "DomainName", "")) && window(c, 30 * DAY_MS))
		ask(c, HISTORY_PUBLISH, api_center(c), on_published);
}

/* ---- numbers by the minute ------------------------------------------------------------------------- */

static void ask_minutes(struct api_call *c, history_fn *fn)
{
	char key[LIVE_KEY];

	if (!api_domain(c, api_text(c, "DomainName", "")) || !window(c, DAY_MS))
		return;
	domains_stream(c->cp->domains, key, sizeof(key), api_text(c, "DomainName", ""),
		       api_text(c, "AppName", ""), api_text(c, "StreamName", ""));
	ask(c, HISTORY_MINUTES, key, fn);
}

/* Answers with what make() says of each minute, oldest first, as {list:{rows:[...]}}. */
static void answer_minutes(struct api_call *c, const json_t *minutes, const char *error,
			   json_t *(*make)(struct api_call *c, const json_t *minute,
					   const char *time),
			   const char *list, const char *rows)
{
	char time[TIME_TEXT];
	json_t *out, *minute;

	if (api_unread(c, error))
		return;
	out = json_array();
	for (size_t i = json_array_size(minutes);
	     i > 0 && (minute = json_array_get(minutes, i - 1)); i--)
		json_array_append_new(out, make(c, minute, ms_text(time, number(minute, "t"))));
	api_answer(c, json_pack("{s{so}}", list, rows, out));
}

static json_int_t viewers_of(const json_t *minute)
{
	return number(minute, "rtmp") + number(minute, "flv") + number(minute, "ws");
}

static json_t *rates_row(struct api_call *c, const json_t *minute, const char *time)
{
	return json_pack("{ss+++++ ss sf sf sf}", "StreamUrl", "rtmp://",
			 api_text(c, "DomainName", ""), "/", api_text(c, "AppName", ""), "/",
			 api_text(c, "StreamName", ""), "Time", time, "BitRate",
			 (double)number(minute, "in_bps") / 1000, "VideoFrameRate",
			 json_real_value(json_object_get(minute, "vfps")), "AudioFrameRate",
			 json_real_value(json_object_get(minute, "afps")));
}

static void on_rates(void *arg, json_t *rows, const char *error)
{
	answer_minutes(arg, rows, error, rates_row, "FrameRateAndBitRateInfos",
		       "FrameRateAndBitRateInfo");
}

void live_bit_rate(struct api_call *c)
{
	ask_minutes(c, on_rates);
}

static json_t *users_row(struct api_call *c, const json_t *minute, const char *time)
{
	return json_pack("{ss so}", "StreamTime", time, "UserNum",
			 json_sprintf("%lld", (long long)viewers_of(minute)));
}

static void on_users(void *arg, json_t *rows, const char *error)
{
	answer_minutes(arg, rows, error, users_row, "LiveStreamUserNumInfos",
		       "LiveStreamUserNumInfo");
}

void live_user_history(struct api_call *c)
{
	ask_minutes(c, on_users);
}

static json_t *traffic_row(struct api_call *c, const json_t *minute, const char *time)
{
	return json_pack("{ss ss ss sI sI sI sI sI}", "TimeStamp", time, "AppName",
			 api_text(c, "AppName", ""), "StreamName", api_text(c, "StreamName", ""),
			 "Bps", number(minute, "out_bps"), "Traffic", number(minute, "out"),
			 "Count", viewers_of(minute), "RtmpCount", number(minute, "rtmp"),
			 "FlvCount", number(minute, "flv") + number(minute, "ws"));
}

static void on_traffic(void *arg, json_t *rows, const char *error)
{
	answer_minutes(arg, rows, error, traffic_row, "StreamDetailData", "StreamData");
}

void live_traffic(struct api_call *c)
{
	ask_minutes(c, on_traffic);
}
