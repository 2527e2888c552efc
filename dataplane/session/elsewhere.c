/* SPDX-License-Identifier: Apache-2.0 */
#include "session/elsewhere.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

/* The URL of that scheme ("rtmp://") in the list. */
static struct slice find(const char *list, const char *scheme)
{
	for (list += strspn(list, " "); *list; list += strspn(list, " ")) {
		size_t n = strcspn(list, " ");

		if (!strncmp(list, scheme, strlen(scheme)))
			return (struct slice){(const uint8_t *)list, n};
		list += n;
	}
	return (struct slice){NULL, 0};
}

static struct slice choose(const struct config *c, bool tls, const char *clear, const char *safe)
{
	struct slice found = tls ? (struct slice){NULL, 0} : find(c->drain_redirect, clear);

	return found.n ? found : find(c->drain_redirect, safe);
}

struct slice elsewhere_http(const struct config *c, bool tls)
{
	return choose(c, tls, "http://", "https://");
}

static bool begins(struct slice s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && !strncasecmp((const char *)s.p, text, n);
}

/* What follows the host in a URL, without its first '/'; n = 0: nothing. */
static struct slice path_of(struct slice url)
{
	const uint8_t *host = url.n ? memmem(url.p, url.n, "://", 3) : NULL, *path;
	size_t n;

	if (!host)
		return (struct slice){NULL, 0};
	n = url.n - (size_t)(host + 3 - url.p);
	path = memchr(host + 3, '/', n);
	if (!path)
		return (struct slice){NULL, 0};
	return (struct slice){path + 1, url.n - (size_t)(path + 1 - url.p)};
}

void elsewhere_rtmp(char dst[ELSEWHERE_TC_URL_MAX], const struct config *c, bool tls,
		    struct slice app, struct slice tc_url)
{
	/* TLS may have ended at a load balancer. */
	struct slice node = choose(c, tls || begins(tc_url, "rtmps://"), "rtmp://", "rtmps://");
	struct slice path = path_of(tc_url);
	int n;

	dst[0] = '\0';
	if (!node.n)
		return;
	if (!path.n)
		path = app;
	n = snprintf(dst, ELSEWHERE_TC_URL_MAX, "%.*s/%.*s", (int)node.n, (const char *)node.p,
		     (int)path.n, path.n ? (const char *)path.p : "");
	must(n > 0 && n < ELSEWHERE_TC_URL_MAX);
}
