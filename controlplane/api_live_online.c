/* SPDX-License-Identifier: Apache-2.0 */
/* The actions that show what is live now, on whichever node. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/online.h"
#include "controlplane/rules.h"

static json_int_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

static double real(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key));
}

static void ask(struct api_call *c, online_fn *fn)
{
	if (api_domain(c, api_text(c, "DomainName", "")))
		online_ask(c->cp, api_center(c), fn, c);
}

static const char *now_text(char dst[TIME_TEXT])
{
	return time_text(dst, (int64_t)(clock_wall_ms() / 1000));
}

/* ---- streams -------------------------------------------------------------------------------------- */

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

static void add_numbers(json_t *out, const json_t *row)
{
	json_object_update_new(out, json_pack("{sI sI sf si sI si sI sI}", "Width",
					      number(row, "width"), "Height", number(row, "height"),
					      "FrameRate", real(row, "vfps"), "VideoCodecId",
					      codec_number(dp_text(row, "video")), "VideoDataRate",
					      number(row, "in_bps") / 1000, "AudioCodecId",
					      codec_number(dp_text(row, "audio")), "AudioDataRate",
					      (json_int_t)0, "UserNum", number(row, "viewers")));
}

static json_t *online_row(struct api_call *c, const json_t *row)
{
	const char *app = dp_text(row, "app"), *name = dp_text(row, "name"), *push = api_center(c);
	char time[TIME_TEXT], url[900];
	json_t *out;

	snprintf(url, sizeof(url), "rtmp://%s/%s/%s", push, app, name);
	out = json_pack("{ss ss ss ss ss ss ss ss ss ss}", "AppName", app, "StreamName", name,
			"DomainName", api_text(c, "DomainName", ""), "PublishDomain", push,
			"PublishTime", time_text(time, number(row, "since") / 1000), "PublishType",
			"center", "PublishUrl", url, "ClientIp", dp_text(row, "address"),
			"ServerIp", dp_text(row, "node"), "Transcoded", "no");
	if (out && strcmp(api_text(c, "OnlyStream", "no"), "yes") != 0)
		add_numbers(out, row);
	return out;
}

static void on_online(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	int64_t page = api_number(c, "PageNum", 1), size = api_number(c, "PageSize", 2000);
	/* No node makes renditions by itself: there are source streams only. */
	bool wanted = strcmp(api_text(c, "StreamType", ""), "trans") != 0;
	json_t *all, *row, *out;
	json_int_t n;
	size_t i;

	if (api_unread(c, error))
		return;
	all = json_array();
	json_array_foreach (rows, i, row)
		if (wanted && api_name_fits(c, "AppName", dp_text(row, "app")) &&
		    api_name_fits(c, "StreamName", dp_text(row, "name")))
			json_array_append_new(all, online_row(c, row));
	n = (json_int_t)json_array_size(all);
	out = json_pack("{sI sI sI sI s{so}}", "PageNum", (json_int_t)page, "PageSize",
			(json_int_t)size, "TotalNum", n, "TotalPage", (n + size - 1) / size,
			"OnlineInfo", "LiveStreamOnlineInfo", api_page(all, page, size));
	json_decref(all);
	api_answer(c, out);
}

void live_online(struct api_call *c)
{
	ask(c, on_online);
}

static void on_state(void *arg, json_t *rows, const char *error)
{
	const json_t *row = json_array_get(rows, 0);
	struct api_call *c = arg;

	if (api_unread(c, error))
		return;
	api_answer(c, json_pack("{ss ss}", "StreamState", row ? "online" : "offline", "Type",
				json_is_true(json_object_get(row, "pull")) ? "pull" : "push"));
}

void live_state(struct api_call *c)
{
	char key[LIVE_KEY];

	if (!api_domain(c, api_text(c, "DomainName", "")))
		return;
	domains_stream(c->cp->domains, key, sizeof(key), api_text(c, "DomainName", ""),
		       api_text(c, "AppName", ""), api_text(c, "StreamName", ""));
	online_find(c->cp, key, on_state, c);
}

/* ---- viewers and rates ------------------------------------------------------------------------------ */

static void on_users(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 3000);
	json_t *all, *row, *out;
	json_int_t users = 0;
	char now[TIME_TEXT];
	size_t i;

	if (api_unread(c, error))
		return;
	all = json_array();
	json_array_foreach (rows, i, row) {
		json_array_append_new(
			all, json_pack("{ss s{s[{ss ss sI}]}}", "StreamName", dp_text(row, "name"),
				       "Infos", "Info", "TranscodeTemplate", "", "AppName",
				       dp_text(row, "app"), "UserNumber", number(row, "viewers")));
		users += number(row, "viewers");
	}
	out = json_pack("{ss ss sI sI sI sI s{so}}", "DomainName", api_text(c, "DomainName", ""),
			"Time", now_text(now), "UserCount", users, "StreamCount",
			(json_int_t)json_array_size(all), "PageNumber", (json_int_t)page,
			"PageSize", (json_int_t)size, "OnlineUserInfo",
			"LiveStreamOnlineUserNumInfo", api_page(all, page, size));
	json_decref(all);
	api_answer(c, out);
}

void live_online_users(struct api_call *c)
{
	ask(c, on_users);
}

static void on_rates(void *arg, json_t *rows, const char *error)
{
	struct api_call *c = arg;
	json_t *out, *row;
	char now[TIME_TEXT];
	size_t i;

	if (api_unread(c, error))
		return;
	out = json_array();
	now_text(now);
	json_array_foreach (rows, i, row)
		json_array_append_new(
			out, json_pack("{ss+++++ ss sf sf sf}", "StreamUrl", "rtmp://",
				       api_text(c, "DomainName", ""), "/", dp_text(row, "app"), "/",
				       dp_text(row, "name"), "Time", now, "BitRate",
				       (double)number(row, "in_bps") / 1000, "VideoFrameRate",
				       real(row, "vfps"), "AudioFrameRate", real(row, "afps")));
	api_answer(c, json_pack("{s{so}}", "FrameRateAndBitRateInfos", "FrameRateAndBitRateInfo",
				out));
}

void live_domain_rates(struct api_call *c)
{
	ask(c, on_rates);
}
