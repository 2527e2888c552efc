/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* MD5_*: the other interface allocates for each digest */
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <string.h>

static void hex(char *dst, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*dst++ = digits[p[i] >> 4];
		*dst++ = digits[p[i] & 15];
	}
	*dst = '\0';
}

char *digest_text(char dst[DIGEST_TEXT], const char *text)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)text, strlen(text), hash);
	hex(dst, hash, (DIGEST_TEXT - 1) / 2);
	return dst;
}

char *digest_md5(char dst[DIGEST_TEXT], const struct slice *pieces, size_t n)
{
	uint8_t hash[MD5_DIGEST_LENGTH];
	MD5_CTX md5;

	MD5_Init(&md5);
	for (size_t i = 0; i < n; i++)
		MD5_Update(&md5, pieces[i].p, pieces[i].n);
	MD5_Final(hash, &md5);
	hex(dst, hash, sizeof(hash));
	return dst;
}

bool digest_same(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	unsigned differ = 0;

	for (size_t i = 0; i < n; i++)
		differ |= (unsigned)(x[i] ^ y[i]);
	return !differ;
}
