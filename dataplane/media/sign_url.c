/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sign_url.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "media/url.h"

#define PART_MAX 64 /* of rand and uid: a UUID fits */

/* A signature, taken apart. */
struct parts {
	uint64_t time_s;
	struct slice stamp; /* what is signed with the path */
	const char *hash;
};

static struct slice text_of(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* One of rand and uid: neither '-' nor anything else that would shift the parts. */
static const char *part_end(const char *p)
{
	size_t n = strspn(p, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return n && n <= PART_MAX && p[n] == '-' ? p + n : NULL;
}

static bool is_hash(const char *text)
{
	return strspn(text, "0123456789abcdef") == SIGN_HASH_CHARS;
}

/* ---- where it stands ---- */

static bool split_a(struct parts *out, const char *text)
{
	size_t digits = strcspn(text, "-");
	const char *rand_end, *uid_end;

	if (!text[digits] ||
	    !sign_time(&out->time_s, SIGN_A, (struct slice){(const uint8_t *)text, digits}))
		return false;
	rand_end = part_end(text + digits + 1);
	uid_end = rand_end ? part_end(rand_end + 1) : NULL;
	if (!uid_end)
		return false;
	out->stamp = (struct slice){(const uint8_t *)text, (size_t)(uid_end - text)};
	out->hash = uid_end + 1;
	return is_hash(out->hash) && !out->hash[SIGN_HASH_CHARS];
}

/* "TIME/HASH" or "HASH/TIME", with nothing or '/' behind it; how long it is, 0: it is neither. */
static size_t split_prefix(struct parts *out, enum sign_type type, const char *text)
{
	size_t first = strcspn(text, "/"), second;
	const char *time = text, *rest = text + first + 1;

	if (!text[first])
		return 0;
	second = strcspn(rest, "/");
	out->hash = rest;
	out->stamp = (struct slice){(const uint8_t *)time, first};
	if (type == SIGN_C) {
		out->hash = text;
		out->stamp = (struct slice){(const uint8_t *)rest, second};
	}
	if ((type == SIGN_C ? first : second) != SIGN_HASH_CHARS || !is_hash(out->hash) ||
	    !sign_time(&out->time_s, type, out->stamp))
		return 0;
	return first + 1 + second;
}

void sign_take_prefix(enum sign_type type, char *app, char prefix[SIGN_PREFIX_MAX])
{
	struct parts p;
	size_t n = type == SIGN_B || type == SIGN_C ? split_prefix(&p, type, app) : 0;

	prefix[0] = '\0';
	if (!n || n >= SIGN_PREFIX_MAX || !app[n])
		return;
	memcpy(prefix, app, n);
	prefix[n] = '\0';
	memmove(app, app + n + 1, strlen(app + n + 1) + 1);
}

/* The signature of a request; its text is in `room`, or its own. */
static enum sign_result find(struct parts *out, enum sign_type type, const struct sign_request *q,
			     char room[SIGN_TEXT_MAX + 1])
{
	if (*q->prefix)
		return split_prefix(out, type, q->prefix) ? SIGN_OK : SIGN_MALFORMED;
	if (type == SIGN_A) {
		if (!params_get(q->params, "auth_key", room, SIGN_TEXT_MAX + 1) || !room[0])
			return SIGN_MISSING;
		return split_a(out, room) ? SIGN_OK : SIGN_MALFORMED;
	}
	if (type == SIGN_B || !params_get(q->params, "KEY1", room, SIGN_HASH_CHARS + 2) ||
	    !params_get(q->params, "KEY2", room + SIGN_PREFIX_MAX, SIGN_TIME_TEXT))
		return SIGN_MISSING;
	out->hash = room;
	out->stamp = text_of(room + SIGN_PREFIX_MAX);
	if (!is_hash(room) || room[SIGN_HASH_CHARS] || !sign_time(&out->time_s, type, out->stamp))
		return SIGN_MALFORMED;
	return SIGN_OK;
}

/* ---- whether it is right ---- */

static bool is_signed(const struct sign_rule *r, const char *path, const struct parts *p,
		      unsigned *key)
{
	bool good = false;

	for (unsigned i = 0; i < array_len(r->key); i++) {
		char hash[DIGEST_TEXT];

		if (!r->key[i][0])
			continue;
		sign_hash(hash, (enum sign_type)r->type, text_of(path), p->stamp, r->key[i]);
		if (!digest_same(hash, p->hash, SIGN_HASH_CHARS))
			continue;
		good = true;
		*key = i;
	}
	return good;
}

enum sign_result sign_check(const struct sign_rule *r, const struct sign_request *q, uint64_t now_s,
			    struct sign_good *good)
{
	char room[SIGN_TEXT_MAX + 1];
	enum sign_result result;
	bool right = false;
	struct parts p;

	*good = (struct sign_good){.until_s = UINT64_MAX};
	if (r->type == SIGN_NONE)
		return SIGN_OK;
	result = find(&p, (enum sign_type)r->type, q, room);
	if (result != SIGN_OK)
		return result;
	good->until_s = p.time_s + r->window_s;
	if (good->until_s < now_s)
		return SIGN_EXPIRED;
	for (unsigned i = 0; i < q->paths_n; i++)
		if (q->paths[i])
			right |= is_signed(r, q->paths[i], &p, &good->key);
	return right ? SIGN_OK : SIGN_MISMATCH;
}

char *sign_make(char *dst, const char *key, const char *path, uint64_t time_s, const char *rand,
		const char *uid)
{
	char stamp[SIGN_TEXT_MAX], hash[DIGEST_TEXT];

	snprintf(stamp, sizeof(stamp), "%llu-%.32s-%.32s", (unsigned long long)time_s, rand, uid);
	sign_hash(hash, SIGN_A, text_of(path), text_of(stamp), key);
	snprintf(dst, SIGN_TEXT_MAX, "%.120s-%s", stamp, hash);
	return dst;
}
