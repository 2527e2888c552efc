/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/url_sign.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct slice text_of(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* ---- made ---- */

void url_sign(struct url_signature *out, const struct url_signer *s, const char *path)
{
	char time[SIGN_TIME_TEXT], stamp[URL_AUTH_TEXT / 2 + SIGN_TIME_TEXT], hash[DIGEST_TEXT];

	*out = (struct url_signature){"", ""};
	if (s->type == SIGN_NONE)
		return;
	sign_time_text(time, s->type, (uint64_t)s->timestamp_s);
	if (s->type == SIGN_A)
		snprintf(stamp, sizeof(stamp), "%s-%.40s-0", time, s->rand);
	else
		snprintf(stamp, sizeof(stamp), "%s", time);
	sign_hash(hash, s->type, text_of(path), text_of(stamp), s->key);
	if (s->type == SIGN_A)
		snprintf(out->query, sizeof(out->query), "auth_key=%.70s-%s", stamp, hash);
	else if (s->type == SIGN_B)
		snprintf(out->before, sizeof(out->before), "/%s/%s", time, hash);
	else
		snprintf(out->query, sizeof(out->query), "KEY1=%s&KEY2=%s", hash, time);
}

/* ---- checked ---- */

/* A URL taken apart: what was signed, by what, and the hash that says so. */
struct parts {
	struct slice path, stamp, time, hash;
};

/* The value of a parameter; n = 0: it has none. */
static struct slice param_of(struct slice query, const char *name)
{
	size_t len = strlen(name);

	while (query.n) {
		const uint8_t *end = memchr(query.p, '&', query.n);
		size_t n = end ? (size_t)(end - query.p) : query.n;

		if (n > len && !memcmp(query.p, name, len) && query.p[len] == '=')
			return (struct slice){query.p + len + 1, n - len - 1};
		n += end != NULL;
		query = (struct slice){query.p + n, query.n - n};
	}
	return (struct slice){query.p, 0};
}

/* Cuts what stands before the first `c` off s; n = 0 and s as it was: there is no c. */
static struct slice cut(struct slice *s, char c)
{
	const uint8_t *at = memchr(s->p, c, s->n);
	struct slice head = {s->p, at ? (size_t)(at - s->p) : 0};

	if (at)
		*s = (struct slice){at + 1, s->n - head.n - 1};
	return head;
}

/* "TIME-RAND-UID-HASH" */
static bool find_a(struct parts *out, struct slice query)
{
	struct slice all = param_of(query, "auth_key"), rest = all;

	if (all.n > 160)
		return false;
	out->time = cut(&rest, '-');
	if (!cut(&rest, '-').n || !cut(&rest, '-').n)
		return false;
	out->hash = rest;
	out->stamp = (struct slice){all.p, all.n - rest.n - 1};
	return true;
}

/* "/TIME/HASH/..", or for type c "/HASH/TIME/.."; the path is what follows. */
static bool find_before(struct parts *out, enum sign_type type, struct slice path)
{
	struct slice rest = {path.p + 1, path.n ? path.n - 1 : 0}, first, second;

	first = cut(&rest, '/');
	second = cut(&rest, '/');
	if (!second.n)
		return false;
	out->hash = type == SIGN_C ? first : second;
	out->stamp = out->time = type == SIGN_C ? second : first;
	out->path = (struct slice){rest.p - 1, rest.n + 1};
	return out->hash.n == SIGN_HASH_CHARS;
}

static bool find(struct parts *out, enum sign_type type, const char *url)
{
	const char *path = strstr(url, "://");
	struct slice query;
	size_t n;

	path = path ? path + 3 : url;
	path += strcspn(path, "/?#");
	n = strcspn(path, "?#");
	query = (struct slice){(const uint8_t *)path + n, 0};
	if (path[n] == '?')
		query = (struct slice){query.p + 1, strcspn(path + n + 1, "#")};
	out->path = (struct slice){(const uint8_t *)path, n};
	if (type == SIGN_A)
		return find_a(out, query);
	if (find_before(out, type, out->path))
		return true;
	out->hash = param_of(query, "KEY1");
	out->stamp = out->time = param_of(query, "KEY2");
	return type == SIGN_C && out->hash.n && out->time.n;
}

const char *url_auth_check(const char *url, enum sign_type type, const char *const keys[2],
			   int64_t window_s, int64_t now_s)
{
	uint64_t when_s;
	struct parts p;
	bool right = false;

	if (!find(&p, type, url) || p.hash.n != SIGN_HASH_CHARS)
		return "INVALID AUTH_KEY";
	if (!sign_time(&when_s, type, p.time) || now_s > (int64_t)when_s + window_s)
		return "INVALID TIMESTAMP";
	for (int i = 0; i < 2; i++) {
		char hash[DIGEST_TEXT];

		if (!*keys[i])
			continue;
		sign_hash(hash, type, p.path, p.stamp, keys[i]);
		right |= digest_same(hash, p.hash.p, SIGN_HASH_CHARS);
	}
	return right ? NULL : "INVALID MD5HASH";
}
