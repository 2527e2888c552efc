/* SPDX-License-Identifier: Apache-2.0 */
#include "session/redirect.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static int refuse(const char **rule, const char *why)
{
	*rule = why;
	return -EINVAL;
}

static bool is_http(const struct url *u)
{
	return u->scheme == URL_HTTP || u->scheme == URL_HTTPS;
}

static bool is_rtmp(const struct url *u)
{
	return u->scheme == URL_RTMP || u->scheme == URL_RTMPS;
}

bool redirect_by_tls(const struct url *u)
{
	return u->scheme == URL_HTTPS || u->scheme == URL_RTMPS;
}

static uint16_t default_port(const struct url *u)
{
	if (redirect_by_tls(u))
		return 443;
	return is_rtmp(u) ? 1935 : 80;
}

static const char *scheme_of(const struct url *u)
{
	if (is_rtmp(u))
		return redirect_by_tls(u) ? "rtmps" : "rtmp";
	return redirect_by_tls(u) ? "https" : "http";
}

int redirect_text(const struct url *u, char dst[REDIRECT_TEXT_MAX])
{
	char port[8] = "";
	int n;

	if (u->port != default_port(u))
		snprintf(port, sizeof(port), ":%u", u->port);
	n = snprintf(dst, REDIRECT_TEXT_MAX, "%s://%s%s%s%s%s%s%s%s%s", scheme_of(u), u->userinfo,
		     u->userinfo[0] ? "@" : "", u->v6 ? "[" : "", u->host, u->v6 ? "]" : "", port,
		     u->path, u->query[0] ? "?" : "", u->query);
	return n >= 0 && n < REDIRECT_TEXT_MAX ? 0 : -ENAMETOOLONG;
}

/* ---- paths ---- */

/* Removes "." and ".." segments in place; the path begins with '/'. */
static void remove_dots(char *path)
{
	const char *from = path;
	char *to = path;

	while (*from) {
		size_t n = strcspn(from + 1, "/");
		const char *name = from + 1;
		bool last = name[n] == '\0';
		bool up = n == 2 && name[0] == '.' && name[1] == '.';

		if (up) {
			while (to > path && *--to != '/')
				;
		}
		if (!up && !(n == 1 && name[0] == '.')) {
			memmove(to, from, n + 1);
			to += n + 1;
		} else if (last) {
			*to++ = '/';
		}
		from = name + n;
	}
	*to = '\0';
}

/* ---- references ---- */

static bool has_scheme(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || (n && text[n] && strchr("+-.", text[n])))
		n++;
	return n && isalpha((unsigned char)text[0]) && text[n] == ':';
}

/* A reference without a host, as a URL of from's host. */
static int on_same_host(const struct url *from, const char *to, char dst[REDIRECT_TEXT_MAX])
{
	struct url base = *from;
	char *slash;
	size_t n;

	base.query[0] = '\0';
	if (to[0] == '/') {
		base.path[0] = '\0';
	} else if (to[0] != '?' && to[0] != '#') {
		slash = strrchr(base.path, '/');
		if (slash)
			slash[1] = '\0';
	}
	if (redirect_text(&base, dst))
		return -ENAMETOOLONG;
	n = strlen(dst);
	return snprintf(dst + n, REDIRECT_TEXT_MAX - n, "%s", to) < (int)(REDIRECT_TEXT_MAX - n)
		       ? 0
		       : -ENAMETOOLONG;
}

void redirect_rtmp(char dst[REDIRECT_TEXT_MAX], struct slice tc_url, const char *stream)
{
	bool slashed = stream[strcspn(stream, "?/")] == '/';

	while (tc_url.n && tc_url.p[tc_url.n - 1] == '/')
		tc_url.n--;
	tc_url.n = min_of(tc_url.n, (size_t)REDIRECT_TEXT_MAX);
	snprintf(dst, REDIRECT_TEXT_MAX, "%.*s%s%s", (int)tc_url.n, (const char *)tc_url.p,
		 slashed ? "//" : "/", stream);
}

int redirect_join(const struct url *from, const char *to, struct url *out, const char **rule)
{
	char text[REDIRECT_TEXT_MAX];
	int r;

	if (has_scheme(to))
		r = snprintf(text, sizeof(text), "%s", to) < (int)sizeof(text) ? 0 : -ENAMETOOLONG;
	else if (to[0] == '/' && to[1] == '/')
		r = snprintf(text, sizeof(text), "%s:%s", scheme_of(from), to) < (int)sizeof(text)
			    ? 0
			    : -ENAMETOOLONG;
	else
		r = on_same_host(from, to, text);
	if (r)
		return refuse(rule, "is too long");
	if (url_parse(out, text, rule))
		return -EINVAL;
	if (is_rtmp(from) && !is_rtmp(out))
		return refuse(rule, "is neither rtmp nor rtmps");
	if (is_http(from) && !is_http(out))
		return refuse(rule, "is neither http nor https");
	if (is_http(out)) /* names of RTMP streams have rules of their own */
		remove_dots(out->path);
	return 0;
}
