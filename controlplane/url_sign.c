/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/url_sign.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/check.h"

static void md5_hex(char dst[33], const char *text)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	must(EVP_Digest(text, strlen(text), digest, &n, EVP_md5(), NULL) && n == 16);
	for (unsigned i = 0; i < n; i++)
		snprintf(dst + 2 * i, 3, "%02x", digest[i]);
}

/* The hash of a path with the first three parts of an auth_key ("time-rand-uid"). */
static void hash_of(char dst[33], const char *path, size_t path_n, const char *head, size_t head_n,
		    const char *key)
{
	char *text;

	must(asprintf(&text, "%.*s-%.*s-%s", (int)path_n, path, (int)head_n, head, key) > 0);
	md5_hex(dst, text);
	free(text);
}

char *url_auth_key(char dst[URL_AUTH_TEXT], const char *path, int64_t timestamp_s, const char *rand,
		   const char *key)
{
	char head[80], hash[33];

	snprintf(head, sizeof(head), "%lld-%.40s-0", (long long)timestamp_s, rand);
	hash_of(hash, path, strlen(path), head, strlen(head), key);
	snprintf(dst, URL_AUTH_TEXT, "%s-%s", head, hash);
	return dst;
}

/* The value of auth_key in a query; NULL: it has none. */
static const char *find_auth(const char *query, size_t *n)
{
	for (const char *p = query; *p; p += strspn(p, "&")) {
		size_t len = strcspn(p, "&#");

		if (!strncmp(p, "auth_key=", 9)) {
			*n = len - 9;
			return p + 9;
		}
		p += len;
		if (*p == '#')
			break;
	}
	return NULL;
}

const char *url_auth_check(const char *url, const char *const keys[2], int64_t window_s,
			   int64_t now_s)
{
	const char *path = strstr(url, "://"), *auth, *dash[3] = {0};
	size_t path_n, n = 0;
	bool right = false;
	int64_t when = 0;

	path = path ? path + 3 : url;
	path += strcspn(path, "/?");
	path_n = strcspn(path, "?#");
	auth = path[path_n] == '?' ? find_auth(path + path_n + 1, &n) : NULL;
	if (!auth || n > 160)
		return "INVALID AUTH_KEY";
	for (int i = 0; i < 3; i++) {
		const char *from = i ? dash[i - 1] + 1 : auth;

		dash[i] = memchr(from, '-', (size_t)(auth + n - from));
		if (!dash[i])
			return "INVALID AUTH_KEY";
	}
	if ((size_t)(auth + n - dash[2]) != 33)
		return "INVALID AUTH_KEY";
	for (const char *p = auth; p < dash[0]; p++) {
		if (!isdigit((unsigned char)*p) || p - auth > 11)
			return "INVALID TIMESTAMP";
		when = when * 10 + *p - '0';
	}
	if (dash[0] == auth || now_s > when + window_s)
		return "INVALID TIMESTAMP";
	for (int i = 0; i < 2; i++) {
		char hash[33];

		if (!*keys[i])
			continue;
		hash_of(hash, path, path_n, auth, (size_t)(dash[2] - auth), keys[i]);
		right |= !CRYPTO_memcmp(hash, dash[2] + 1, 32);
	}
	return right ? NULL : "INVALID MD5HASH";
}
