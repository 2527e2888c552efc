/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream names and URLs. The input is up to three lines: tcUrl, app and stream; the first two are
 * taken as Host and target, too, and the first one as URL and key. A name that was accepted obeys
 * the rules of stream_name.h, and normalising its key gives the same key.
 */
#include "base/check.h"
#include "fuzz/fuzz.h"
#include "media/url.h"

#define LINE_MAX_BYTES 4096

static void check_text(const char *text, bool levels)
{
	for (const char *part = text;; part++) {
		size_t n = strcspn(part, "/");

		must(n && !(n == 1 && part[0] == '.') && !(n == 2 && !memcmp(part, "..", 2)));
		for (size_t i = 0; i < n; i++)
			must((unsigned char)part[i] >= 0x20 && part[i] != 0x7f);
		part += n;
		if (!*part)
			break;
		must(levels);
	}
}

static void check_name(const struct stream_name *name)
{
	char key[STREAM_KEY_MAX], again[STREAM_KEY_MAX];
	struct stream_name other;
	const char *rule;

	check_text(name->domain, false);
	check_text(name->app, true);
	check_text(name->name, false);
	for (const char *c = name->params; *c; c++)
		must((unsigned char)*c >= 0x20 && *c != 0x7f);
	stream_key(key, name);
	must(!stream_name_key(&other, key, &rule));
	must(!strcmp(stream_key(again, &other), key));
	must(!strcmp(other.domain, name->domain) && !strcmp(other.app, name->app));
}

static void check_url(const char *text)
{
	char app[512], stream[2048], tc_url[1024];
	struct url u, back;
	const char *rule = NULL;

	if (url_parse(&u, text, &rule)) {
		must(rule != NULL);
		return;
	}
	must(u.host[0] && u.path[0] == '/');
	if (url_rtmp_split(&u, app, stream, tc_url, &rule))
		return;
	must(app[0] && stream[0]);
	must(!url_parse(&back, tc_url, &rule));
	must(!strcmp(back.host, u.host) && back.port == u.port && back.scheme == u.scheme);
}

/* The next line as a slice, and as text up to its first NUL. */
static struct slice take_line(const uint8_t **p, size_t *n, char *text)
{
	const uint8_t *end = *n ? memchr(*p, '\n', *n) : NULL;
	struct slice line = {*p, end ? (size_t)(end - *p) : *n};
	size_t len = min_of(line.n, (size_t)LINE_MAX_BYTES - 1);

	*n -= line.n + (end != NULL);
	*p += line.n + (end != NULL);
	memcpy(text, line.p, len);
	text[len] = '\0';
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[LINE_MAX_BYTES], ignored[LINE_MAX_BYTES], suffix[16];
	struct slice first = take_line(&data, &size, text);
	struct slice second = take_line(&data, &size, ignored);
	struct slice third = take_line(&data, &size, ignored);
	const char *field = NULL, *rule = NULL;
	struct stream_name name;

	if (!stream_name_rtmp(&name, first, second, third, &field, &rule))
		check_name(&name);
	else
		must(field && rule);
	if (!stream_name_http(&name, second, first, suffix, &field, &rule))
		check_name(&name);
	if (!stream_name_key(&name, text, &rule))
		check_name(&name);
	check_url(text);
	return 0;
}
