/* SPDX-License-Identifier: Apache-2.0 */
/* What the data plane is told about a domain. */
#include "controlplane/domain.h"

#include <string.h>

#include "base/check.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static bool append_part(void *arg, const char *part)
{
	return !json_array_append_new(arg, json_string(part));
}

static json_t *list_of(const char *text)
{
	json_t *list = json_array();

	domain_each_part(text, append_part, list);
	return list;
}

const char *domain_center(const json_t *all, const char *name)
{
	const json_t *doc = json_object_get(all, name);
	const char *main_name = text_of(doc, "main");
	const char *push;

	if (!domain_is_play(doc))
		return name;
	if (*main_name && json_object_get(all, main_name))
		doc = json_object_get(all, main_name);
	else
		main_name = name;
	push = text_of(doc, "push");
	return *push ? push : main_name;
}

static json_t *config_auth(const json_t *doc)
{
	static const char *const types[] = {[SIGN_A] = "a", [SIGN_B] = "b", [SIGN_C] = "c"};
	static const char f[] = "aliauth";
	enum sign_type type = domain_sign_type(doc);
	bool play = domain_is_play(doc);
	json_t *auth;

	if (type == SIGN_NONE)
		return json_pack("{ss}", "type", "none");
	auth = json_pack("{ss ss sb sb sI sb}", "type", types[type], "key1",
			 domain_arg(doc, f, "auth_key1"), "publish", !play, "play", play,
			 "window_s",
			 (json_int_t)domain_arg_int(doc, f, "ali_auth_delta", DOMAIN_AUTH_DELTA_S),
			 "cut", !strcmp(domain_arg(doc, f, "auth_cut"), "on"));
	if (*domain_arg(doc, f, "auth_key2"))
		json_object_set_new(auth, "key2", json_string(domain_arg(doc, f, "auth_key2")));
	return auth;
}

static void config_referer(const json_t *doc, json_t *config)
{
	static const char *const f[2][3] = {
		{"allow", "referer_white_list_set", "refer_domain_allow_list"},
		{"deny", "referer_black_list_set", "refer_domain_deny_list"}};

	for (int i = 0; i < 2; i++)
		if (domain_args(doc, f[i][1]))
			json_object_set_new(
				config, "referer",
				json_pack("{ss so sb}", "mode", f[i][0], "list",
					  list_of(domain_arg(doc, f[i][1], f[i][2])), "empty",
					  strcmp(domain_arg(doc, f[i][1], "allow_empty"), "off") !=
						  0));
}

/* One of two functions, the one that allows or the one that denies, as an object of that list. */
static void config_lists(const json_t *doc, json_t *config, const char *key,
			 const char *const functions[2], const char *arg)
{
	static const char *const words[2] = {"allow", "deny"};

	for (int i = 0; i < 2; i++)
		if (domain_args(doc, functions[i]))
			json_object_set_new(config, key,
					    json_pack("{so}", words[i],
						      list_of(domain_arg(doc, functions[i], arg))));
}

static void config_places(const json_t *doc, json_t *config)
{
	static const char *const ip[2] = {"ip_allow_list_set", "ip_black_list_set"};
	static const char *const country[2] = {"country_allow_list_set", "country_black_list_set"};

	config_lists(doc, config, domain_is_play(doc) ? "ip" : "ip_publish", ip, "ip_list");
	config_lists(doc, config, "country", country, "country_list");
}

static void config_remote(const json_t *doc, json_t *config)
{
	static const char f[] = "remote_auth";
	const char *scope = domain_arg(doc, f, "remote_auth_scope");
	bool play = domain_is_play(doc);

	if (!domain_args(doc, f))
		return;
	json_object_set_new(
		config, "remote",
		json_pack("{sb sb sb sI sI}", "publish", !play && strcmp(scope, "play") != 0,
			  "play", play && strcmp(scope, "publish") != 0, "fail_open",
			  !strcmp(domain_arg(doc, f, "remote_auth_timeout_action"), "pass"),
			  "timeout_ms",
			  /* The data plane waits longer than the server is asked. */
			  (json_int_t)domain_arg_int(doc, f, "remote_auth_timeout", 500) + 500,
			  "ttl_ms",
			  (json_int_t)domain_arg_int(doc, f, "remote_auth_ttl", 60) * 1000));
}

/* What is wanted more is packaged more often. */
static int hls_rank(const char *word)
{
	return !strcmp(word, "always") ? 2 : !strcmp(word, "on_demand");
}

/* Deliberate delays of all, of applications and of streams. */
static void config_delays(const json_t *doc, json_t *config, json_t *play)
{
	json_t *apps = json_object(), *streams = json_object(), *row;
	char name[256];
	size_t i;

	json_array_foreach (json_object_get(doc, "delays"), i, row) {
		const char *app = text_of(row, "app"), *stream = text_of(row, "stream");
		json_t *late = json_pack("{sO}", "delay_s", json_object_get(row, "s"));

		snprintf(name, sizeof(name), "%s/%s", app, stream);
		if (!strcmp(app, "*"))
			json_object_update(play, late);
		else if (!strcmp(stream, "*"))
			json_object_set_new(apps, app, json_pack("{sO}", "play", late));
		else
			json_object_set_new(streams, name, json_pack("{sO}", "play", late));
		json_decref(late);
	}
	if (json_object_size(apps))
		json_object_set(config, "apps", apps);
	if (json_object_size(streams))
		json_object_set(config, "streams", streams);
	json_decref(apps);
	json_decref(streams);
}

static void config_sessions(const json_t *doc, json_t *config)
{
	const char *policy = domain_arg(doc, "live_publish", "policy");
	const char *tick = domain_arg(doc, "live_play", "tick");
	const char *hls = domain_arg(doc, "live_play", "hls");
	int64_t hold = domain_arg_int(doc, "live_publish", "hold_ms", -1);
	int64_t delay = domain_arg_int(doc, "live_play", "delay_s", 0);
	int64_t idle_s = domain_arg_int(doc, "live_play", "hls_idle", 0);
	const json_t *latency = json_object_get(doc, "latency");
	json_t *publish = json_object(), *play = json_object();

	if (*policy)
		json_object_set_new(publish, "policy", json_string(policy));
	if (hold >= 0)
		json_object_set_new(publish, "hold_ms", json_integer(hold));
	if (*tick)
		json_object_set_new(play, "tick", json_string(tick));
	if (*hls)
		json_object_set_new(play, "hls", json_string(hls));
	if (idle_s)
		json_object_set_new(play, "hls_idle_ms", json_integer(idle_s * 1000));
	if (delay)
		json_object_set_new(play, "delay_s", json_integer(delay));
	if (json_object_get(latency, "rtmp"))
		json_object_set(play, "rtmp_s", json_object_get(latency, "rtmp"));
	if (json_object_get(latency, "flv"))
		json_object_set(play, "flv_s", json_object_get(latency, "flv"));
	config_delays(doc, config, play);
	if (json_object_size(publish))
		json_object_set(config, "publish", publish);
	if (json_object_size(play))
		json_object_set(config, "play", play);
	json_decref(publish);
	json_decref(play);
}

bool domains_name_hls(const json_t *all)
{
	const char *name;
	json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)all, name, doc)
		if (*domain_arg(doc, "live_play", "hls"))
			return true;
	return false;
}

/* Whether this domain plays the stream. */
static bool plays(const json_t *all, const char *name, const json_t *doc, const char *stream)
{
	const char *center = domain_center(all, name);
	size_t n = strcspn(stream, "/");

	return domain_is_play(doc) && strlen(center) == n && !memcmp(center, stream, n);
}

int64_t domains_hls_idle(const json_t *all, const char *stream, int64_t otherwise)
{
	int64_t longest = 0;
	const char *name;
	json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)all, name, doc) {
		int64_t own_s = domain_arg_int(doc, "live_play", "hls_idle", 0);

		if (plays(all, name, doc, stream))
			longest = max_of(longest, own_s ? own_s * 1000 : otherwise);
	}
	return longest ? longest : otherwise;
}

int64_t domains_hls_segment(const json_t *all, const char *stream, int64_t otherwise)
{
	int64_t shortest = 0;
	const char *name;
	json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)all, name, doc) {
		int64_t delay_s =
			json_integer_value(json_object_get(json_object_get(doc, "latency"), "hls"));

		if (delay_s && plays(all, name, doc, stream) && (!shortest || delay_s < shortest))
			shortest = delay_s;
	}
	return shortest ? max_of(shortest / 3, 1) * 1000 : otherwise;
}

const char *domains_hls(const json_t *all, const char *stream, const char *otherwise)
{
	const char *name, *most = NULL;
	json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)all, name, doc) {
		const char *word = domain_arg(doc, "live_play", "hls");

		if (!plays(all, name, doc, stream))
			continue;
		word = *word ? word : otherwise;
		if (!most || hls_rank(word) > hls_rank(most))
			most = word;
	}
	return most ? most : otherwise;
}

json_t *domain_config(const json_t *all, const char *name, bool triggered, int64_t idle_ms)
{
	const json_t *doc = json_object_get(all, name);
	bool play = domain_is_play(doc);
	json_t *config =
		json_pack("{sI ss sb so}", "version",
			  (json_int_t)json_integer_value(json_object_get(doc, "modified")), "type",
			  play ? "play" : "ingest", "enabled",
			  !strcmp(text_of(doc, "status"), "online"), "auth", config_auth(doc));

	must(config);
	if (play)
		json_object_set_new(config, "center", json_string(domain_center(all, name)));
	if (domain_args(doc, "viewer_notify"))
		json_object_set_new(config, "viewer_events", json_true());
	config_referer(doc, config);
	config_places(doc, config);
	config_remote(doc, config);
	config_sessions(doc, config);
	if (json_is_true(json_object_get(json_object_get(doc, "multi"), "on")))
		json_object_set_new(
			config, "backup",
			json_pack("{sb sO}", "on", 1, "manual",
				  json_object_get(json_object_get(doc, "multi"), "manual")));
	if (triggered)
		json_object_set_new(
			config, "pull",
			json_pack("{ss sI}", "mode", "triggered", "idle_ms", (json_int_t)idle_ms));
	return config;
}
