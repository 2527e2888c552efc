/* SPDX-License-Identifier: Apache-2.0 */
#include "media/http_basic.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define WORD "Basic "

/* Longest "user:password" and what base64 makes of it. */
#define PLAIN_MAX sizeof(((struct url *)0)->userinfo)
static_assert(sizeof(WORD) + (PLAIN_MAX + 2) / 3 * 4 <= HTTP_BASIC_MAX, "the longest one fits");

int http_basic(char dst[HTTP_BASIC_MAX], const struct url *u)
{
	const char *colon = strchr(u->userinfo, ':');
	struct slice user = {(const uint8_t *)u->userinfo, strlen(u->userinfo)};
	char plain[PLAIN_MAX + 1];
	int n, password = 0;

	if (colon)
		user.n = (size_t)(colon - u->userinfo);
	/* Decoded apart: an escaped colon belongs to the password. */
	n = percent_decode(plain, sizeof(plain) - 1, user);
	if (n < 0 || memchr(plain, ':', (size_t)n))
		return -EINVAL;
	plain[n++] = ':';
	if (colon)
		password = percent_decode(
			plain + n, sizeof(plain) - (size_t)n,
			(struct slice){(const uint8_t *)colon + 1, strlen(colon + 1)});
	if (password < 0)
		return -EINVAL;
	memcpy(dst, WORD, sizeof(WORD));
	EVP_EncodeBlock((uint8_t *)dst + strlen(WORD), (const uint8_t *)plain, n + password);
	return 0;
}
