/* SPDX-License-Identifier: Apache-2.0 */
#include "session/admission.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "session/country.h"

#define PATH_MAX_BYTES 512 /* of a path as it may have been signed */

/* ---- addresses, countries and referers ---- */

static bool ranges_hold(const struct domain_ranges *r, const struct ip *ip)
{
	for (unsigned i = 0; i < r->n; i++)
		if (cidr_holds(&r->range[i], ip))
			return true;
	return false;
}

static bool ips_allow(const struct domain_ips *ips, const struct ip *ip)
{
	if (ranges_hold(&ips->deny, ip))
		return false;
	return !ips->allow.n || ranges_hold(&ips->allow, ip);
}

static bool address_allowed(const struct domain *d, const struct ip *from, enum auth_kind kind)
{
	return ips_allow(kind == AUTH_PUBLISH && d->ip_publish.given ? &d->ip_publish : &d->ip,
			 from);
}

/* An address without a country, as private ones are, is in no list. */
static bool country_allowed(const struct domain *d, const struct ip *from)
{
	unsigned place;

	if (!d->countries.allow_n && !d->countries.deny_n)
		return true;
	if (!country_find(from, &place))
		return !d->countries.allow_n;
	if (country_set_has(&d->countries.deny, place))
		return false;
	return !d->countries.allow_n || country_set_has(&d->countries.allow, place);
}

/* "http://user@Host:80/page" gives "Host". */
static struct slice host_of(struct slice url)
{
	const uint8_t *mark = memmem(url.p, url.n, "://", 3), *end, *at;
	size_t n;

	if (mark)
		url = (struct slice){mark + 3, url.n - (size_t)(mark + 3 - url.p)};
	for (n = 0; n < url.n && !strchr("/?#", url.p[n]);)
		n++;
	at = memrchr(url.p, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - url.p);
		url.p = at + 1;
	}
	end = memchr(url.p, ':', n);
	return (struct slice){url.p, end ? (size_t)(end - url.p) : n};
}

static bool host_matches(const char *pattern, struct slice host)
{
	size_t n;

	if (!strcmp(pattern, "*"))
		return true;
	if (pattern[0] != '*') {
		n = strlen(pattern);
		return host.n == n && !strncasecmp((const char *)host.p, pattern, n);
	}
	n = strlen(++pattern); /* ".example.com" */
	return host.n > n && !strncasecmp((const char *)host.p + host.n - n, pattern, n);
}

/* Whoever links to the stream: a browser says so by HTTP, nobody does by RTMP. */
static bool referer_allowed(const struct domain *d, const struct auth_request *q)
{
	struct slice host;
	bool listed = false;

	if (d->referer == DOMAIN_REFERER_OFF || !q->suffix)
		return true;
	if (!q->referer.n)
		return d->referer_empty;
	host = host_of(q->referer);
	for (unsigned i = 0; i < d->referers_n && !listed; i++)
		listed = host_matches(d->referers[i], host);
	return listed == (d->referer == DOMAIN_REFERER_ALLOW);
}

/* ---- signatures ---- */

/* What signers percent-encode: all but letters, digits and "-._~/". */
static void encode(char dst[PATH_MAX_BYTES], const char *plain)
{
	char *end = dst + PATH_MAX_BYTES - 4;

	for (; *plain && dst < end; plain++) {
		uint8_t c = (uint8_t)*plain;

		if (isalnum(c) || strchr("-._~/", c))
			*dst++ = (char)c;
		else
			dst += sprintf(dst, "%%%02X", c);
	}
	*dst = '\0';
}

/* The path as the client wrote it, without the signature that may stand before it. */
static struct slice path_written(const struct auth_request *q)
{
	size_t n = strlen(q->prefix);
	struct slice path = q->path;

	if (n && path.n > n + 2 && path.p[n + 1] == '/' && !memcmp(path.p + 1, q->prefix, n))
		path = (struct slice){path.p + n + 1, path.n - n - 1};
	return path;
}

/* The paths of a request that may have been signed: as it was written, plain, encoded, the master's. */
struct signed_paths {
	char text[SIGN_PATHS_MAX][PATH_MAX_BYTES];
	const char *path[SIGN_PATHS_MAX];
};

static void paths_of(struct signed_paths *out, const struct auth_request *q)
{
	const struct stream_name *name = q->name;
	const char *suffix = q->suffix ? q->suffix : "";
	struct slice written = path_written(q);
	int n = snprintf(out->text[0], PATH_MAX_BYTES, "/%s/%s%s%s", name->app, name->name,
			 *suffix ? "." : "", suffix);

	memset(out->path, 0, sizeof(out->path));
	must(n > 0 && n < PATH_MAX_BYTES);
	out->path[0] = out->text[0];
	encode(out->text[1], out->text[0]);
	if (strcmp(out->text[0], out->text[1]) != 0)
		out->path[1] = out->text[1];
	if (written.n && written.n < PATH_MAX_BYTES) {
		memcpy(out->text[2], written.p, written.n);
		out->text[2][written.n] = '\0';
		if (strcmp(out->text[0], out->text[2]) != 0)
			out->path[2] = out->text[2];
	}
	if (strcmp(suffix, "m3u8") != 0)
		return;
	snprintf(out->text[3], PATH_MAX_BYTES, "/%s/%s/master.m3u8", name->app, name->name);
	out->path[3] = out->text[3];
}

static enum reason check_signature(const struct domain *d, const struct auth_request *q,
				   struct admitted *out)
{
	bool wanted = q->kind == AUTH_PUBLISH ? d->sign_publish : d->sign_play;
	struct signed_paths paths;
	const struct sign_request request = {paths.path, SIGN_PATHS_MAX, q->prefix,
					     q->name->params};
	struct sign_good good;

	if (!wanted || d->sign.type == SIGN_NONE)
		return REASON_NONE;
	paths_of(&paths, q);
	switch (sign_check(&d->sign, &request, clock_wall_ms() / 1000, &good)) {
	case SIGN_OK:
		out->key_mark = d->key_mark[good.key];
		if (d->sign_cut)
			out->until_s = (uint32_t)min_of(good.until_s, (uint64_t)UINT32_MAX);
		return REASON_NONE;
	case SIGN_EXPIRED:
		return REASON_AUTH_EXPIRED;
	case SIGN_MISMATCH:
		return REASON_AUTH_MISMATCH;
	case SIGN_MISSING:
	case SIGN_MALFORMED:
		break;
	}
	return REASON_AUTH_MISSING;
}

enum reason admission(const struct domain *d, const struct auth_request *q, const struct ip *from,
		      struct admitted *out)
{
	*out = (struct admitted){0};
	if (!address_allowed(d, from, q->kind))
		return REASON_IP_DENIED;
	if (!country_allowed(d, from))
		return REASON_COUNTRY_DENIED;
	if (!referer_allowed(d, q))
		return REASON_REFERER_DENIED;
	return check_signature(d, q, out);
}
