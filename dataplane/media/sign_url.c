/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sign_url.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/digest.h"
#include "media/url.h"

#define HASH_CHARS 32
#define TIME_MAX   11 /* digits: until the year 5138 */
#define PART_MAX   64 /* of rand and uid: a UUID fits */

/* The parts of an auth_key. */
struct parts {
	uint64_t time_s;
	size_t signed_n; /* of "TIME-RAND-UID" */
	const char *hash;
};

/* One of rand and uid: neither '-' nor anything else that would shift the parts. */
static const char *part_end(const char *p)
{
	size_t n = strspn(p, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return n && n <= PART_MAX && p[n] == '-' ? p + n : NULL;
}

static bool split(struct parts *out, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *rand_end, *uid_end;

	if (!digits || digits > TIME_MAX || text[digits] != '-')
		return false;
	out->time_s = 0;
	for (size_t i = 0; i < digits; i++)
		out->time_s = 10 * out->time_s + (uint64_t)(text[i] - '0');
	rand_end = part_end(text + digits + 1);
	uid_end = rand_end ? part_end(rand_end + 1) : NULL;
	if (!uid_end)
		return false;
	out->signed_n = (size_t)(uid_end - text);
	out->hash = uid_end + 1;
	return strlen(out->hash) == HASH_CHARS &&
	       strspn(out->hash, "0123456789abcdef") == HASH_CHARS;
}

static void hash_of(char dst[DIGEST_TEXT], const char *path, const char *signed_part, size_t n,
		    const char *key)
{
	const struct slice all[] = {
		{(const uint8_t *)path, strlen(path)}, {(const uint8_t *)"-", 1},
		{(const uint8_t *)signed_part, n},     {(const uint8_t *)"-", 1},
		{(const uint8_t *)key, strlen(key)},
	};

	digest_md5(dst, all, array_len(all));
}

static bool is_signed(const struct sign_rule *r, const char *path, const char *text,
		      const struct parts *p)
{
	bool good = false;

	for (unsigned i = 0; i < array_len(r->key); i++) {
		char hash[DIGEST_TEXT];

		if (!r->key[i][0])
			continue;
		hash_of(hash, path, text, p->signed_n, r->key[i]);
		good |= digest_same(hash, p->hash, HASH_CHARS);
	}
	return good;
}

enum sign_result sign_check(const struct sign_rule *r, const char *const *paths, unsigned n,
			    const char *params, uint64_t now_s, uint64_t *until_s)
{
	char text[SIGN_TEXT_MAX + 1];
	struct parts p;
	bool good = false;

	*until_s = UINT64_MAX;
	if (r->type == SIGN_NONE)
		return SIGN_OK;
	if (!params_get(params, "auth_key", text, sizeof(text)) || !text[0])
		return SIGN_MISSING;
	if (!split(&p, text))
		return SIGN_MALFORMED;
	*until_s = p.time_s + r->window_s;
	if (*until_s < now_s)
		return SIGN_EXPIRED;
	for (unsigned i = 0; i < n; i++)
		if (paths[i])
			good |= is_signed(r, paths[i], text, &p);
	return good ? SIGN_OK : SIGN_MISMATCH;
}

const char *sign_diagnosis(enum sign_result result)
{
	switch (result) {
	case SIGN_OK:
		break;
	case SIGN_MISSING:
	case SIGN_MALFORMED:
		return "INVALID AUTH_KEY";
	case SIGN_EXPIRED:
		return "INVALID TIMESTAMP";
	case SIGN_MISMATCH:
		return "INVALID MD5HASH";
	}
	return "";
}

char *sign_make(char *dst, const char *key, const char *path, uint64_t time_s, const char *rand,
		const char *uid)
{
	char signed_part[SIGN_TEXT_MAX], hash[DIGEST_TEXT];
	int n = snprintf(signed_part, sizeof(signed_part), "%llu-%.32s-%.32s",
			 (unsigned long long)time_s, rand, uid);

	hash_of(hash, path, signed_part, (size_t)n, key);
	snprintf(dst, SIGN_TEXT_MAX, "%.120s-%s", signed_part, hash);
	return dst;
}
