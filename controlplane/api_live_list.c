/* SPDX-License-Identifier: Apache-2.0 */
/* The actions that list streams: those that are live, those that were, and their numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/history.h"
#include "controlplane/live.h"
#include "controlplane/rules.h"
#include "controlplane/streams.h"

#define DAY_MS (86400 * 1000LL)

static const char *center_of(struct api_call *c)
{
	return domain_center(book_all(domains_book(c->cp->domains)), api_text(c, "DomainName", ""));
}

/* QueryType strict: as it is; otherwise: holds it. */
static bool name_fits(struct api_call *c, const char *param, const char *name)
{
	const char *wanted = api_text(c, param, "");

	if (!*wanted)
		return true;
	return strcmp(api_text(c, "QueryType", "fuzzy"), "strict") ? strstr(name, wanted) != NULL
								   : !strcmp(name, wanted);
}

static const char *ms_text(char dst[TIME_TEXT], int64_t ms)
{
	return time_text(dst, ms / 1000);
}

/* Renditions: this node makes none by itself, so there are source streams only. */
static bool sources_wanted(struct api_call *c)
{
	return strcmp(api_text(c, "StreamType", ""), "trans") != 0;
}

/* ---- live now ----------------------------------------------------------------------------------- */

/* FLV's codec numbers, 0 where there is none. */
static int codec_number(const char *name)
{
	static const struct {
		const char *name;
		int id;
	} known[] = {{"h264", 7}, {"hevc", 12}, {"av1", 13}, {"aac", 10}, {"mp3", 2}};

	for (size_t i = 0; i < array_len(known); i++)
		if (!strcasecmp(known[i].name, name))
			return known[i].id;
	return 0;
}

static void add_numbers(struct api_call *c, json_t *row, const struct live_stream *s)
{
	const char *video = "", *audio = "";
	struct shm_stream_view v = {0};
	uint32_t slot;

	if (c->cp->shm && shm_stream_find(c->cp->shm, s->key, &v, &slot))
		streams_codecs(c->cp->streams, slot, v.gen, &video, &audio);
	json_object_update_new(
		row,
		json_pack("{sI sI sf si sI si sI sI}", "Width", (json_int_t)v.width, "Height",
			  (json_int_t)v.height, "FrameRate", s->minute.video_fps, "VideoCodecId",
			  codec_number(video), "VideoDataRate", (json_int_t)(v.in_bps / 1000),
			  "AudioCodecId", codec_number(audio), "AudioDataRate", (json_int_t)0,
			  "UserNum", (json_int_t)(v.viewers_rtmp + v.viewers_flv + v.viewers_ws)));
}

static json_t *online_row(struct api_call *c, const struct live_stream *s)
{
	char time[TIME_TEXT], url[900];
	json_t *row;

	snprintf(url, sizeof(url), "rtmp://%s/%s/%s", s->domain, s->app, s->name);
	row = json_pack("{ss ss ss ss ss ss ss ss ss ss}", "AppName", s->app, "StreamName", s->name,
			"DomainName", api_text(c, "DomainName", ""), "PublishDomain", s->domain,
			"PublishTime", ms_text(time, s->since_ms), "PublishType", "center",
			"PublishUrl", url, "ClientIp", s->address, "ServerIp", c->cp->node,
			"Transcoded", "no");
	if (row && strcmp(api_text(c, "OnlyStream", "no"), "yes") != 0)
		add_numbers(c, row, s);
	return row;
}

void live_online(struct api_call *c)
{
	int64_t page = api_number(c, "PageNum", 1), size = api_number(c, "PageSize", 2000);
	json_t *all, *out;
	json_int_t n;

	if (!api_domain(c, api_text(c, "DomainName", "")))
		return;
	all = json_array();
	for (struct live_stream *s = live_first(c->cp->live); s && sources_wanted(c);
	     s = live_next(s))
		if (!strcmp(s->domain, center_of(c)) && name_fits(c, "AppName", s->app) &&
		    name_fits(c, "StreamName", s->name))
			json_array_append_new(all, online_row(c, s));
	n = (json_int_t)json_array_size(all);
	out = json_pack("{sI sI sI sI s{so}}", "PageNum", (json_int_t)page, "PageSize",
			(json_int_t)size, "TotalNum", n, "TotalPage", (n + size - 1) / size,
			"OnlineInfo", "LiveStreamOnlineInfo", api_page(all, page, size));
	json_decref(all);
	api_answer(c, out);
}

void live_online_users(struct api_call *c)
{
	json_int_t users = 0, streams = 0;
	json_t *rows;
	char now[TIME_TEXT];

	if (!api_domain(c, api_text(c, "DomainName", "")))
		return;
	rows = json_array();
	for (struct live_stream *s = live_first(c->cp->live); s; s = live_next(s)) {
		struct shm_stream_view v = {0};
		json_int_t n;
		uint32_t slot;

		if (strcmp(s->domain, center_of(c)))
			continue;
		if (c->cp->shm)
			shm_stream_find(c->cp->shm, s->key, &v, &slot);
		n = (json_int_t)(v.viewers_rtmp + v.viewers_flv + v.viewers_ws);
		json_array_append_new(rows, json_pack("{ss s{s[{ss ss sI}]}}", "StreamName",
						      s->name, "Infos", "Info", "TranscodeTemplate",
						      "", "AppName", s->app, "UserNumber", n));
		users += n;
		streams++;
	}
	ms_text(now, (int64_t)clock_wall_ms());
	api_answer(c, json_pack("{ss ss sI sI s{so}}", "DomainName", api_text(c, "DomainName", ""),
				"Time", now, "UserCount", users, "StreamCount", streams,
				"OnlineUserInfo", "LiveStreamOnlineUserNumInfo", rows));
}

/* ---- that were ------------------------------------------------------------------------------------ */

static const char *member(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* end_ms 0: it is live. */
static json_t *published_row(struct api_call *c, const char *app, const char *name,
			     const char *address, const char *node, int64_t start_ms,
			     int64_t end_ms)
{
	const char *push = center_of(c), *domain = api_text(c, "DomainName", "");
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

static void add_live(struct api_call *c, json_t *rows, int64_t from_ms, int64_t to_ms)
{
	for (struct live_stream *s = live_first(c->cp->live); s; s = live_next(s))
		if (!strcmp(s->domain, center_of(c)) && s->since_ms >= from_ms &&
		    s->since_ms < to_ms && name_fits(c, "AppName", s->app) &&
		    name_fits(c, "StreamName", s->name))
			json_array_append_new(rows, published_row(c, s->app, s->name, s->address,
								  c->cp->node, s->since_ms, 0));
}

static bool no_rows(struct api_call *c, const char *error)
{
	struct refusal r;

	if (!error)
		return false;
	refuse(&r, 503, "ServiceUnavailable", "Redis is not available (%.200s).", error);
	api_refuse(c, &r);
	return true;
}

static void on_published(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 2000);
	json_t *all, *row, *sorted;
	json_int_t n;
	size_t i;

	if (no_rows(c, error))
		return;
	all = json_array();
	json_array_foreach (rows, i, row)
		if (sources_wanted(c) && name_fits(c, "AppName", member(row, "app")) &&
		    name_fits(c, "StreamName", member(row, "name")))
			json_array_append_new(
				all,
				published_row(c, member(row, "app"), member(row, "name"),
					      member(row, "address"), member(row, "node"),
					      json_integer_value(json_object_get(row, "t")),
					      json_integer_value(json_object_get(row, "end"))));
	if (sources_wanted(c))
		add_live(c, all, api_arg(c, "StartTime")->number * 1000,
			 api_arg(c, "EndTime")->number * 1000);
	sorted = ordered(c, all);
	n = (json_int_t)json_array_size(all);
	json_decref(all);
	all = json_pack("{sI sI sI sI s{so}}", "PageNum", (json_int_t)page, "PageSize",
			(json_int_t)size, "TotalNum", n, "TotalPage", (n + size - 1) / size,
			"PublishInfo", "LiveStreamPublishInfo", api_page(sorted, page, size));
	json_decref(sorted);
	api_answer(c, all);
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
		ask(c, HISTORY_PUBLISH, center_of(c), on_published);
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

static json_int_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

/* Oldest first. */
#define EACH_MINUTE(rows, i, row) \
	for (i = json_array_size(rows); i > 0 && (row = json_array_get(rows, i - 1)); i--)

static void on_rates(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	json_t *out, *row;
	char time[TIME_TEXT];
	size_t i;

	if (no_rows(c, error))
		return;
	out = json_array();
	EACH_MINUTE(rows, i, row)
	json_array_append_new(
		out,
		json_pack("{ss+++++ ss sf sf sf}", "StreamUrl", "rtmp://",
			  api_text(c, "DomainName", ""), "/", api_text(c, "AppName", ""), "/",
			  api_text(c, "StreamName", ""), "Time", ms_text(time, number(row, "t")),
			  "BitRate", (double)number(row, "in_bps") / 1000, "VideoFrameRate",
			  json_real_value(json_object_get(row, "vfps")), "AudioFrameRate",
			  json_real_value(json_object_get(row, "afps"))));
	api_answer(c, json_pack("{s{so}}", "FrameRateAndBitRateInfos", "FrameRateAndBitRateInfo",
				out));
}

void live_bit_rate(struct api_call *c)
{
	ask_minutes(c, on_rates);
}

void live_domain_rates(struct api_call *c)
{
	json_t *rows;
	char now[TIME_TEXT];

	if (!api_domain(c, api_text(c, "DomainName", "")))
		return;
	rows = json_array();
	ms_text(now, (int64_t)clock_wall_ms());
	for (struct live_stream *s = live_first(c->cp->live); s; s = live_next(s)) {
		struct shm_stream_view v = {0};
		uint32_t slot;

		if (strcmp(s->domain, center_of(c)))
			continue;
		if (c->cp->shm)
			shm_stream_find(c->cp->shm, s->key, &v, &slot);
		json_array_append_new(rows, json_pack("{ss+++++ ss sf sf sf}", "StreamUrl",
						      "rtmp://", api_text(c, "DomainName", ""), "/",
						      s->app, "/", s->name, "Time", now, "BitRate",
						      (double)v.in_bps / 1000, "VideoFrameRate",
						      s->minute.video_fps, "AudioFrameRate",
						      s->minute.audio_fps));
	}
	api_answer(c, json_pack("{s{so}}", "FrameRateAndBitRateInfos", "FrameRateAndBitRateInfo",
				rows));
}

static void on_users(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	char time[TIME_TEXT];
	json_t *out, *row;
	size_t i;

	if (no_rows(c, error))
		return;
	out = json_array();
	EACH_MINUTE(rows, i, row)
	json_array_append_new(
		out, json_pack("{ss so}", "StreamTime", ms_text(time, number(row, "t")), "UserNum",
			       json_sprintf("%lld",
					    (long long)(number(row, "rtmp") + number(row, "flv") +
							number(row, "ws")))));
	api_answer(c, json_pack("{s{so}}", "LiveStreamUserNumInfos", "LiveStreamUserNumInfo", out));
}

void live_user_history(struct api_call *c)
{
	ask_minutes(c, on_users);
}

static void on_traffic(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	char time[TIME_TEXT];
	json_t *out, *row;
	size_t i;

	if (no_rows(c, error))
		return;
	out = json_array();
	EACH_MINUTE(rows, i, row)
	json_array_append_new(
		out,
		json_pack("{ss ss ss sI sI sI sI sI}", "TimeStamp", ms_text(time, number(row, "t")),
			  "AppName", api_text(c, "AppName", ""), "StreamName",
			  api_text(c, "StreamName", ""), "Bps", number(row, "out_bps"), "Traffic",
			  number(row, "out"), "Count",
			  number(row, "rtmp") + number(row, "flv") + number(row, "ws"), "RtmpCount",
			  number(row, "rtmp"), "FlvCount", number(row, "flv") + number(row, "ws")));
	api_answer(c, json_pack("{s{so}}", "StreamDetailData", "StreamData", out));
}

void live_traffic(struct api_call *c)
{
	ask_minutes(c, on_traffic);
}
