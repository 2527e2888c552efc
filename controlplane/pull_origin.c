/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/pull_origin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "controlplane/url_encode.h"
#include "controlplane/url_sign.h"

#define HOP   "mr_hop="
#define VHOST "vhost="

/* Does not end with a NUL: a piece of a query or list. */
struct part {
	const char *p;
	size_t n;
};

static bool next_part(struct part *at, const char **rest, char separator)
{
	if (!**rest)
		return false;
	*at = (struct part){*rest, 0};
	while (at->p[at->n] && at->p[at->n] != separator)
		at->n++;
	*rest = at->p + at->n + !!at->p[at->n];
	return true;
}

static bool begins(struct part a, const char *with)
{
	size_t n = strlen(with);

	return a.n >= n && !memcmp(a.p, with, n);
}

/* The value of mr_hop, "a,b", into dst[n]. */
static void hops_of(char *dst, size_t n, const char *params)
{
	struct part one;

	dst[0] = 0;
	while (next_part(&one, &params, '&'))
		if (begins(one, HOP))
			snprintf(dst, n, "%.*s", (int)(one.n - strlen(HOP)), one.p + strlen(HOP));
}

static bool may_pass(const char *hops, const char *node)
{
	struct part one;
	unsigned n = 0;

	while (next_part(&one, &hops, ','))
		if ((one.n == strlen(node) && begins(one, node)) || ++n >= PULL_HOPS_MAX)
			return false;
	return true;
}

/* The viewer's parameters but those that each node says itself, each with '&' behind it. */
static void passed_on(char *dst, size_t n, const char *params, bool vhost)
{
	struct part one;
	size_t used = 0;

	dst[0] = 0;
	while (next_part(&one, &params, '&')) {
		if (!one.n || begins(one, HOP) || (vhost && begins(one, VHOST)) ||
		    used + one.n + 2 > n)
			continue;
		used += (size_t)snprintf(dst + used, n - used, "%.*s&", (int)one.n, one.p);
	}
}

static const struct form {
	const char *protocol, *scheme, *suffix, *read_as;
	bool native;
} forms[] = {
	{"rtmp", "rtmp", "", "rtmp", true},	{"httpflv", "http", ".flv", "http-flv", true},
	{"hls", "http", ".m3u8", "hls", false}, {"httpts", "http", ".ts", "http-ts", false},
	{"srt", "srt", "", "srt", false},	{"rtsp", "rtsp", "", "rtsp", false},
};

static const struct form *form_of(const char *protocol)
{
	for (size_t i = 0; i < array_len(forms); i++)
		if (!strcmp(forms[i].protocol, protocol))
			return &forms[i];
	return &forms[0];
}

/* http with s or without, and rtmp. */
static bool has_scheme(const char *url, const char *scheme)
{
	size_t n = strlen(scheme);

	if (strncasecmp(url, scheme, n))
		return false;
	if ((!strcmp(scheme, "http") || !strcmp(scheme, "rtmp")) &&
	    tolower((unsigned char)url[n]) == 's')
		n++;
	return !strncmp(url + n, "://", 3);
}

static const struct form *form_of_url(const char *url)
{
	size_t path_n = strcspn(url, "?#");

	for (size_t i = 0; i < array_len(forms); i++) {
		size_t n = strlen(forms[i].suffix);

		if (has_scheme(url, forms[i].scheme) && path_n >= n &&
		    !strncasecmp(url + path_n - n, forms[i].suffix, n))
			return &forms[i];
	}
	return NULL;
}

const char *pull_protocol(const char *url)
{
	const struct form *f = form_of_url(url);

	return f ? f->read_as : NULL;
}

bool pull_is_native(const char *url)
{
	const struct form *f = form_of_url(url);

	return f && f->native;
}

char *pull_origin_url(const struct pull_question *q)
{
	const struct form *form = form_of(q->protocol);
	char hops[512], path[1600], raw[600], own[1100] = "", *url;
	struct url_signature by = {"", ""};

	hops_of(hops, sizeof(hops), q->params);
	if (!may_pass(hops, q->node))
		return NULL;
	snprintf(raw, sizeof(raw), "/%s/%s%s", q->app, q->name, form->suffix);
	if (!url_encode_path(path, sizeof(path), raw))
		return NULL;
	if (!strcmp(form->scheme, "srt")) {
		must(asprintf(&url, "srt://%s?streamid=%%23!::r=%s,m=request", q->host, path + 1) >
		     0);
		return url;
	}
	if (!strcmp(q->auth, "pass"))
		passed_on(own, sizeof(own), q->params, q->vhost != NULL);
	else if (!strcmp(q->auth, "sign") && *q->key)
		url_sign(&by, &(struct url_signer){q->sign, q->key, "0", q->now_s}, path);
	if (*by.query)
		snprintf(own, sizeof(own), "%s&", by.query);
	must(asprintf(&url, "%s://%s%s%s?%s%s%s%s" HOP "%s%s%s", form->scheme, q->host, by.before,
		      path, q->vhost ? VHOST : "", q->vhost ? q->vhost : "", q->vhost ? "&" : "",
		      own, hops, *hops ? "," : "", q->node) > 0);
	return url;
}

const json_t *pull_lazy_row(const json_t *domain, const char *app)
{
	const json_t *list = json_object_get(domain, "lazy"), *row, *any = NULL;
	size_t i;

	json_array_foreach ((json_t *)list, i, row) {
		const char *of = json_string_value(json_object_get(row, "app"));

		if (of && !strcmp(of, app))
			return row;
		if (of && !strcmp(of, PULL_ANY_APP))
			any = row;
	}
	return any;
}
