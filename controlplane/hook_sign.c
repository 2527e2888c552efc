/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/hook_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

static void hex(char *dst, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(dst + 2 * i, 3, "%02x", bytes[i]);
}

const char *hook_domain(char *dst, const char *url)
{
	const char *host = strstr(url, "://"), *user;
	size_t n;

	host = host ? host + 3 : url;
	n = strcspn(host, "/?#");
	user = memrchr(host, '@', n);
	if (user) {
		n -= (size_t)(user + 1 - host);
		host = user + 1;
	}
	if (*host == '[') {
		host++;
		n = strcspn(host, "]");
	} else {
		n = min_of(n, strcspn(host, ":"));
	}
	snprintf(dst, 256, "%.*s", (int)min_of(n, 255u), host);
	return dst;
}

void hook_sign_domain(struct hook_signature *s, const char *domain, const char *body,
		      const char *key, uint64_t unix_s)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char *text;
	unsigned n = 0;
	int text_n;

	snprintf(s->timestamp, sizeof(s->timestamp), "%llu", (unsigned long long)unix_s);
	text_n = asprintf(&text, "%s|%s|%s", domain, s->timestamp, key);
	must(text_n > 0 && EVP_Digest(text, (size_t)text_n, digest, &n, EVP_md5(), NULL));
	hex(s->live, digest, n);
	free(text);
	text_n = asprintf(&text, "%s.%s", s->timestamp, body);
	must(text_n > 0 && HMAC(EVP_sha256(), key, (int)strlen(key), (unsigned char *)text,
				(size_t)text_n, digest, &n));
	snprintf(s->body, sizeof(s->body), "sha256=");
	hex(s->body + strlen(s->body), digest, n);
	free(text);
}

void hook_sign(struct hook_signature *s, const char *url, const char *body, const char *key,
	       uint64_t unix_s)
{
	char domain[256];

	hook_sign_domain(s, hook_domain(domain, url), body, key, unix_s);
}
