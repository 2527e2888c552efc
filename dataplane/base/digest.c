/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

char *digest_text(char dst[DIGEST_TEXT], const char *text)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)text, strlen(text), hash);
	for (unsigned i = 0; i < (DIGEST_TEXT - 1) / 2; i++)
		snprintf(dst + i * 2, 3, "%02x", hash[i]);
	return dst;
}
