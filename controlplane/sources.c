/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/sources.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/check.h"
#include "controlplane/rules.h"

/* ---- live ------------------------------------------------------------------------------------ */

/* Documented are the first five; the others are ours. */
static const struct {
	const char *name;
	unsigned schemes;
} protocols[] = {
	{"rtmp", RULE_RTMP | RULE_RTMPS},
	{"rtsp", RULE_RTSP},
	{"srt", RULE_SRT},
	{"http-flv", RULE_HTTP | RULE_HTTPS},
	{"flv", RULE_HTTP | RULE_HTTPS},
	{"hls", RULE_HTTP | RULE_HTTPS},
	{"http-ts", RULE_HTTP | RULE_HTTPS},
};

static unsigned schemes_of(const char *protocol)
{
	for (size_t i = 0; i < array_len(protocols); i++)
		if (!strcmp(protocols[i].name, protocol))
			return protocols[i].schemes;
	return 0;
}

static const char *rule_live(const struct task *t, const char *url)
{
	const char *rule = NULL;

	if (schemes_of(t->source_protocol) & RULE_RTMP)
		return rule_rtmp(url);
	rule = rule_url(url, schemes_of(t->source_protocol));
	if (!rule && !strcmp(t->source_protocol, "srt"))
		rule = rule_srt(url);
	return rule;
}

/* Whether there is one of that id is the catalogue's to say (assets.h). */
static const char *rule_media(const char *id)
{
	return rule_is_word(id) && strlen(id) <= 64
		       ? NULL
		       : "must hold ids of assets: up to 64 letters, digits, '-', '_' and '.'";
}

static bool check_backups(const struct task *t, struct refusal *r)
{
	json_t *urls = json_loads(*t->backup_urls ? t->backup_urls : "[]", 0, NULL), *url;
	bool fine = true;
	size_t i;

	json_array_foreach (urls, i, url) {
		const char *rule = rule_live(t, json_string_value(url));

		if (fine && rule)
			fine = refuse(r, 400, "InvalidParameter",
				      "BackupSourceUrls %s for SourceProtocol %s; number %zu is "
				      "\"%.100s\".",
				      rule, t->source_protocol, i, json_string_value(url));
	}
	json_decref(urls);
	return fine;
}

static bool check_slate(const struct task *t, struct refusal *r)
{
	const char *rule = NULL;

	if (strstr(t->slate_url, "://"))
		rule = rule_url(t->slate_url, RULE_HTTP | RULE_HTTPS);
	else if (*t->slate_url)
		rule = rule_media(t->slate_url);
	if (!rule)
		return true;
	return refuse(r, 400, "InvalidParameter", "SlateUrl %s; the value is \"%.100s\".", rule,
		      t->slate_url);
}

static bool check_live(const struct task *t, const json_t *urls, struct refusal *r)
{
	const char *url = json_string_value(json_array_get(urls, 0)), *rule;

	if (!*t->source_protocol)
		return refuse(r, 400, "MissingParameter",
			      "SourceProtocol is missing: SourceType live needs it.");
	if (!schemes_of(t->source_protocol))
		return refuse(r, 400, "InvalidParameter",
			      "SourceProtocol %s is not known; it must be rtmp, rtsp, srt, "
			      "http-flv, flv, hls or http-ts.",
			      t->source_protocol);
	if (json_array_size(urls) != 1)
		return refuse(
			r, 400, "InvalidParameter",
			"SourceUrls must list exactly 1 URL for SourceType live; it lists %zu.",
			json_array_size(urls));
	rule = rule_live(t, url);
	if (rule)
		return refuse(r, 400, "InvalidParameter",
			      "SourceUrls %s for SourceProtocol %s; the value is \"%.100s\".", rule,
			      t->source_protocol, url);
	return check_backups(t, r) && check_slate(t, r);
}

/* ---- lists of files -------------------------------------------------------------------------- */

static const char *rule_file(const char *url)
{
	const char *rule = rule_url(url, RULE_HTTP | RULE_HTTPS);
	size_t n = strcspn(url, "?#");

	if (rule)
		return rule;
	if (n < 4 || (strncasecmp(url + n - 4, ".mp4", 4) && strncasecmp(url + n - 4, ".flv", 4)))
		return "must end with .mp4 or .flv";
	return NULL;
}

static bool check_files(const struct task *t, const json_t *urls,
			const char *(*rule_of)(const char *), struct refusal *r)
{
	const json_t *url;
	size_t i;

	json_array_foreach (urls, i, url) {
		const char *rule = rule_of(json_string_value(url));

		if (rule)
			return refuse(r, 400, "InvalidParameter",
				      "SourceUrls %s for SourceType %s; number %zu is "
				      "\"%.100s\".",
				      rule, t->source_type, i, json_string_value(url));
	}
	if (t->file_index >= (int64_t)json_array_size(urls))
		return refuse(r, 400, "InvalidParameter",
			      "FileIndex must name one of SourceUrls, 0 to %zu; the value is %lld.",
			      json_array_size(urls) - 1, (long long)t->file_index);
	return true;
}

/* ---- destinations ------------------------------------------------------------------------------ */

/* What a message calls it. */
static const char *dest_name(unsigned n)
{
	return n ? "DstUrls" : "DstUrl";
}

static bool check_dest(const struct task *t, unsigned n, const char *source, struct refusal *r)
{
	const char *url = dests_url(t, n), *rule = rule_destination(url);

	if (rule)
		return refuse(r, 400, "InvalidParameter", "%s %s; the value is \"%.100s\".",
			      dest_name(n), rule, url);
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(dests_url(t, i), url))
			return refuse(r, 400, "InvalidDstUrl.Duplicate",
				      "DstUrls must not name a destination twice; \"%.100s\" is "
				      "there twice.",
				      url);
	if (source && schemes_of(t->source_protocol) & RULE_RTMP && !rule_rtmp(url) &&
	    rule_same_stream(source, url))
		return refuse(r, 400, "InvalidParameter",
			      "%s must not be the stream that SourceUrls names.", dest_name(n));
	return true;
}

bool destinations_check(const struct task *t, struct refusal *r)
{
	char *source = task_is_list(t) ? NULL : task_source_url(t);
	bool fine = true;

	for (unsigned n = 0; fine && n < dests_count(t); n++)
		fine = check_dest(t, n, source, r);
	free(source);
	return fine;
}

bool sources_check(const struct task *t, struct refusal *r)
{
	json_t *urls = json_loads(t->source_urls, 0, NULL);
	bool fine;

	must(json_array_size(urls));
	if (task_is_list(t) && task_switches(t))
		fine = refuse(r, 400, "InvalidParameter",
			      "BackupSourceUrls and SlateUrl are for SourceType live.");
	else if (task_is_list(t))
		fine = check_files(t, urls, !strcmp(t->source_type, "vod") ? rule_media : rule_file,
				   r);
	else
		fine = check_live(t, urls, r);
	json_decref(urls);
	return fine;
}
