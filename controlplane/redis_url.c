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

static const char *parse_address(struct redis_host *h, const char *p, size_t n,
				 const char *default_port)
{
	const char *end = p + n, *host_end = memrchr(p, ':', n);
	const char *bracket = n && *p == '[' ? memchr(p, ']', n) : NULL;
	const char *port = default_port;
	size_t port_n = strlen(port);

	if (bracket) {
		p++;
		host_end = bracket + 1 < end && bracket[1] == ':' ? bracket + 1 : NULL;
	}
	if (host_end) {
		port = host_end + 1;
		port_n = (size_t)(end - port);
	}
	if (bracket)
		host_end = bracket;
	else if (!host_end)
		host_end = end;
	if (host_end == p || !copy(h->host, sizeof(h->host), p, (size_t)(host_end - p)))
		return "the host is missing or too long";
	if (!port_n || !copy(h->port, sizeof(h->port), port, port_n) ||
	    strspn(h->port, "0123456789") != port_n || atoi(h->port) < 1 || atoi(h->port) > 65535)
		return "the port must be 1..65535";
	return NULL;
}

/* Names with commas between. */
static const char *parse_sentinels(struct redis_url *u, const char *p, size_t n)
{
	const char *end = p + n, *comma, *broken;

	for (;; p = comma + 1) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (u->hosts_n == REDIS_HOSTS)
			return "there may be 8 Sentinels at most";
		broken = parse_address(&u->hosts[u->hosts_n++], p,
				       (size_t)((comma ? comma : end) - p), "26379");
		if (broken || !comma)
			return broken;
	}
}

/* "/db", of a Sentinel's "/master/db"; empty where it is not given. */
static const char *parse_db(struct redis_url *u, const char *slash)
{
	if (*slash && slash[1] &&
	    (strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
	     !copy(u->db, sizeof(u->db), slash + 1, strlen(slash + 1))))
		return "the database must be a number";
	return NULL;
}

static bool is_name(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-_.", *text))
			return false;
	return true;
}

static const char *parse_master(struct redis_url *u, const char *slash)
{
	const char *name = slash + (*slash == '/'), *end = strchrnul(name, '/');

	if (end == name || !copy(u->master, sizeof(u->master), name, (size_t)(end - name)) ||
	    !is_name(u->master))
		return "behind the Sentinels comes /, and the name of the master that they watch";
	return parse_db(u, end);
}

const char *redis_url_parse(struct redis_url *u, const char *url)
{
	const char *rest, *slash, *at, *broken;
	bool sentinel;

	*u = (struct redis_url){0};
	if (!strncasecmp(url, "unix://", 7))
		return url[7] == '/' && copy(u->path, sizeof(u->path), url + 7, strlen(url + 7))
			       ? NULL
			       : "the socket's path must begin with / and have at most 107 bytes";
	if (!strncasecmp(url, "rediss://", 9))
		return "Redis is not spoken to over TLS: use redis:// through stunnel or a VPN, "
		       "or unix://";
	sentinel = !strncasecmp(url, "redis+sentinel://", 17);
	if (!sentinel && strncasecmp(url, "redis://", 8))
		return "it must begin with redis://, redis+sentinel:// or unix://";
	rest = strstr(url, "://") + 3;
	slash = strchrnul(rest, '/');
	broken = sentinel ? parse_master(u, slash) : parse_db(u, slash);
	at = memrchr(rest, '@', (size_t)(slash - rest));
	if (at && !broken)
		broken = parse_login(u, rest, (size_t)(at - rest));
	if (at)
		rest = at + 1;
	if (broken)
		return broken;
	if (sentinel)
		return parse_sentinels(u, rest, (size_t)(slash - rest));
	u->hosts_n = 1;
	return parse_address(&u->hosts[0], rest, (size_t)(slash - rest), "6379");
}
