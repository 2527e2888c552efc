/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"

bool time_parse(const char *text, int64_t *unix_s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	char back[TIME_TEXT];
	struct tm tm = {0};

	for (size_t i = 0; i < sizeof(form); i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	if (sscanf(text, "%d-%d-%dT%d:%d:%dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6 ||
	    tm.tm_year < 2000)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*unix_s = timegm(&tm);
	/* The 31st of February would have become a day in March. */
	return !strcmp(time_text(back, *unix_s), text);
}

const char *time_text(char dst[TIME_TEXT], int64_t unix_s)
{
	time_t t = unix_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(dst, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm))
		dst[0] = 0;
	return dst;
}

bool rule_is_word(const char *text)
{
	const char *p = text;

	while (isalnum((unsigned char)*p) || *p == '-' || *p == '_' || *p == '.')
		p++;
	return p > text && !*p;
}

const char *rule_domain(const char *text)
{
	size_t n = strlen(text), label = 0;

	if (n < 1 || n > 128)
		return "must have 1 to 128 bytes";
	for (size_t i = 0; i <= n; i++) {
		char c = text[i];

		if (c == '.' || !c) {
			if (!label || label > 63 || text[i - 1] == '-')
				return "must be a host name: labels of letters, digits and '-' with dots "
				       "between";
			label = 0;
		} else if (!islower((unsigned char)c) && !isdigit((unsigned char)c) &&
			   (c != '-' || !label)) {
			return "must be a host name in lower case: letters, digits, '-' and '.'";
		} else {
			label++;
		}
	}
	return strchr(text, '.') ? NULL : "must have a dot: host.example.com";
}

bool rule_is_name(const char *text)
{
	for (const char *p = text;; p++) {
		size_t n = strcspn(p, "/");

		if (!n || (n == 1 && *p == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)p[i] <= 0x20 || strchr("?#%&*\\\"\x7f", p[i]))
				return false;
		p += n;
		if (!*p)
			return true;
	}
}

bool rule_is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

bool rule_is_int(const char *text, int64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)text[text[0] == '-']))
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return !errno && !*end;
}

static const struct {
	unsigned bit;
	const char *prefix;
} schemes_known[] = {
	{RULE_RTMP, "rtmp://"},	  {RULE_RTMPS, "rtmps://"}, {RULE_HTTP, "http://"},
	{RULE_HTTPS, "https://"}, {RULE_SRT, "srt://"},	    {RULE_RTSP, "rtsp://"},
};

static const char *wanted_scheme(unsigned schemes)
{
	switch (schemes) {
	case RULE_RTMP | RULE_RTMPS:
		return "must begin with rtmp:// or rtmps://";
	case RULE_HTTP:
		return "must begin with http://";
	case RULE_SRT:
		return "must begin with srt://";
	case RULE_RTSP:
		return "must begin with rtsp://";
	default:
		return "must begin with http:// or https://";
	}
}

/* What follows the host: nothing, or a port within 1..65535. */
static bool port_ok(const char *p, size_t n)
{
	int64_t port = 0;

	if (!n)
		return true;
	if (p[0] != ':' || n < 2 || n > 6)
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!isdigit((unsigned char)p[i]))
			return false;
		port = port * 10 + p[i] - '0';
	}
	return port >= 1 && port <= 65535;
}

static const char *rule_authority(const char *p, size_t n)
{
	const char *at = memrchr(p, '@', n);
	const char *host_end;

	if (at) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	if (n && *p == '[') {
		host_end = memchr(p, ']', n);
		if (!host_end || host_end == p + 1)
			return "has a bad IPv6 address";
		host_end++;
	} else {
		host_end = memchr(p, ':', n);
		if (!host_end)
			host_end = p + n;
		if (host_end == p)
			return "must name a host";
	}
	if (host_end - p > 255)
		return "has a host name longer than 255 bytes";
	return port_ok(host_end, (size_t)(p + n - host_end)) ? NULL : "has a port outside 1..65535";
}

const char *rule_url(const char *text, unsigned schemes)
{
	const char *rest = NULL;

	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return "must not contain blanks or control characters";
	for (size_t i = 0; i < array_len(schemes_known); i++) {
		size_t n = strlen(schemes_known[i].prefix);

		if ((schemes & schemes_known[i].bit) &&
		    !strncasecmp(text, schemes_known[i].prefix, n))
			rest = text + n;
	}
	if (!rest)
		return wanted_scheme(schemes);
	return rule_authority(rest, strcspn(rest, "/?#"));
}

const char *rule_rtmp(const char *text)
{
	const char *broken = rule_url(text, RULE_RTMP | RULE_RTMPS);
	const char *host, *app, *slash;

	if (broken)
		return broken;
	host = strstr(text, "://") + 3;
	app = host + strcspn(host, "/?#");
	if (memchr(host, '@', (size_t)(app - host)))
		return "must not have user and password: RTMP has no common way to send them; put "
		       "what the server wants into the path or the query";
	while (*app == '/')
		app++;
	slash = strchr(app, '/');
	if (!*app || !slash || !slash[1])
		return "must have the form rtmp[s]://host[:port]/application/stream";
	return NULL;
}

const char *rule_srt(const char *url)
{
	const char *query = strchr(url, '?');
	const char *mode = query ? strstr(query, "mode=") : NULL;

	if (mode && (mode[-1] == '?' || mode[-1] == '&') && strncmp(mode, "mode=caller", 11))
		return "must not ask for an SRT mode other than caller";
	return NULL;
}

const char *rule_destination(const char *text)
{
	const char *broken;

	if (strncasecmp(text, "srt://", 6))
		return rule_rtmp(text);
	broken = rule_url(text, RULE_SRT);
	return broken ? broken : rule_srt(text);
}

/* Where an RTMP URL leads. */
struct place {
	const char *host, *path;
	size_t host_n, path_n;
	long port;
};

static struct place place_of(const char *url)
{
	bool tls = !strncasecmp(url, "rtmps", 5);
	struct place p = {.host = strstr(url, "://") + 3};
	size_t n = strcspn(p.host, "/?#");
	const char *port = memrchr(p.host, ':', n);

	p.path = p.host + n;
	p.path_n = strcspn(p.path, "?");
	if (port && !memchr(port, ']', (size_t)(p.path - port))) {
		p.host_n = (size_t)(port - p.host);
		p.port = strtol(port + 1, NULL, 10);
	} else {
		p.host_n = n;
		p.port = tls ? 443 : 1935;
	}
	return p;
}

bool rule_same_stream(const char *one, const char *other)
{
	struct place a = place_of(one), b = place_of(other);

	return a.port == b.port && a.host_n == b.host_n && a.path_n == b.path_n &&
	       !strncasecmp(a.host, b.host, a.host_n) && !memcmp(a.path, b.path, a.path_n);
}
