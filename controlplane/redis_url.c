/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/redis_url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool copy(char *dst, size_t room, const char *p, size_t n)
{
	if (n >= room)
		return false;
	memcpy(dst, p, n);
	dst[n] = 0;
	return true;
}

/* Percent escapes in user and password: the rules of a query, but `+` is itself. */
static bool copy_decoded(char *dst, size_t room, const char *p, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '%' && i + 2 < n && isxdigit((unsigned char)p[i + 1]) &&
		    isxdigit((unsigned char)p[i + 2])) {
			char two[3] = {p[i + 1], p[i + 2], 0};

			c = (char)strtol(two, NULL, 16);
			i += 2;
		}
		if (at + 1 >= room)
			return false;
		dst[at++] = c;
	}
	dst[at] = 0;
	return true;
}

static const char *parse_login(struct redis_url *u, const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	size_t user_n = colon ? (size_t)(colon - p) : 0;
	const char *password = colon ? colon + 1 : p;

	if (!copy_decoded(u->user, sizeof(u->user), p, user_n) ||
	    !copy_decoded(u->password, sizeof(u->password), password, (size_t)(p + n - password)))
		return "the user or password is too long";
	return NULL;
}

static const char *parse_address(struct redis_url *u, const char *p, size_t n)
{
	const char *end = p + n, *host_end = memrchr(p, ':', n);
	const char *bracket = n && *p == '[' ? memchr(p, ']', n) : NULL;
	const char *port = "6379";
	size_t port_n = 4;

	if (bracket) {
		p++;
		host_end = bracket[1] == ':' && bracket + 1 < end ? bracket + 1 : NULL;
	}
	if (host_end) {
		port = host_end + 1;
		port_n = (size_t)(end - port);
	}
	if (bracket)
		host_end = bracket;
	else if (!host_end)
		host_end = end;
	if (host_end == p || !copy(u->host, sizeof(u->host), p, (size_t)(host_end - p)))
		return "the host is missing or too long";
	if (!port_n || !copy(u->port, sizeof(u->port), port, port_n) ||
	    strspn(u->port, "0123456789") != port_n || atoi(u->port) < 1 || atoi(u->port) > 65535)
		return "the port must be 1..65535";
	return NULL;
}

const char *redis_url_parse(struct redis_url *u, const char *url)
{
	const char *rest, *slash, *at, *broken = NULL;

	*u = (struct redis_url){0};
	if (!strncasecmp(url, "unix://", 7))
		return url[7] == '/' && copy(u->path, sizeof(u->path), url + 7, strlen(url + 7))
			       ? NULL
			       : "the socket's path must begin with / and have at most 107 bytes";
	if (strncasecmp(url, "redis://", 8))
		return "it must begin with redis:// or unix://";
	rest = url + 8;
	slash = strchrnul(rest, '/');
	if (*slash && slash[1] &&
	    (strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
	     !copy(u->db, sizeof(u->db), slash + 1, strlen(slash + 1))))
		return "the database must be a number";
	at = memrchr(rest, '@', (size_t)(slash - rest));
	if (at) {
		broken = parse_login(u, rest, (size_t)(at - rest));
		rest = at + 1;
	}
	return broken ? broken : parse_address(u, rest, (size_t)(slash - rest));
}
