/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on functions of domains, and on signed URLs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/rules.h"
#include "controlplane/url_encode.h"
#include "controlplane/url_sign.h"

#define NAMES_MAX 50
#define NAME_TEXT 129

/* Names of a comma list. */
struct names {
	char v[NAMES_MAX][NAME_TEXT];
	size_t n;
};

static bool parse_names(struct api_call *c, const char *param, struct names *out)
{
	const char *p = api_text(c, param, "");
	struct refusal r;

	out->n = 0;
	while (*p) {
		size_t n = strcspn(p, ","), skip = strspn(p, " ");

		if (skip >= n || n - skip >= NAME_TEXT || out->n == NAMES_MAX) {
			refuse(&r, 400, "InvalidParameter",
			       "%s must be 1 to %d names separated by commas.", param, NAMES_MAX);
			api_refuse(c, &r);
			return false;
		}
		snprintf(out->v[out->n], NAME_TEXT, "%.*s", (int)(n - skip), p + skip);
		for (size_t i = 0; i < out->n; i++)
			if (!strcmp(out->v[i], out->v[out->n])) {
				refuse(&r, 400, "InvalidParameter", "%s names %s twice.", param,
				       out->v[i]);
				api_refuse(c, &r);
				return false;
			}
		out->n++;
		p += n;
		p += *p == ',';
	}
	return true;
}

static json_t *copy_of(const json_t *doc)
{
	json_t *copy = json_deep_copy(doc);

	json_object_set_new(copy, "modified", json_integer((json_int_t)(clock_wall_ms() / 1000)));
	return copy;
}

/* ---- set, shown, deleted ------------------------------------------------------------------------ */

/* One row per function that was set. */
static void add_models(json_t *rows, const char *domain, const json_t *doc, const json_t *set)
{
	json_t *f, *row;
	size_t i, j;

	json_array_foreach (set, i, row)
		json_array_foreach (json_object_get(doc, "functions"), j, f)
			if (json_equal(json_object_get(f, "name"), json_object_get(row, "name")))
				json_array_append_new(
					rows, json_pack("{ss sO sO}", "DomainName", domain,
							"FunctionName", json_object_get(f, "name"),
							"ConfigId", json_object_get(f, "id")));
}

void domain_config_set(struct api_call *c)
{
	json_t *set, *changes, *rows;
	struct names names;
	struct refusal r;

	if (!parse_names(c, "DomainNames", &names))
		return;
	if (!domain_parse_functions(api_text(c, "Functions", ""), &set, &r)) {
		api_refuse(c, &r);
		return;
	}
	changes = json_object();
	rows = json_array();
	for (size_t i = 0; i < names.n; i++) {
		json_t *doc = api_domain(c, names.v[i]), *copy;

		if (!doc)
			goto out;
		copy = copy_of(doc);
		json_object_set_new(changes, names.v[i], copy);
		if (!domain_set_functions(copy, names.v[i], set, &r)) {
			api_refuse(c, &r);
			goto out;
		}
		add_models(rows, names.v[i], copy, set);
	}
	json_decref(set);
	api_commit(c, domains_book(c->cp->domains), changes,
		   json_pack("{s{so}}", "DomainConfigList", "DomainConfigModel", rows));
	return;
out:
	json_decref(rows);
	json_decref(changes);
	json_decref(set);
}

static bool is_listed(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->v[i], name))
			return true;
	return !names->n;
}

void domain_config_describe(struct api_call *c)
{
	json_t *doc, *f, *rows, *value;
	struct names wanted;
	const char *name;
	size_t i;

	if (!parse_names(c, "FunctionNames", &wanted))
		return;
	doc = api_domain(c, api_text(c, "DomainName", ""));
	if (!doc)
		return;
	rows = json_array();
	json_array_foreach (json_object_get(doc, "functions"), i, f) {
		json_t *args = json_array();

		json_object_foreach (json_object_get(f, "args"), name, value)
			json_array_append_new(
				args, json_pack("{ss sO}", "ArgName", name, "ArgValue", value));
		if (is_listed(&wanted, json_string_value(json_object_get(f, "name"))))
			json_array_append_new(rows, json_pack("{sO sO ss s{sO}}", "FunctionName",
							      json_object_get(f, "name"),
							      "ConfigId", json_object_get(f, "id"),
							      "Status", "success", "FunctionArgs",
							      "FunctionArg", args));
		json_decref(args);
	}
	api_answer(c, json_pack("{s{so}}", "DomainConfigs", "DomainConfig", rows));
}

/* false: refused. */
static bool delete_from(struct api_call *c, const struct names *functions, const char *name,
			json_t *changes)
{
	json_t *doc = api_domain(c, name), *copy;
	struct refusal r;

	if (!doc)
		return false;
	copy = copy_of(doc);
	json_object_set_new(changes, name, copy);
	for (size_t i = 0; i < functions->n; i++)
		if (!domain_del_function(copy, functions->v[i])) {
			refuse(&r, 404, "InvalidFunction.NotFound",
			       "FunctionNames: %.64s is not set on %s.", functions->v[i], name);
			api_refuse(c, &r);
			return false;
		}
	return true;
}

void domain_config_delete(struct api_call *c)
{
	struct names names, functions;
	json_t *changes;

	if (!parse_names(c, "DomainNames", &names) || !parse_names(c, "FunctionNames", &functions))
		return;
	changes = json_object();
	for (size_t i = 0; i < names.n; i++)
		if (!delete_from(c, &functions, names.v[i], changes)) {
			json_decref(changes);
			return;
		}
	api_commit(c, domains_book(c->cp->domains), changes, json_object());
}

/* ---- signed URLs --------------------------------------------------------------------------------- */

void domain_auth_checking(struct api_call *c)
{
	json_t *doc = api_domain(c, api_text(c, "DomainName", ""));
	const char *wrong = "INVALID ALIAUTH";

	if (!doc)
		return;
	if (domain_sign_type(doc) != SIGN_NONE) {
		const char *keys[2] = {domain_arg(doc, "aliauth", "auth_key1"),
				       domain_arg(doc, "aliauth", "auth_key2")};

		wrong = url_auth_check(
			api_text(c, "Url", ""), domain_sign_type(doc), keys,
			domain_arg_int(doc, "aliauth", "ali_auth_delta", DOMAIN_AUTH_DELTA_S),
			(int64_t)(clock_wall_ms() / 1000));
	}
	api_answer(c, json_pack("{ss ss}", "Status", wrong ? "false" : "pass", "Description",
				wrong ? wrong : "OK"));
}

/* The port of the first of several addresses as ":1935", or "" where it is the usual one. */
static const char *port_of(char dst[16], const char *listen, int usual)
{
	size_t n = strcspn(listen, " ");
	const char *colon = memrchr(listen, ':', n);
	int port = colon ? atoi(colon + 1) : usual;

	dst[0] = 0;
	if (port != usual)
		snprintf(dst, 16, ":%d", port);
	return dst;
}

/* What a set of URLs is made of. */
struct place {
	const json_t *doc;
	const char *domain;
	struct url_signer signer;
	char path[1600];
};

static void add_url(json_t *urls, const char *name, const struct place *p, const char *scheme,
		    const char *port, const char *suffix)
{
	struct url_signature by;
	char path[1700], *url;

	snprintf(path, sizeof(path), "%s%s", p->path, suffix);
	url_sign(&by, &p->signer, path);
	must(asprintf(&url, "%s://%s%s%s%s%s%s", scheme, p->domain, port, by.before, path,
		      *by.query ? "?" : "", by.query) > 0);
	json_object_set_new(urls, name, json_string(url));
	free(url);
}

/* The documented form; the port is the service's. */
static void add_srt(json_t *urls, const struct place *p)
{
	bool play = domain_is_play(p->doc);
	struct url_signature by;
	char *url;

	url_sign(&by, &p->signer, p->path);
	must(asprintf(&url, "srt://%s:1105?streamid=#!::h=%s,r=%s%s%s%s,m=%s", p->domain, p->domain,
		      by.before, p->path, *by.query ? "?" : "", by.query,
		      play ? "request" : "publish") > 0);
	json_object_set_new(urls, "Srt", json_string(url));
	free(url);
}

static json_t *all_urls(const struct config *conf, const struct place *p)
{
	json_t *urls = json_object();
	char port[16];

	add_url(urls, "Rtmp", p, "rtmp", port_of(port, conf->rtmp_listen, 1935), "");
	if (*conf->rtmps_listen)
		add_url(urls, "Rtmps", p, "rtmps", port_of(port, conf->rtmps_listen, 443), "");
	if (domain_is_play(p->doc)) {
		bool tls = *conf->https_listen;

		port_of(port, tls ? conf->https_listen : conf->http_listen, tls ? 443 : 80);
		add_url(urls, "Flv", p, tls ? "https" : "http", port, ".flv");
		add_url(urls, "WsFlv", p, tls ? "wss" : "ws", port, ".flv");
		add_url(urls, "Hls", p, tls ? "https" : "http", port, ".m3u8");
	}
	add_srt(urls, p);
	return urls;
}

void domain_urls(struct api_call *c)
{
	const char *domain = api_text(c, "DomainName", "");
	struct place p = {.doc = api_domain(c, domain), .domain = domain};
	const char *rand = api_text(c, "Rand", "0");
	int64_t until;
	char raw[600], end[TIME_TEXT];
	struct refusal r;

	if (!p.doc)
		return;
	if (strchr(rand, '-')) {
		refuse(&r, 400, "InvalidParameter", "Rand must not hold '-'; the value is \"%s\".",
		       rand);
		api_refuse(c, &r);
		return;
	}
	p.signer = (struct url_signer){
		.type = domain_sign_type(p.doc),
		.key = domain_arg(p.doc, "aliauth", "auth_key1"),
		.rand = rand,
		.timestamp_s = (int64_t)(clock_wall_ms() / 1000) + api_number(c, "Valid", 0),
	};
	snprintf(raw, sizeof(raw), "/%s/%s", api_text(c, "AppName", ""),
		 api_text(c, "StreamName", ""));
	must(url_encode_path(p.path, sizeof(p.path), raw));
	until = p.signer.timestamp_s +
		domain_arg_int(p.doc, "aliauth", "ali_auth_delta", DOMAIN_AUTH_DELTA_S);
	api_answer(c, json_pack("{ss ss ss so}", "DomainName", domain, "Type",
				domain_is_play(p.doc) ? "play" : "publish", "ValidUntil",
				time_text(end, until), "Urls", all_urls(&c->cp->conf, &p)));
}
