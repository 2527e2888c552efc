/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on how far behind viewers are: playback latency by protocol, and deliberate delay. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/refusal.h"

#define DELAYS_MAX   1000
#define PLACE_MAX    127 /* bytes of app/stream, as the data plane takes them */
#define CONFIG_WHOLE "CONFIG_ONLY"

static void commit(struct api_call *c, const char *domain, const char *key, json_t *value)
{
	json_t *doc = json_deep_copy(domains_get(c->cp->domains, domain));

	json_object_set_new(doc, "modified", json_integer((json_int_t)(clock_wall_ms() / 1000)));
	json_object_set_new(doc, key, value);
	api_commit(c, domains_book(c->cp->domains), json_pack("{so}", domain, doc), json_object());
}

/* ---- latency --------------------------------------------------------------------------------- */

static const struct protocol {
	const char *key, *delay, *level, *answer;
	int64_t seconds[3]; /* of the levels */
} protocols[] = {
	{"rtmp", "RtmpDelay", "RtmpLevel", "LiveStreamRtmpDelayConfig", {4, 8, 16}},
	{"flv", "FlvDelay", "FlvLevel", "LiveStreamFlvDelayConfig", {4, 8, 16}},
	{"hls", "HlsDelay", "HlsLevel", "LiveStreamHlsDelayConfig", {3, 6, 15}},
};

static const char *const levels[] = {"short", "medium", "long"};

void delay_set(struct api_call *c)
{
	const char *domain = api_text(c, "DomainName", "");
	json_t *latency;

	if (!api_domain_of(c, domain, true))
		return;
	latency = json_object();
	for (size_t i = 0; i < array_len(protocols); i++) {
		const struct protocol *p = &protocols[i];
		const char *word = api_text(c, p->level, levels[0]);
		size_t level = 0;

		while (level < array_len(levels) - 1 && strcmp(levels[level], word) != 0)
			level++;
		json_object_set_new(latency, p->key,
				    json_integer(api_number(c, p->delay, p->seconds[level])));
	}
	commit(c, domain, "latency", latency);
}

void delay_describe(struct api_call *c)
{
	const json_t *doc = api_domain_of(c, api_text(c, "DomainName", ""), true);
	json_t *body;

	if (!doc)
		return;
	body = json_object();
	for (size_t i = 0; i < array_len(protocols); i++) {
		const struct protocol *p = &protocols[i];
		int64_t s = json_integer_value(
			json_object_get(json_object_get(doc, "latency"), p->key));
		size_t level = s <= p->seconds[0] ? 0 : s <= p->seconds[1] ? 1 : 2;

		if (s)
			json_object_set_new(body, p->answer,
					    json_pack("{sI ss}", "Delay", (json_int_t)s, "Level",
						      levels[level]));
	}
	api_answer(c, body);
}

/* ---- deliberate delay ------------------------------------------------------------------------ */

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* A row of the domain's list; *at its place. NULL: none. */
static json_t *find(const json_t *doc, const char *app, const char *stream, size_t *at)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(doc, "delays"), i, row) {
		if (strcmp(text_of(row, "app"), app) || strcmp(text_of(row, "stream"), stream))
			continue;
		*at = i;
		return row;
	}
	return NULL;
}

static void refuse_call(struct api_call *c, int status, const char *code, const char *text)
{
	struct refusal r;

	refuse(&r, status, code, "%s", text);
	api_refuse(c, &r);
}

static bool place_fits(struct api_call *c, const char *app, const char *stream)
{
	if (!strcmp(app, "*") && strcmp(stream, "*")) {
		refuse_call(c, 400, "InvalidParameter",
			    "Stream must be * where App is: of one stream the App is named.");
		return false;
	}
	if (strlen(app) + 1 + strlen(stream) <= PLACE_MAX)
		return true;
	refuse_call(c, 400, "InvalidParameter",
		    "App and Stream must have 126 bytes together at most.");
	return false;
}

/* Puts a row in: a new one, or in place of another. */
static void put(struct api_call *c, bool create)
{
	const char *domain = api_text(c, "Domain", ""), *app = api_text(c, "App", "");
	const char *stream = api_text(c, "Stream", "");
	const json_t *doc = api_domain_of(c, domain, true);
	json_t *list, *row;
	size_t at = 0;
	bool there;

	if (!doc || !place_fits(c, app, stream))
		return;
	there = find(doc, app, stream, &at);
	list = json_object_get(doc, "delays");
	if (create && there) {
		refuse_call(c, 400, "ConfigAlreadyExists",
			    "There is a delay for this App and Stream already; update it.");
	} else if (!create && !there) {
		refuse_call(c, 404, "InvalidConfig.NotFound",
			    "There is no delay for this App and Stream.");
	} else if (create && json_array_size(list) >= DELAYS_MAX) {
		refuse_call(c, 400, "QuotaExceeded", "The domain has 1000 delays already.");
	} else {
		list = list ? json_deep_copy(list) : json_array();
		row = json_pack("{ss ss sI}", "app", app, "stream", stream, "s",
				(json_int_t)api_number(c, "DelayTime", 0));
		if (there)
			json_array_set_new(list, at, row);
		else
			json_array_append_new(list, row);
		commit(c, domain, "delays", list);
	}
}

void late_create(struct api_call *c)
{
	put(c, true);
}

void late_update(struct api_call *c)
{
	put(c, false);
}

void late_delete(struct api_call *c)
{
	const char *domain = api_text(c, "Domain", "");
	const json_t *doc = api_domain_of(c, domain, true);
	json_t *list;
	size_t at;

	if (!doc)
		return;
	if (!find(doc, api_text(c, "App", ""), api_text(c, "Stream", ""), &at)) {
		refuse_call(c, 404, "InvalidConfig.NotFound",
			    "There is no delay for this App and Stream.");
		return;
	}
	list = json_deep_copy(json_object_get(doc, "delays"));
	json_array_remove(list, at);
	commit(c, domain, "delays", list);
}

static json_t *shown(const char *domain, const json_t *row)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld",
		 (long long)json_integer_value(json_object_get(row, "s")));
	return json_pack("{ss sO sO ss ss}", "Domain", domain, "App", json_object_get(row, "app"),
			 "Stream", json_object_get(row, "stream"), "DelayTime", seconds,
			 "TaskTriggerMode", CONFIG_WHOLE);
}

void late_describe(struct api_call *c)
{
	const char *domain = api_text(c, "Domain", "");
	const json_t *doc = api_domain_of(c, domain, true), *row;
	size_t at;

	if (!doc)
		return;
	row = find(doc, api_text(c, "App", ""), api_text(c, "Stream", ""), &at);
	if (row)
		api_answer(c, shown(domain, row));
	else
		refuse_call(c, 404, "InvalidConfig.NotFound",
			    "There is no delay for this App and Stream.");
}

void late_list(struct api_call *c)
{
	const char *domain = api_text(c, "Domain", "");
	const json_t *doc = api_domain_of(c, domain, true), *row;
	json_t *rows;
	size_t i;

	if (!doc)
		return;
	rows = json_array();
	json_array_foreach (json_object_get(doc, "delays"), i, row)
		json_array_append_new(rows, shown(domain, row));
	api_answer(c, json_pack("{sI s{so}}", "Total", (json_int_t)json_array_size(rows),
				"DelayConfigList", "DelayConfig", rows));
}
