/* SPDX-License-Identifier: Apache-2.0 */
#include "media/stream_name.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "media/url.h"

#define PATH_BYTES    (STREAM_KEY_MAX + 256) /* room for parts that are dropped again */
#define NO_DOMAIN     "default"
#define SRS_NO_DOMAIN "__defaultvhost__"
#define DEFINST	      "_definst_"
#define VHOST_MARK    "...vhost..."

static const struct slice nothing = {(const uint8_t *)"", 0};

static int refuse(const char **rule, const char *why)
{
	*rule = why;
	return -EINVAL;
}

static bool has_control(const void *p, size_t n)
{
	const uint8_t *c = p;

	for (size_t i = 0; i < n; i++) {
		if (c[i] < 0x20 || c[i] == 0x7f)
			return true;
	}
	return false;
}

/* memchr() and friends want a pointer even for no bytes. */
static struct slice not_null(struct slice s)
{
	return s.p ? s : nothing;
}

/* The part of s before the first byte of `stops`; *after is what follows that byte. */
static struct slice cut(struct slice s, const char *stops, struct slice *after)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] && strchr(stops, s.p[i])) {
			*after = (struct slice){s.p + i + 1, s.n - i - 1};
			return (struct slice){s.p, i};
		}
	}
	*after = nothing;
	return s;
}

static struct slice from_text(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* ---- domain ---- */

static bool is_address(const char *host)
{
	return strpbrk(host, ":[]") || !host[strspn(host, "0123456789.")];
}

/*
 * The domain that "host", "host:port" or an address stands for; empty is "default".
 * A host with several ':' is an IPv6 address whose brackets were forgotten.
 */
static int set_domain(struct stream_name *out, struct slice host, const char **rule)
{
	const uint8_t *colon = memchr(host.p, ':', host.n);
	char *d = out->domain;

	if (colon && colon == memrchr(host.p, ':', host.n))
		host.n = (size_t)(colon - host.p);
	if ((host.n && host.p[0] == '.') || memmem(host.p, host.n, "..", 2))
		return refuse(rule, "has a label without letters");
	if (host.n && host.p[host.n - 1] == '.')
		host.n--; /* "example.com." is what "example.com" means */
	if (host.n >= sizeof(out->domain))
		return refuse(rule, "is longer than 127 bytes");
	for (size_t i = 0; i < host.n; i++) {
		if (!isalnum(host.p[i]) && !(host.p[i] && strchr(".-_:[]", host.p[i])))
			return refuse(rule, "has a byte other than letters, digits, '.', '-', '_'");
		d[i] = (char)tolower(host.p[i]);
	}
	d[host.n] = '\0';
	if (is_address(d) || !strcmp(d, "localhost") || !strcmp(d, SRS_NO_DOMAIN))
		strcpy(d, NO_DOMAIN);
	return 0;
}

/* Whether text begins as "scheme:" does, up to the mark. */
static bool is_scheme(struct slice text, const uint8_t *mark)
{
	for (const uint8_t *c = text.p; c < mark; c++) {
		if (!isalnum(*c))
			return false;
	}
	return mark > text.p;
}

/* Host and port of a URL, and what follows them; both empty where it is no URL. */
static struct slice host_of_url(struct slice url, struct slice *path)
{
	const uint8_t *mark = memmem(url.p, url.n, "://", 3), *at;
	struct slice host, after;

	*path = nothing;
	if (!mark || !is_scheme(url, mark))
		return nothing;
	url = (struct slice){mark + 3, url.n - (size_t)(mark + 3 - url.p)};
	host = cut(url, "/?#", &after);
	*path = (struct slice){url.p + host.n, url.n - host.n};
	at = memrchr(host.p, '@', host.n);
	if (at)
		host = (struct slice){at + 1, host.n - (size_t)(at + 1 - host.p)};
	return host;
}

/* ---- parameters ---- */

/* Whether a parameter with the name of `param` ("k=v") is in params. */
static bool has_param(struct slice params, struct slice param)
{
	struct slice value, name = cut(param, "=", &value);

	while (params.n) {
		struct slice other = cut(cut(params, "&", &params), "=", &value);

		if (other.n == name.n && !memcmp(other.p, name.p, name.n))
			return true;
	}
	return false;
}

/* Appends the parameters whose names were not there before. */
static int add_params(struct stream_name *out, struct slice params, const char **rule)
{
	const struct slice before = from_text(out->params);
	size_t n = before.n;

	if (has_control(params.p, params.n))
		return refuse(rule, "has a control byte in its parameters");
	while (params.n) {
		struct slice param = cut(params, "&", &params);

		if (!param.n || has_param(before, param))
			continue;
		if (n + 1 + param.n >= sizeof(out->params))
			return refuse(rule, "has more than 1023 bytes of parameters");
		if (n)
			out->params[n++] = '&';
		memcpy(out->params + n, param.p, param.n);
		n += param.n;
		out->params[n] = '\0';
	}
	return 0;
}

/* ---- path ---- */

struct path {
	char text[PATH_BYTES]; /* clean parts with '/' between them */
	size_t n;
	char vhost[128]; /* of the old notation, see cut_vhost() */
};

static bool is_dots(const void *part, size_t n)
{
	return (n == 1 || n == 2) && !memcmp(part, "..", n);
}

static size_t last_part(const struct path *path)
{
	const char *slash = memrchr(path->text, '/', path->n);

	return slash ? (size_t)(slash - path->text) + 1 : 0;
}

static int add_part(struct path *path, struct slice part, const char **rule)
{
	size_t last = last_part(path);

	if (!part.n)
		return 0;
	if (is_dots(part.p, part.n))
		return refuse(rule, "has a '.' or '..' part");
	/* The default instance is no level of its own, but a stream may have that name. */
	if (path->n - last == strlen(DEFINST) &&
	    !memcmp(path->text + last, DEFINST, strlen(DEFINST)))
		path->n = last ? last - 1 : 0;
	if (path->n + 1 + part.n >= sizeof(path->text))
		return refuse(rule, "is too long");
	if (path->n)
		path->text[path->n++] = '/';
	memcpy(path->text + path->n, part.p, part.n);
	path->n += part.n;
	return 0;
}

/* The old way to name a virtual host: "live...vhost...example.com" is live on example.com. */
static int cut_vhost(struct path *path, struct slice *part, const char **rule)
{
	const uint8_t *mark = memmem(part->p, part->n, VHOST_MARK, strlen(VHOST_MARK));
	const uint8_t *vhost;
	size_t n;

	if (!mark)
		return 0;
	vhost = mark + strlen(VHOST_MARK);
	n = part->n - (size_t)(vhost - part->p);
	if (n >= sizeof(path->vhost))
		return refuse(rule, "has a vhost longer than 127 bytes");
	memcpy(path->vhost, vhost, n);
	path->vhost[n] = '\0';
	part->n = (size_t)(mark - part->p);
	return 0;
}

/* Adds the parts of a normalised path. */
static int add_plain(struct path *path, struct slice text, const char **rule)
{
	if (has_control(text.p, text.n))
		return refuse(rule, "has a control byte");
	while (text.n) {
		if (add_part(path, cut(text, "/", &text), rule))
			return -EINVAL;
	}
	return 0;
}

/*
 * Adds the parts of a path as it came from a peer. It is decoded once, before the parts are told
 * apart: an encoded '/' or ".." is what it stands for (U4).
 */
static int add_encoded(struct path *path, struct slice text, const char **rule)
{
	char plain[PATH_BYTES];
	int n = percent_decode(plain, sizeof(plain), text);

	if (n == -ENAMETOOLONG)
		return refuse(rule, "is too long");
	if (n < 0)
		return refuse(rule, "has a bad percent escape");
	if (has_control(plain, (size_t)n))
		return refuse(rule, "has a control byte");
	text = (struct slice){(const uint8_t *)plain, (size_t)n};
	while (text.n) {
		struct slice part = cut(text, "/", &text);

		if (cut_vhost(path, &part, rule) || add_part(path, part, rule))
			return -EINVAL;
	}
	return 0;
}

static int set_app_and_name(struct stream_name *out, const struct path *path, const char **field,
			    const char **rule)
{
	size_t last = last_part(path), name_n = path->n - last;

	*field = "stream";
	if (!name_n)
		return refuse(rule, "is empty");
	if (is_dots(path->text + last, name_n))
		return refuse(rule, "has a '.' or '..' part");
	if (name_n >= sizeof(out->name))
		return refuse(rule, "is longer than 255 bytes");
	memcpy(out->name, path->text + last, name_n);
	out->name[name_n] = '\0';
	*field = "app";
	if (!last)
		return refuse(rule, "is empty");
	if (last > sizeof(out->app))
		return refuse(rule, "is longer than 127 bytes");
	memcpy(out->app, path->text, last - 1);
	out->app[last - 1] = '\0';
	return 0;
}

/* A vhost named by parameter or in the path wins over the host (interop U1). */
static int choose_domain(struct stream_name *out, const struct path *path, struct slice host,
			 const char **rule)
{
	char given[sizeof(out->domain)];

	if (params_get(out->params, "vhost", given, sizeof(given)) && given[0])
		host = from_text(given);
	else if (path->vhost[0])
		host = from_text(path->vhost);
	else if (params_get(out->params, "domain", given, sizeof(given)) && given[0])
		host = from_text(given);
	return set_domain(out, host, rule);
}

/* ---- the entry points ---- */

/* What players and encoders of old put before a name to say its container (interop C2). */
static struct slice without_prefix(struct slice stream)
{
	static const char *const prefixes[] = {"flv:", "mp4:", "f4v:", "mp3:"};

	for (size_t i = 0; i < array_len(prefixes); i++) {
		if (stream.n >= 4 && !memcmp(stream.p, prefixes[i], 4))
			return (struct slice){stream.p + 4, stream.n - 4};
	}
	return stream;
}

static bool has_levels(struct slice path)
{
	while (path.n && path.p[0] == '/')
		path = (struct slice){path.p + 1, path.n - 1};
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	return memchr(path.p, '/', path.n) != NULL;
}

/* "app?k=v/stream" in one piece: the stream stands behind the last '/' of the parameters. */
static void take_stream_from_params(struct slice app, struct slice *params, struct slice *stream)
{
	const uint8_t *slash = memrchr(params->p, '/', params->n);

	if (!slash || has_levels(app))
		return;
	*stream = (struct slice){slash + 1, params->n - (size_t)(slash + 1 - params->p)};
	params->n = (size_t)(slash - params->p);
}

int stream_name_rtmp(struct stream_name *out, struct slice tc_url, struct slice app,
		     struct slice stream, const char **field, const char **rule)
{
	struct slice app_params, stream_params, url_path, url_params, host;
	struct path path = {.n = 0};

	memset(out, 0, sizeof(*out));
	host = host_of_url(not_null(tc_url), &url_path);
	url_path = cut(url_path, "?#", &url_params);
	app = cut(not_null(app), "?#", &app_params);
	if (!app.n)
		app = url_path;
	if (!app_params.n)
		app_params = url_params; /* some clients cut them from the app */
	stream = cut(not_null(stream), "?", &stream_params);
	if (!stream.n)
		take_stream_from_params(app, &app_params, &stream);

	*field = "stream"; /* first, so that its parameters win (U2) */
	if (add_params(out, stream_params, rule))
		return -EINVAL;
	*field = "app";
	if (add_params(out, app_params, rule) || add_encoded(&path, app, rule))
		return -EINVAL;
	*field = "stream";
	if (add_encoded(&path, without_prefix(stream), rule) ||
	    set_app_and_name(out, &path, field, rule))
		return -EINVAL;
	*field = "domain";
	return choose_domain(out, &path, host, rule);
}

/* Moves "flv" of "cam.flv" to suffix; a long or odd ending is part of the name. */
static void take_suffix(struct path *path, char suffix[16])
{
	size_t last = last_part(path), n = 0;
	const char *dot = memrchr(path->text + last, '.', path->n - last);
	const char *end = path->text + path->n;

	suffix[0] = '\0';
	if (!dot || dot + 1 == end || end - dot > 16)
		return;
	for (const char *c = dot + 1; c < end; c++) {
		if (!isalnum((unsigned char)*c))
			return;
	}
	for (const char *c = dot + 1; c < end; c++)
		suffix[n++] = (char)tolower((unsigned char)*c);
	suffix[n] = '\0';
	path->n = (size_t)(dot - path->text);
}

int stream_name_http(struct stream_name *out, struct slice target, struct slice host,
		     char suffix[16], const char **field, const char **rule)
{
	struct slice params, url_path, url_host = host_of_url(not_null(target), &url_path);
	struct path path = {.n = 0};

	memset(out, 0, sizeof(*out));
	suffix[0] = '\0';
	if (url_host.n) {
		host = url_host;
		target = url_path;
	}
	target = cut(target, "?", &params);
	*field = "stream";
	if (add_params(out, params, rule) || add_encoded(&path, target, rule))
		return -EINVAL;
	take_suffix(&path, suffix);
	if (set_app_and_name(out, &path, field, rule))
		return -EINVAL;
	*field = "domain";
	return choose_domain(out, &path, not_null(host), rule);
}

int stream_name_key(struct stream_name *out, const char *key, const char **rule)
{
	struct slice all = from_text(key), path_text, domain = cut(all, "/", &path_text);
	struct path path = {.n = 0};
	const char *field;

	memset(out, 0, sizeof(*out));
	if (!memchr(path_text.p, '/', path_text.n)) {
		path_text = all;
		domain = nothing;
	}
	if (add_plain(&path, path_text, rule) || set_app_and_name(out, &path, &field, rule))
		return -EINVAL;
	return set_domain(out, domain, rule);
}

char *stream_key(char *dst, const struct stream_name *n)
{
	snprintf(dst, STREAM_KEY_MAX, "%s/%s/%s", n->domain, n->app, n->name);
	return dst;
}
