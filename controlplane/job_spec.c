/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/job_spec.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "controlplane/assets.h"
#include "controlplane/reach.h"
#include "controlplane/url_encode.h"

/* As session/inner.h expects it of a publisher of our own; stream: domain/app/name. "": too long. */
static void output_url(char *dst, size_t n, const char *stream, const struct config *conf,
		       const char *inner_key)
{
	char text[800], pass[DIGEST_TEXT], at[300], path[1600];
	const char *app = strchr(stream, '/');

	must(app);
	snprintf(text, sizeof(text), "%s%s", inner_key, stream);
	reach(at, sizeof(at), conf->rtmp_listen);
	dst[0] = 0;
	if (url_encode_path(path, sizeof(path), app))
		snprintf(dst, n, "rtmp://%s%s?vhost=%.*s&pass=%s", at, path, (int)(app - stream),
			 stream, digest_text(pass, text));
}

/* What every worker is told. */
static json_t *common(const char *kind, json_t *urls, const struct config *conf)
{
	json_t *spec = json_pack("{ss so sI sI ss ss sb ss ss}", "kind", kind, "urls", urls,
				 "connect_ms", (json_int_t)conf->relay_connect_timeout, "media_ms",
				 (json_int_t)conf->relay_media_timeout, "deny", conf->relay_deny,
				 "ca", conf->tls_ca, "verify", (int)conf->tls_verify, "log",
				 conf->log_level, "files", conf->asset_folder);

	must(spec);
	return spec;
}

json_t *job_spec_probe(const char *url, const struct config *conf)
{
	return common("probe", json_pack("[s]", url), conf);
}

/* The places of media ids. */
static void resolve(json_t *urls, const struct assets *assets)
{
	char url[2100];
	json_t *id;
	size_t i;

	json_array_foreach (urls, i, id)
		json_array_set_new(
			urls, i,
			json_string(assets_url(assets, json_string_value(id), url, sizeof(url))));
}

static void add_backups(json_t *urls, const struct task *t)
{
	json_t *more = *t->backup_urls ? json_loads(t->backup_urls, 0, NULL) : NULL;

	if (more)
		json_array_extend(urls, more);
	json_decref(more);
}

static json_t *slate_url(const struct task *t, const struct assets *assets)
{
	char url[2100];

	if (!*t->slate_url || strstr(t->slate_url, "://"))
		return json_string(t->slate_url);
	return json_string(assets_url(assets, t->slate_url, url, sizeof(url)));
}

json_t *job_spec(const struct task *t, const struct config *conf, const struct assets *assets,
		 const char *inner_key)
{
	json_t *urls = json_loads(t->source_urls, 0, NULL), *spec;
	bool list = task_is_list(t), inside;
	char output[600], stream[128];

	must(urls);
	if (!strcmp(t->source_type, "vod"))
		resolve(urls, assets);
	add_backups(urls, t);
	/* A list that has become shorter is played from its beginning. */
	inside = list && t->current_file < (int64_t)json_array_size(urls);
	output_url(output, sizeof(output), leg_stream(stream, t->id), conf, inner_key);
	spec = common(list ? "list" : "live", urls, conf);
	json_object_set_new(spec, "protocol", json_string(list ? "" : t->source_protocol));
	json_object_set_new(spec, "output", json_string(output));
	json_object_set_new(spec, "repeat", json_integer(t->repeat));
	json_object_set_new(spec, "file", json_integer(inside ? t->current_file : 0));
	json_object_set_new(spec, "offset_ms",
			    json_integer(inside ? t->current_offset_s * 1000 : 0));
	json_object_set_new(spec, "slate", slate_url(t, assets));
	json_object_set_new(
		spec, "wary",
		json_boolean(!strcmp(t->last_reason, reason_name(REASON_PLAYLIST_STALE))));
	json_object_set_new(spec, "switch_ms", json_integer(t->backup_after_s * 1000));
	json_object_set_new(spec, "return_ms",
			    json_integer(t->backup_return_s < 0 ? -1 : t->backup_return_s * 1000));
	json_object_set_new(spec, "round", json_integer(list ? t->current_round : 0));
	return spec;
}

json_t *job_spec_next(const struct task *t, const struct assets *assets)
{
	json_t *urls = json_loads(t->next_urls, 0, NULL);

	must(urls);
	if (!strcmp(t->source_type, "vod"))
		resolve(urls, assets);
	return json_pack("{so sb}", "next", urls, "now", (int)!strcmp(t->next_at, "now"));
}

json_t *job_spec_push(const struct task *t, const char *url, const struct config *conf,
		      const char *inner_key)
{
	json_t *spec = common("push", json_pack("[s]", url), conf);
	char output[600], stream[128];

	output_url(output, sizeof(output), leg_stream(stream, t->id), conf, inner_key);
	json_object_set_new(spec, "output", json_string(output));
	return spec;
}

json_t *job_spec_pull(const char *url, const char *protocol, const char *stream,
		      const struct config *conf, const char *inner_key)
{
	json_t *spec = common("live", json_pack("[s]", url), conf);
	char output[2300];

	output_url(output, sizeof(output), stream, conf, inner_key);
	json_object_set_new(spec, "protocol", json_string(protocol));
	json_object_set_new(spec, "output", json_string(output));
	return spec;
}
