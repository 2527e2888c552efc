/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/url_encode.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_plain(unsigned char c, const char *plain)
{
	return (isascii(c) && isalnum(c)) || strchr("-_.~", c) || strchr(plain, c);
}

void url_encode(FILE *to, const char *text, const char *plain)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_plain(c, plain))
			fputc(c, to);
		else
			fprintf(to, "%%%02X", c);
	}
}

char *url_encode_path(char *dst, size_t n, const char *path)
{
	size_t at = 0;

	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (at + 4 > n)
			return NULL;
		if (is_plain(c, "/"))
			dst[at++] = (char)c;
		else
			at += (size_t)snprintf(dst + at, 4, "%%%02X", c);
	}
	dst[at] = 0;
	return dst;
}
