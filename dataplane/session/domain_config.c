/* SPDX-License-Identifier: Apache-2.0 */
#include "session/domain_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define KEY_MIN	   6 /* of a signing key: what the API has always asked for */
#define HOLD_MAX   300000
#define WINDOW_MAX 31536000

const struct domain_play domain_play_unset = {
	.tick = DOMAIN_UNSET,
	.hls = DOMAIN_UNSET,
	.rtmp_s = DOMAIN_UNSET,
	.flv_s = DOMAIN_UNSET,
	.delay_s = DOMAIN_UNSET,
	.hls_idle_ms = DOMAIN_UNSET,
};

/* The way through the JSON; after the first error nothing more is read. */
struct parse {
	struct ctl_error *error;
	char path[200];
	bool bad;
};

static void fail(struct parse *p, const char *key, const char *rule)
{
	char field[sizeof(p->path) + 64];

	if (p->bad)
		return;
	p->bad = true;
	snprintf(field, sizeof(field), "%s%s%s", p->path, *key ? "." : "", key);
	ctl_error_set(p->error, "bad_field", field, "%s", rule);
}

/* ---- values ---- */

/* The value of a key; NULL: it is absent, or null, or there was an error before. */
static const json_t *value_of(struct parse *p, const json_t *object, const char *key)
{
	const json_t *value = p->bad ? NULL : json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

static void get_bool(struct parse *p, const json_t *object, const char *key, bool *out)
{
	const json_t *value = value_of(p, object, key);

	if (value && !json_is_boolean(value))
		fail(p, key, "must be true or false");
	else if (value)
		*out = json_is_true(value);
}

/* `absent` stays where there is none. */
static int64_t get_int(struct parse *p, const json_t *object, const char *key, int64_t min,
		       int64_t max, int64_t absent)
{
	const json_t *value = value_of(p, object, key);
	char rule[80];
	int64_t n;

	if (!value)
		return absent;
	n = json_integer_value(value);
	if (json_is_integer(value) && n >= min && n <= max)
		return n;
	snprintf(rule, sizeof(rule), "must be a whole number from %lld to %lld", (long long)min,
		 (long long)max);
	fail(p, key, rule);
	return absent;
}

/* Which of the words, separated by '|', it is. */
static int get_word(struct parse *p, const json_t *object, const char *key, const char *words,
		    int absent)
{
	const json_t *value = value_of(p, object, key);
	const char *text = json_string_value(value), *at = words;
	char rule[80];

	if (!value)
		return absent;
	for (int i = 0; text && *text && *at; i++) {
		size_t n = strcspn(at, "|");

		if (strlen(text) == n && !memcmp(at, text, n))
			return i;
		at += n + (at[n] == '|');
	}
	snprintf(rule, sizeof(rule), "must be one of %s", words);
	fail(p, key, rule);
	return absent;
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; *at;) {
		size_t len = strcspn(at, " ");

		if (len == n && !memcmp(at, word, n))
			return true;
		at += len + (at[len] == ' ');
	}
	return false;
}

/* It is an object with these keys only. */
static bool check_object(struct parse *p, const json_t *object, const char *keys)
{
	const char *key;
	json_t *value;

	if (!p->bad && !json_is_object(object))
		fail(p, "", "must be an object");
	if (p->bad)
		return false;
	json_object_foreach ((json_t *)object, key, value) {
		char rule[300];

		if (has_word(keys, key))
			continue;
		snprintf(rule, sizeof(rule), "is not known here; keys: %s", keys);
		fail(p, key, rule);
		return false;
	}
	return true;
}

/* Goes into the object `key` if it is there; leave() with what enter() returned. */
static const json_t *enter(struct parse *p, const json_t *object, const char *key, const char *keys,
			   size_t *back)
{
	const json_t *inner = value_of(p, object, key);

	*back = strlen(p->path);
	if (!inner)
		return NULL;
	snprintf(p->path + *back, sizeof(p->path) - *back, ".%s", key);
	return check_object(p, inner, keys) ? inner : NULL;
}

static void leave(struct parse *p, size_t back)
{
	if (!p->bad)
		p->path[back] = '\0';
}

/* A list of texts; NULL where it is absent, empty or wrong. */
static const json_t *get_list(struct parse *p, const json_t *object, const char *key)
{
	const json_t *list = value_of(p, object, key);
	char at[80];

	if (!list)
		return NULL;
	if (!json_is_array(list) || json_array_size(list) > DOMAIN_LIST_MAX) {
		fail(p, key, "must be a list of at most 1000 texts");
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (json_is_string(json_array_get(list, i)))
			continue;
		snprintf(at, sizeof(at), "%s[%zu]", key, i);
		fail(p, at, "must be text");
		return NULL;
	}
	return json_array_size(list) ? list : NULL;
}

/* ---- names ---- */

bool domain_name_ok(const char *name)
{
	size_t n = strlen(name);

	return n && n < DOMAIN_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == n && name[0] != '.' &&
	       name[0] != '_' && name[n - 1] != '.' && !strstr(name, "..") &&
	       name[strspn(name, "0123456789.")] != '\0';
}

/* "example.com", "*.example.com" or "*". */
static bool referer_ok(const char *pattern)
{
	if (!strcmp(pattern, "*"))
		return true;
	return domain_name_ok(!strncmp(pattern, "*.", 2) ? pattern + 2 : pattern);
}

/* ---- functions ---- */

static void get_key(struct parse *p, const json_t *object, const char *key, char *dst)
{
	const json_t *value = value_of(p, object, key);
	const char *text = json_string_value(value);
	size_t n = text ? strlen(text) : 0;

	if (!value || (text && !n))
		return;
	if (n < KEY_MIN || n > SIGN_KEY_MAX || n != json_string_length(value))
		fail(p, key, "must be text of 6 to 128 bytes");
	else
		memcpy(dst, text, n + 1);
}

static void get_auth(struct parse *p, const json_t *config, struct domain *d)
{
	size_t back;
	const json_t *o =
		enter(p, config, "auth", "type key1 key2 publish play window_s cut", &back);

	d->sign_publish = d->sign_play = true;
	d->sign.window_s = 1800;
	if (o) {
		d->sign.type = (uint8_t)get_word(p, o, "type", "none|a|b|c", SIGN_NONE);
		get_key(p, o, "key1", d->sign.key[0]);
		get_key(p, o, "key2", d->sign.key[1]);
		get_bool(p, o, "publish", &d->sign_publish);
		get_bool(p, o, "play", &d->sign_play);
		get_bool(p, o, "cut", &d->sign_cut);
		d->sign.window_s = (uint32_t)get_int(p, o, "window_s", 0, WINDOW_MAX, 1800);
		if (d->sign.type != SIGN_NONE && !d->sign.key[0][0] && !d->sign.key[1][0])
			fail(p, "key1", "is missing: without a key no URL could be good");
	}
	leave(p, back);
}

static void get_referer(struct parse *p, const json_t *config, struct domain *d)
{
	size_t back, n;
	const json_t *o = enter(p, config, "referer", "mode list empty", &back);
	const json_t *list = o ? get_list(p, o, "list") : NULL;
	char at[80];

	d->referer_empty = true;
	if (o) {
		d->referer = (uint8_t)get_word(p, o, "mode", "off|allow|deny", DOMAIN_REFERER_OFF);
		get_bool(p, o, "empty", &d->referer_empty);
		if (d->referer == DOMAIN_REFERER_ALLOW && !list && !d->referer_empty)
			fail(p, "list", "is empty: nobody could play");
	}
	n = list && !p->bad ? json_array_size(list) : 0;
	d->referers = n ? calloc(n, sizeof(*d->referers)) : NULL;
	for (size_t i = 0; d->referers && i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!referer_ok(text)) {
			snprintf(at, sizeof(at), "list[%zu]", i);
			fail(p, at, "must be a host name in lower case, *.host or *");
			break;
		}
		d->referers[i] = strdup(text);
		if (!d->referers[i])
			break;
		d->referers_n++;
	}
	if (!p->bad && d->referers_n < n)
		fail(p, "list", "no memory");
	leave(p, back);
}

static void get_ranges(struct parse *p, const json_t *object, const char *key,
		       struct domain_ranges *out)
{
	const json_t *list = get_list(p, object, key);
	size_t n = list ? json_array_size(list) : 0;
	char at[80];

	if (!n)
		return;
	out->range = calloc(n, sizeof(*out->range));
	if (!out->range)
		fail(p, key, "no memory");
	for (size_t i = 0; !p->bad && i < n; i++) {
		const json_t *text = json_array_get(list, i);

		if (!cidr_parse(&out->range[i], json_string_value(text),
				json_string_length(text))) {
			out->n++;
			continue;
		}
		snprintf(at, sizeof(at), "%s[%zu]", key, i);
		fail(p, at, "must be an address or a range like 10.0.0.0/8");
	}
}

static void get_ips(struct parse *p, const json_t *config, const char *key, struct domain_ips *out)
{
	size_t back;
	const json_t *o = enter(p, config, key, "allow deny", &back);

	if (o) {
		out->given = true;
		get_ranges(p, o, "allow", &out->allow);
		get_ranges(p, o, "deny", &out->deny);
	}
	leave(p, back);
}

static unsigned get_country_list(struct parse *p, const json_t *object, const char *key,
				 struct country_set *out)
{
	const json_t *list = get_list(p, object, key);
	size_t n = list ? json_array_size(list) : 0;
	unsigned place;
	char at[80];

	for (size_t i = 0; i < n; i++) {
		if (country_place(json_string_value(json_array_get(list, i)), &place)) {
			country_set_add(out, place);
			continue;
		}
		snprintf(at, sizeof(at), "%s[%zu]", key, i);
		fail(p, at, "must be a country's two capital letters (ISO 3166-1)");
		break;
	}
	return (unsigned)n;
}

static void get_countries(struct parse *p, const json_t *config, struct domain_countries *out)
{
	size_t back;
	const json_t *o = enter(p, config, "country", "allow deny", &back);

	if (o) {
		out->allow_n = get_country_list(p, o, "allow", &out->allow);
		out->deny_n = get_country_list(p, o, "deny", &out->deny);
	}
	leave(p, back);
}

static void get_remote(struct parse *p, const json_t *config, struct domain_remote *out)
{
	size_t back;
	const json_t *o = enter(p, config, "remote",
				"publish play fail_open timeout_ms ttl_ms by_address", &back);

	*out = (struct domain_remote){.by_address = true};
	if (o) {
		get_bool(p, o, "publish", &out->publish);
		get_bool(p, o, "play", &out->play);
		get_bool(p, o, "fail_open", &out->fail_open);
		get_bool(p, o, "by_address", &out->by_address);
		out->timeout_ms = (uint32_t)get_int(p, o, "timeout_ms", 10, 30000, 2000);
		out->ttl_ms = (uint32_t)get_int(p, o, "ttl_ms", 0, 86400000, 60000);
	}
	leave(p, back);
}

static void get_backup(struct parse *p, const json_t *config, struct domain *d)
{
	size_t back, n;
	const json_t *o = enter(p, config, "backup", "on manual", &back);
	const json_t *list = o ? get_list(p, o, "manual") : NULL;

	if (o)
		get_bool(p, o, "on", &d->backups);
	n = list && !p->bad ? json_array_size(list) : 0;
	d->manual = n ? calloc(n, sizeof(*d->manual)) : NULL;
	while (d->manual && d->manual_n < n) {
		d->manual[d->manual_n] =
			strdup(json_string_value(json_array_get(list, d->manual_n)));
		if (!d->manual[d->manual_n])
			break;
		d->manual_n++;
	}
	if (!p->bad && d->manual_n < n)
		fail(p, "manual", "no memory");
	leave(p, back);
}

static void get_publish(struct parse *p, const json_t *object, struct domain_publish *out)
{
	size_t back;
	const json_t *o = enter(p, object, "publish", "policy hold_ms", &back);

	*out = (struct domain_publish){DOMAIN_UNSET, DOMAIN_UNSET};
	if (o) {
		out->policy = (int8_t)get_word(p, o, "policy", "reject|replace_same|replace",
					       DOMAIN_UNSET);
		out->hold_ms = get_int(p, o, "hold_ms", 0, HOLD_MAX, DOMAIN_UNSET);
	}
	leave(p, back);
}

static void get_play(struct parse *p, const json_t *object, struct domain_play *out)
{
	size_t back;
	const json_t *o =
		enter(p, object, "play", "tick delay_s hls hls_idle_ms rtmp_s flv_s", &back);

	*out = domain_play_unset;
	if (o) {
		out->tick = (int8_t)get_word(p, o, "tick", "low|normal|bulk", DOMAIN_UNSET);
		out->hls = (int8_t)get_word(p, o, "hls", "off|on_demand|always", DOMAIN_UNSET);
		out->delay_s = (int32_t)get_int(p, o, "delay_s", 0, DOMAIN_DELAY_MAX, DOMAIN_UNSET);
		out->hls_idle_ms =
			(int32_t)get_int(p, o, "hls_idle_ms", 5000, 86400000, DOMAIN_UNSET);
		out->rtmp_s = (int16_t)get_int(p, o, "rtmp_s", 0, DOMAIN_START_MAX, DOMAIN_UNSET);
		out->flv_s = (int16_t)get_int(p, o, "flv_s", 0, DOMAIN_START_MAX, DOMAIN_UNSET);
		if (out->delay_s > 0 && out->delay_s < DOMAIN_DELAY_MIN)
			fail(p, "delay_s", "must be 0, or 16 to 3600");
	}
	leave(p, back);
}

static void get_app(struct parse *p, const json_t *apps, const char *name, struct domain_app *out)
{
	size_t back;
	const json_t *o = enter(p, apps, name, "publish play", &back);

	if (!*name || strlen(name) >= sizeof(out->name))
		fail(p, "", "must have a name of 1 to 127 bytes");
	snprintf(out->name, sizeof(out->name), "%s", name);
	get_publish(p, o, &out->publish);
	get_play(p, o, &out->play);
	leave(p, back);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct domain_app *)a)->name, ((const struct domain_app *)b)->name);
}

/* An object of overrides, one for each name. */
static void get_apps(struct parse *p, const json_t *config, const char *key, unsigned max,
		     struct domain_app **out, unsigned *n)
{
	const json_t *apps = value_of(p, config, key);
	size_t back = strlen(p->path);
	const char *name;
	char rule[80];
	json_t *app;

	if (!apps)
		return;
	if (!json_is_object(apps) || json_object_size(apps) > max) {
		snprintf(rule, sizeof(rule), "must be an object of at most %u names", max);
		fail(p, key, rule);
		return;
	}
	*out = calloc(json_object_size(apps) + 1, sizeof(**out));
	if (!*out)
		fail(p, key, "no memory");
	snprintf(p->path + back, sizeof(p->path) - back, ".%s", key);
	json_object_foreach ((json_t *)apps, name, app) {
		if (p->bad)
			return;
		get_app(p, apps, name, &(*out)[(*n)++]);
	}
	qsort(*out, *n, sizeof(**out), by_name);
	leave(p, back);
}

static void get_pull(struct parse *p, const json_t *config, struct domain *d)
{
	size_t back;
	const json_t *o = enter(p, config, "pull", "mode idle_ms wait_ms negative_ms", &back);

	if (o) {
		d->triggered = get_word(p, o, "mode", "off|triggered", 0) == 1;
		d->pull_idle_ms = (uint32_t)get_int(p, o, "idle_ms", 1000, 86400000, 60000);
		d->pull_wait_ms = (uint32_t)get_int(p, o, "wait_ms", 0, 120000, 8000);
		d->pull_negative_ms = (uint32_t)get_int(p, o, "negative_ms", 0, 600000, 5000);
		if (d->triggered && d->type != DOMAIN_PLAY)
			fail(p, "mode", "is for play domains");
	}
	leave(p, back);
}

static void get_type(struct parse *p, const json_t *config, struct domain *d)
{
	const json_t *center = value_of(p, config, "center");
	const char *text = json_string_value(center);

	if (!p->bad && !json_object_get(config, "type"))
		fail(p, "type", "is missing");
	d->type = (uint8_t)get_word(p, config, "type", "ingest|play", DOMAIN_INGEST);
	memcpy(d->center, d->name, sizeof(d->center));
	if (!center)
		return;
	if (d->type != DOMAIN_PLAY)
		fail(p, "center", "is for play domains");
	else if (!text || !domain_name_ok(text))
		fail(p, "center", "must be a domain's name");
	else
		snprintf(d->center, sizeof(d->center), "%s", text);
}

static void get_all(struct parse *p, const json_t *config, struct domain *d)
{
	if (!check_object(p, config,
			  "version type center enabled viewer_events auth referer ip ip_publish "
			  "country remote publish backup play apps streams pull"))
		return;
	get_type(p, config, d);
	d->version = get_int(p, config, "version", 0, INT64_MAX, 0);
	d->enabled = true;
	get_bool(p, config, "enabled", &d->enabled);
	get_bool(p, config, "viewer_events", &d->viewer_events);
	get_auth(p, config, d);
	get_referer(p, config, d);
	get_ips(p, config, "ip", &d->ip);
	get_ips(p, config, "ip_publish", &d->ip_publish);
	get_countries(p, config, &d->countries);
	get_remote(p, config, &d->remote);
	get_publish(p, config, &d->publish);
	get_backup(p, config, d);
	get_play(p, config, &d->play);
	get_apps(p, config, "apps", DOMAIN_APPS_MAX, &d->apps, &d->apps_n);
	get_apps(p, config, "streams", DOMAIN_LIST_MAX, &d->streams, &d->streams_n);
	get_pull(p, config, d);
}

/* A number that tells a domain's keys apart, of no use otherwise, and never 0. */
static uint32_t mark_of(const char *key)
{
	char digest[DIGEST_TEXT];

	digest_text(digest, key)[8] = '\0';
	return (uint32_t)strtoul(digest, NULL, 16) | 1;
}

struct domain *domain_new(const char *name, const json_t *config, struct ctl_error *e)
{
	struct parse p = {.error = e, .path = "config"};
	struct domain *d;

	if (!domain_name_ok(name)) {
		ctl_error_set(e, "bad_field", "domain", "must be a host name in lower case");
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		ctl_error_set(e, "limit", "", "no memory");
		return NULL;
	}
	snprintf(d->name, sizeof(d->name), "%s", name);

	get_all(&p, config, d);
	for (unsigned i = 0; i < array_len(d->key_mark); i++)
		if (d->sign.key[i][0])
			d->key_mark[i] = mark_of(d->sign.key[i]);
	if (!p.bad)
		return d;
	domain_free(d);
	return NULL;
}

void domain_free(struct domain *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->referers_n; i++)
		free(d->referers[i]);
	free(d->referers);
	for (unsigned i = 0; i < d->manual_n; i++)
		free(d->manual[i]);
	free(d->manual);
	free(d->ip.allow.range);
	free(d->ip.deny.range);
	free(d->ip_publish.allow.range);
	free(d->ip_publish.deny.range);
	free(d->apps);
	free(d->streams);
	explicit_bzero(&d->sign, sizeof(d->sign));
	free(d);
}
