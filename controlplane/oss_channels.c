/* SPDX-License-Identifier: Apache-2.0 */
/* Live channels of the object-storage API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/channel_vod.h"
#include "controlplane/object_nodes.h"
#include "controlplane/oss_call.h"
#include "controlplane/store_redis_words.h"
#include "controlplane/url_encode.h"
#include "controlplane/url_sign.h"

#define LIST_DEFAULT 100
#define RTMP_PORT    ":1935"
#define HTTP_PORT    ":80"

/* ---- what is there ---- */

/* NULL: the call was answered. */
static json_t *channel_of(struct oss_call *c, const char *channel)
{
	json_t *doc = channel_get(c->buckets, c->bucket, channel);
	struct refusal r;

	if (doc)
		return doc;
	refuse(&r, 404, "NoSuchLiveChannel",
	       "The specified live channel does not exist (EC 0026-00000021)");
	oss_fail(c, &r);
	return NULL;
}

/* false: the call was answered. */
static bool must_be_idle(struct oss_call *c)
{
	struct refusal r;

	if (!channel_live(c->cp->channels, c->bucket, c->object))
		return true;
	refuse(&r, 409, "ChannelStillLive",
	       "Live channel couldn't be updated or deleted when channel is live "
	       "(EC 0044-00000201)");
	oss_fail(c, &r);
	return false;
}

/* The port of the first address that is listened on, with its colon; "" where it is the usual one. */
static void port_of(char dst[16], const char *listen, const char *usual)
{
	char first[300];
	const char *colon;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(listen, " "), listen);
	colon = strrchr(first, ':');
	snprintf(dst, 16, "%.15s", colon && strcmp(colon, usual) != 0 ? colon : "");
}

static void put_urls(struct oss_call *c, struct xml *x, const char *channel, const char *playlist)
{
	const struct config *conf = &c->cp->conf;
	char name[3 * CHANNEL_NAME], list[400], domain[BUCKET_DOMAIN], rtmp[16], http[16];
	int host_n = (int)strcspn(c->http->host, ":");

	url_encode_path(name, sizeof(name), channel);
	url_encode_path(list, sizeof(list), playlist);
	port_of(rtmp, conf->rtmp_listen, RTMP_PORT);
	port_of(http, conf->api_listen, HTTP_PORT);
	buckets_domain(c->buckets, domain, c->bucket);
	xml_open(x, "PublishUrls");
	if (*conf->oss_host)
		xml_put(x, "Url", "rtmp://%s%s/live/%s", domain, rtmp, name);
	else
		xml_put(x, "Url", "rtmp://%.*s%s/live/%s?vhost=%s", host_n, c->http->host, rtmp,
			name, domain);
	xml_close(x);
	xml_open(x, "PlayUrls");
	if (*conf->oss_host)
		xml_put(x, "Url", "http://%s%s/%s/%s", domain, http, name, list);
	else
		xml_put(x, "Url", "http://%s/%s/%s/%s", c->http->host, c->bucket, name, list);
	xml_close(x);
}

static const char *status_word(bool enabled)
{
	return enabled ? "enabled" : "disabled";
}

/* ---- changes ---- */

/* A change on its way to Redis, and what is answered then. */
struct change {
	struct oss_call *call;
	void (*fine)(struct oss_call *c);
};

static void on_committed(void *arg, const char *error)
{
	struct change *change = arg;
	struct oss_call *c = change->call;
	struct refusal r;

	if (!error) {
		change->fine(c);
	} else {
		refuse(&r, 503, "ServiceUnavailable", "%.300s", error);
		oss_fail(c, &r);
	}
	free(change);
}

static void commit(struct oss_call *c, json_t *doc, void (*fine)(struct oss_call *c))
{
	struct change *change = malloc(sizeof(*change));
	char key[CHANNEL_KEY];

	must(change && doc);
	*change = (struct change){c, fine};
	book_commit(buckets_channels(c->buckets),
		    json_pack("{so}", channel_key(key, c->bucket, c->object), doc), on_committed,
		    change);
}

static void reply_done(struct oss_call *c)
{
	oss_empty(c, 200);
}

static void reply_created(struct oss_call *c)
{
	struct channel_config config;
	struct xml *x = xml_new("CreateLiveChannelResult");

	channel_config_of(&config, channel_get(c->buckets, c->bucket, c->object));
	put_urls(c, x, c->object, config.playlist);
	oss_xml(c, x);
}

void oss_channel_put(struct oss_call *c)
{
	struct evbuffer *body = http_body(c->http);
	size_t n = evbuffer_get_length(body);
	struct channel_config config;
	struct refusal r;

	if (!channel_name_fine(c->object)) {
		refuse(&r, 400, "InvalidObjectName",
		       "a live channel's name is an object's without /, of at most 255 bytes");
		oss_fail(c, &r);
	} else if (!channel_config_parse(&config, n ? (const char *)evbuffer_pullup(body, -1) : "",
					 n, &r)) {
		oss_fail(c, &r);
	} else if (must_be_idle(c)) {
		commit(c,
		       channel_doc(&config, channel_get(c->buckets, c->bucket, c->object),
				   (int64_t)clock_wall_ms()),
		       reply_created);
	}
}

void oss_channel_put_status(struct oss_call *c)
{
	const json_t *doc = channel_of(c, c->object);
	const char *status = oss_param(c, "status");
	struct channel_config config;
	struct refusal r;
	bool enabled = !strcmp(status, "enabled");

	if (!doc)
		return;
	if (!enabled && strcmp(status, "disabled") != 0) {
		refuse(&r, 400, "InvalidArgument",
		       "status: must be enabled or disabled (EC 0017-00000255)");
		oss_fail(c, &r);
		return;
	}
	channel_config_of(&config, doc);
	if (config.enabled == enabled) {
		oss_empty(c, 200);
		return;
	}
	/* While it is live it can only be switched off. */
	if (enabled && !must_be_idle(c))
		return;
	config.enabled = enabled;
	commit(c, channel_doc(&config, doc, (int64_t)clock_wall_ms()), reply_done);
}

static void reply_deleted(struct oss_call *c)
{
	char channel[CHANNEL_KEY], key[CHANNEL_KEY + 32];

	snprintf(key, sizeof(key), "mr:channel:{%s}:history",
		 channel_key(channel, c->bucket, c->object));
	store_tell(c->cp->store, STORE_WORDS("DEL", key));
	oss_empty(c, 204);
}

void oss_channel_delete(struct oss_call *c)
{
	if (channel_of(c, c->object) && must_be_idle(c))
		commit(c, json_null(), reply_deleted);
}

/* ---- questions ---- */

void oss_channel_info(struct oss_call *c)
{
	const json_t *doc = channel_of(c, c->object);
	struct channel_config config;
	struct xml *x;

	if (!doc)
		return;
	channel_config_of(&config, doc);
	x = xml_new("LiveChannelConfiguration");
	xml_text(x, "Description", config.description);
	xml_text(x, "Status", status_word(config.enabled));
	xml_open(x, "Target");
	xml_text(x, "Type", "HLS");
	xml_put(x, "FragDuration", "%d", config.frag_duration_s);
	xml_put(x, "FragCount", "%d", config.frag_count);
	xml_text(x, "PlaylistName", config.playlist);
	oss_xml(c, x);
}

static void put_media(struct xml *x, const struct channel_media *m)
{
	char time[OSS_TIME];

	xml_text(x, "ConnectedTime", oss_time_xml(time, m->stream->since_ms));
	xml_text(x, "RemoteAddr", m->stream->address);
	if (m->width) {
		xml_open(x, "Video");
		xml_put(x, "Width", "%llu", (unsigned long long)m->width);
		xml_put(x, "Height", "%llu", (unsigned long long)m->height);
		xml_put(x, "FrameRate", "%.0f", m->video_fps);
		xml_put(x, "Bandwidth", "%.0f", m->video_bytes_ps);
		xml_text(x, "Codec", "H264");
		xml_close(x);
	}
	if (m->audio_rate) {
		xml_open(x, "Audio");
		xml_put(x, "Bandwidth", "%.0f", m->audio_bytes_ps);
		xml_put(x, "SampleRate", "%d", m->audio_rate);
		xml_text(x, "Codec", "AAC");
		xml_close(x);
	}
}

void oss_channel_stat(struct oss_call *c)
{
	const json_t *doc = channel_of(c, c->object);
	struct channel_media m;
	struct xml *x;
	bool live;

	if (!doc)
		return;
	live = channel_media(c->cp->channels, c->bucket, c->object, &m);
	x = xml_new("LiveChannelStat");
	if (!json_is_true(json_object_get(doc, "enabled")))
		xml_text(x, "Status", "Disabled");
	else
		xml_text(x, "Status", live ? "Live" : "Idle");
	if (live && json_is_true(json_object_get(doc, "enabled")))
		put_media(x, &m);
	oss_xml(c, x);
}

static void put_record(struct xml *x, const char *text)
{
	json_t *row = text ? json_loads(text, 0, NULL) : NULL;
	char time[OSS_TIME];

	if (!row)
		return;
	xml_open(x, "LiveRecord");
	xml_text(x, "StartTime",
		 oss_time_xml(time, json_integer_value(json_object_get(row, "start"))));
	xml_text(x, "EndTime", oss_time_xml(time, json_integer_value(json_object_get(row, "end"))));
	xml_text(x, "RemoteAddr", dp_text(row, "address"));
	xml_close(x);
	json_decref(row);
}

static void on_history(void *arg, const struct store_reply *reply)
{
	struct oss_call *c = arg;
	struct refusal r;
	struct xml *x;

	if (reply->error) {
		refuse(&r, 503, "ServiceUnavailable", "%.300s", reply->error);
		oss_fail(c, &r);
		return;
	}
	x = xml_new("LiveChannelHistory");
	for (size_t i = 0; i < reply->n; i++)
		put_record(x, reply->text[i]);
	oss_xml(c, x);
}

void oss_channel_history(struct oss_call *c)
{
	char channel[CHANNEL_KEY], key[CHANNEL_KEY + 32];

	if (!channel_of(c, c->object))
		return;
	snprintf(key, sizeof(key), "mr:channel:{%s}:history",
		 channel_key(channel, c->bucket, c->object));
	store_ask(c->cp->store, STORE_WORDS("LRANGE", key, "0", "9"), on_history, c);
}

/* ---- the list ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the bucket's channels that begin so and come after marker, sorted; how many. */
static size_t names_of(const struct oss_call *c, const char ***names)
{
	json_t *all = book_all(buckets_channels(c->buckets)), *doc;
	const char *prefix = oss_param(c, "prefix"), *marker = oss_param(c, "marker"), *key;
	size_t n = 0, bucket_n = strlen(c->bucket);

	*names = calloc(json_object_size(all) + 1, sizeof(**names));
	must(*names);
	json_object_foreach (all, key, doc) {
		const char *name = key + bucket_n + 1;

		if (strncmp(key, c->bucket, bucket_n) != 0 || key[bucket_n] != '/' ||
		    strncmp(name, prefix, strlen(prefix)) != 0 || strcmp(name, marker) <= 0)
			continue;
		(*names)[n++] = name;
	}
	qsort(*names, n, sizeof(**names), by_name);
	return n;
}

static void put_channel(struct oss_call *c, struct xml *x, const char *name)
{
	const json_t *doc = channel_get(c->buckets, c->bucket, name);
	struct channel_config config;
	char time[OSS_TIME];

	channel_config_of(&config, doc);
	xml_open(x, "LiveChannel");
	xml_text(x, "Name", name);
	xml_text(x, "Description", config.description);
	xml_text(x, "Status", status_word(config.enabled));
	xml_text(x, "LastModified",
		 oss_time_xml(time, json_integer_value(json_object_get(doc, "modified"))));
	put_urls(c, x, name, config.playlist);
	xml_close(x);
}

void oss_channel_list(struct oss_call *c)
{
	const char **names;
	struct refusal r;
	unsigned max;
	size_t n;
	struct xml *x;

	if (!oss_max_keys(c, LIST_DEFAULT, &max, &r)) {
		oss_fail(c, &r);
		return;
	}
	n = names_of(c, &names);
	x = xml_new("ListLiveChannelResult");
	xml_text(x, "Prefix", oss_param(c, "prefix"));
	xml_text(x, "Marker", oss_param(c, "marker"));
	xml_put(x, "MaxKeys", "%u", max);
	xml_text(x, "IsTruncated", n > max ? "true" : "false");
	xml_text(x, "NextMarker", n > max ? names[max - 1] : "");
	for (size_t i = 0; i < n && i < max; i++)
		put_channel(c, x, names[i]);
	free(names);
	oss_xml(c, x);
}

/* ---- what was recorded ---- */

/* NULL: the call was answered. */
static char *playlist_of(struct oss_call *c, const char *channel, size_t *n)
{
	int64_t start_s, end_s;
	char folder[1500], *text = NULL;
	struct refusal r;

	if (!channel_of(c, channel))
		return NULL;
	snprintf(folder, sizeof(folder), "%s/%s/%s", buckets_folder(c->buckets), c->bucket,
		 channel);
	if (!vod_range(oss_param(c, "startTime"), oss_param(c, "endTime"), &start_s, &end_s, &r)) {
		oss_fail(c, &r);
		return NULL;
	}
	text = vod_playlist(folder, start_s, end_s, n, &r);
	if (!text)
		object_nodes_ask(c, &r);
	return text;
}

void oss_vod_get(struct oss_call *c)
{
	size_t n;
	char *text = playlist_of(c, c->object, &n);
	struct evbuffer *body;

	if (!text)
		return;
	body = evbuffer_new();
	must(body && !evbuffer_add(body, text, n));
	free(text);
	oss_send(c, 200, "application/x-mpegURL", body);
}

/* "channel/name.m3u8" */
static bool split(struct oss_call *c, char channel[OBJECT_KEY_MAX])
{
	const char *slash = strchr(c->object, '/');
	struct refusal r;

	snprintf(channel, OBJECT_KEY_MAX, "%.*s",
		 slash ? (int)(slash - c->object) : (int)strlen(c->object), c->object);
	if (slash && channel_playlist_fine(slash + 1))
		return true;
	refuse(&r, 400, "InvalidArgument",
	       "the playlist's name must have 6 to 128 characters and end with .m3u8");
	oss_fail(c, &r);
	return false;
}

void oss_vod_post(struct oss_call *c)
{
	char channel[OBJECT_KEY_MAX], etag[OSS_ETAG], *text;
	struct refusal r;
	size_t n;
	int rc;

	if (!split(c, channel))
		return;
	text = playlist_of(c, channel, &n);
	if (!text)
		return;
	rc = object_write(buckets_folder(c->buckets), c->bucket, c->object, text, n);
	free(text);
	if (rc) {
		refuse(&r, 500, "InternalError", "%s", strerror(-rc));
		oss_fail(c, &r);
		return;
	}
	if (oss_object_etag(c, c->object, etag))
		http_head(c->http, "ETag", etag);
	oss_empty(c, 200);
}
