/* SPDX-License-Identifier: Apache-2.0 */
#include "media/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "base/check.h"

#define URL_TEXT_MAX 2000

static const struct {
	const char *name;
	uint16_t port;
} schemes[] = {
	[URL_RTMP] = {"rtmp", 1935},  [URL_RTMPS] = {"rtmps", 443}, [URL_HTTP] = {"http", 80},
	[URL_HTTPS] = {"https", 443}, [URL_SRT] = {"srt", 0},	    [URL_RTSP] = {"rtsp", 554},
};
static_assert(array_len(schemes) == URL_OTHER, "one line per known scheme");

static int refuse(const char **rule, const char *why)
{
	*rule = why;
	return -EINVAL;
}

/* Copies n bytes and terminates; false where they do not fit. */
static bool copy(char *dst, size_t room, const char *p, size_t n)
{
	if (n >= room)
		return false;
	memcpy(dst, p, n);
	dst[n] = '\0';
	return true;
}

static void lower(char *s)
{
	for (; *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

static const char *parse_scheme(struct url *out, const char *text)
{
	const char *colon = strstr(text, "://");
	size_t n;

	if (!colon || !isalpha((unsigned char)text[0]))
		return NULL;
	n = (size_t)(colon - text);
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("+-.", text[i]))
			return NULL;
	}
	out->scheme = URL_OTHER;
	for (size_t i = 0; i < array_len(schemes); i++) {
		if (n == strlen(schemes[i].name) && !strncasecmp(text, schemes[i].name, n)) {
			out->scheme = (enum url_scheme)i;
			out->port = schemes[i].port;
		}
	}
	return colon + 3;
}

/* ":port" or nothing; an empty port means the default one (RFC 3986, 3.2.3). */
static const char *parse_port(struct url *out, const char *p, const char *end)
{
	uint32_t port = 0;

	if (p == end)
		return NULL;
	if (*p++ != ':')
		return "what follows the host is not a port";
	if (p == end)
		return NULL;
	for (; p < end; p++) {
		if (!isdigit((unsigned char)*p))
			return "the port is not a number";
		port = port * 10 + (uint32_t)(*p - '0');
		if (port > 65535)
			return "the port is not in 1..65535";
	}
	if (!port)
		return "the port is not in 1..65535";
	out->port = (uint16_t)port;
	out->port_given = true;
	return NULL;
}

static const char *parse_host(struct url *out, const char *p, const char *end)
{
	const char *host = p, *host_end;

	out->v6 = p < end && *p == '[';
	if (out->v6) {
		host++;
		host_end = host + strcspn(host, "]");
		if (host_end >= end)
			return "the IPv6 address has no ']'";
		p = host_end + 1;
	} else {
		host_end = min_of(host + strcspn(host, ":"), end);
		p = host_end;
	}
	if (host == host_end)
		return "there is no host";
	for (const char *c = host; c < host_end; c++) {
		bool fine =
			out->v6 ? isxdigit((unsigned char)*c) || *c == ':' || *c == '.'
				: isalnum((unsigned char)*c) || *c == '.' || *c == '-' || *c == '_';

		if (!fine)
			return "the host has a byte that no host name has";
	}
	if (!copy(out->host, sizeof(out->host), host, (size_t)(host_end - host)))
		return "the host is longer than 255 bytes";
	lower(out->host);
	return parse_port(out, p, end);
}

static const char *parse_authority(struct url *out, const char *p, const char *end)
{
	const char *at = memrchr(p, '@', (size_t)(end - p));

	if (at) {
		if (!copy(out->userinfo, sizeof(out->userinfo), p, (size_t)(at - p)))
			return "user and password are longer than 127 bytes";
		p = at + 1;
	}
	return parse_host(out, p, end);
}

static const char *parse_path(struct url *out, const char *p)
{
	bool rtmp = out->scheme == URL_RTMP || out->scheme == URL_RTMPS;
	size_t n = rtmp ? strlen(p) : strcspn(p, "#");
	const char *query = memchr(p, '?', n);
	size_t path_n = query ? (size_t)(query - p) : n;

	if (path_n && *p != '/')
		return "what follows the host is not a path";
	if (!copy(out->path, sizeof(out->path), path_n ? p : "/", path_n ? path_n : 1))
		return "the path is longer than 1023 bytes";
	if (query && !copy(out->query, sizeof(out->query), query + 1, n - path_n - 1))
		return "the query is longer than 1023 bytes";
	return NULL;
}

int url_parse(struct url *out, const char *text, const char **rule)
{
	const char *p, *path, *why;
	size_t n = strnlen(text, URL_TEXT_MAX + 1);

	memset(out, 0, sizeof(*out));
	if (n > URL_TEXT_MAX)
		return refuse(rule, "longer than 2000 bytes");
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return refuse(rule, "has a blank or a control byte");
	}
	p = parse_scheme(out, text);
	if (!p)
		return refuse(rule, "does not begin with scheme://");
	path = p + strcspn(p, "/?#");
	why = parse_authority(out, p, path);
	if (!why)
		why = parse_path(out, path);
	return why ? refuse(rule, why) : 0;
}

static bool make_tc_url(char *dst, size_t n, const struct url *u, const char *app)
{
	char port[8] = "";
	int len;

	if (u->port != schemes[u->scheme].port)
		snprintf(port, sizeof(port), ":%u", u->port);
	len = snprintf(dst, n, "%s://%s%s%s%s/%s", schemes[u->scheme].name, u->v6 ? "[" : "",
		       u->host, u->v6 ? "]" : "", port, app);
	return len >= 0 && (size_t)len < n;
}

int url_rtmp_split(const struct url *u, char app[512], char stream[2048], char tc_url[1024],
		   const char **rule)
{
	const char *path = u->path + 1, *query = u->query;
	const char *split = strstr(path, "//"), *key = split ? split + 2 : NULL;
	const char *in_query = NULL;
	int app_n, stream_n;

	if (u->scheme != URL_RTMP && u->scheme != URL_RTMPS)
		return refuse(rule, "is not an RTMP URL");
	if (!split) {
		split = strrchr(path, '/');
		key = split ? split + 1 : NULL;
	}
	if (!split) { /* rtmp://h/app?k=v/stream */
		split = path + strlen(path);
		in_query = strrchr(query, '/');
		key = in_query ? in_query + 1 : "";
	}
	if (split == path)
		return refuse(rule, "has no app");
	if (!*key)
		return refuse(rule, "has no stream name");
	if (in_query) {
		app_n = snprintf(app, 512, "%.*s?%.*s", (int)(split - path), path,
				 (int)(in_query - query), query);
		stream_n = snprintf(stream, 2048, "%s", key);
	} else {
		app_n = snprintf(app, 512, "%.*s", (int)(split - path), path);
		stream_n = snprintf(stream, 2048, "%s%s%s", key, *query ? "?" : "", query);
	}
	if (app_n < 0 || app_n >= 512)
		return refuse(rule, "has an app longer than 511 bytes");
	if (stream_n < 0 || stream_n >= 2048)
		return refuse(rule, "has a stream name longer than 2047 bytes");
	if (!make_tc_url(tc_url, 1024, u, app))
		return refuse(rule, "is too long");
	return 0;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int percent_decode(char *dst, size_t n, struct slice text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c == '%') {
			int hi = text.n - i > 2 ? hex_digit(text.p[i + 1]) : -1;
			int lo = hi >= 0 ? hex_digit(text.p[i + 2]) : -1;

			if (lo < 0)
				return -EINVAL;
			c = (uint8_t)(hi << 4 | lo);
			i += 2;
		}
		if (!c)
			return -EINVAL;
		if (len + 1 >= n)
			return -ENAMETOOLONG;
		dst[len++] = (char)c;
	}
	if (!n)
		return -ENAMETOOLONG;
	dst[len] = '\0';
	return (int)len;
}

bool params_get(const char *params, const char *name, char *dst, size_t n)
{
	size_t name_n = strlen(name);

	while (*params) {
		size_t len = strcspn(params, "&");

		if (len >= name_n && !memcmp(params, name, name_n) &&
		    (len == name_n || params[name_n] == '=')) {
			size_t from = min_of(name_n + 1, len);
			struct slice value = {(const uint8_t *)params + from, len - from};

			return percent_decode(dst, n, value) >= 0;
		}
		params += len + (params[len] == '&');
	}
	return false;
}

/* By the end of their names: auth_key, wsSecret, access_token, .. */
static bool is_secret(const char *name, size_t n)
{
	static const char *const ends[] = {"key",    "secret", "token",	   "pass",
					   "passwd", "sign",   "password", "signature"};

	for (size_t i = 0; i < array_len(ends); i++) {
		size_t len = strlen(ends[i]);

		if (n >= len && !strncasecmp(name + n - len, ends[i], len))
			return true;
	}
	return false;
}

char *params_mask(char *dst, size_t n, const char *params)
{
	size_t used = 0;

	dst[0] = '\0';
	while (*params && used < n) {
		size_t len = strcspn(params, "&"), name_n = strcspn(params, "=&");
		bool mask = name_n < len && is_secret(params, name_n);

		used += (size_t)snprintf(dst + used, n - used, "%s%.*s%s", used ? "&" : "",
					 (int)(mask ? name_n + 1 : len), params, mask ? "***" : "");
		params += len + (params[len] == '&');
	}
	return dst;
}
