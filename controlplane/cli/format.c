/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const char *scaled(char dst[FORMAT_TEXT], double v, const char *unit)
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
	size_t i = 0;

	/* 999.96 would be written 1000.0, so the step comes a little early. */
	for (; v >= 999.95 && i + 1 < array_len(prefixes); i++)
		v /= 1000;
	snprintf(dst, FORMAT_TEXT, i ? "%.1f %s%s" : "%.0f %s%s", v, prefixes[i], unit);
	return dst;
}

const char *format_rate(char dst[FORMAT_TEXT], double bits_per_s)
{
	return scaled(dst, bits_per_s, "b/s");
}

const char *format_bytes(char dst[FORMAT_TEXT], double bytes)
{
	return scaled(dst, bytes, "B");
}

const char *format_span(char dst[FORMAT_TEXT], int64_t s)
{
	if (s < 0)
		s = 0;
	if (s < 60)
		snprintf(dst, FORMAT_TEXT, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(dst, FORMAT_TEXT, "%" PRId64 "m%02ds", s / 60, (int)(s % 60));
	else if (s < 86400)
		snprintf(dst, FORMAT_TEXT, "%" PRId64 "h%02dm", s / 3600, (int)(s / 60 % 60));
	else
		snprintf(dst, FORMAT_TEXT, "%" PRId64 "d%02dh", s / 86400, (int)(s / 3600 % 24));
	return dst;
}

const char *format_safe(char *dst, size_t n, const char *text)
{
	size_t out = 0;

	must(n > 0);
	for (; *text && out + 1 < n; text++) {
		unsigned char c = (unsigned char)*text;

		/* C0, DEL, and C1 in its UTF-8 form (0xc2 0x80..0x9f). */
		if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] <= 0x9f) {
			c = '?';
			text++;
		} else if (c < ' ' || c == 0x7f) {
			c = '?';
		}
		dst[out++] = (char)c;
	}
	dst[out] = '\0';
	return dst;
}

unsigned format_columns(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}
