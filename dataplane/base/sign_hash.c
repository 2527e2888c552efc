/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sign_hash.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

#define DIGITS_MAX 11 /* of a time: until the year 5138 in decimal */
#define ZONE_S	   (8 * 3600)
#define B_CHARS	   12

enum sign_type sign_type_of(const char *word)
{
	if (strncmp(word, "type_", 5) != 0 || !word[5] || word[6])
		return SIGN_NONE;
	switch (word[5]) {
	case 'a':
		return SIGN_A;
	case 'b':
		return SIGN_B;
	case 'c':
		return SIGN_C;
	default:
		return SIGN_NONE;
	}
}

char *sign_hash(char dst[DIGEST_TEXT], enum sign_type type, struct slice path, struct slice stamp,
		const char *key)
{
	const struct slice dash = {(const uint8_t *)"-", 1};
	const struct slice secret = {(const uint8_t *)key, strlen(key)};
	const struct slice a[] = {path, dash, stamp, dash, secret};
	const struct slice b[] = {secret, stamp, path};
	const struct slice c[] = {secret, path, stamp};

	if (type == SIGN_A)
		return digest_md5(dst, a, array_len(a));
	return type == SIGN_B ? digest_md5(dst, b, array_len(b)) : digest_md5(dst, c, array_len(c));
}

/* A digit's value; -1: it is none of that base. */
static int digit_of(uint8_t c, unsigned base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return base == 16 && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool number_of(uint64_t *out, struct slice text, unsigned base)
{
	*out = 0;
	for (size_t i = 0; i < text.n; i++) {
		int digit = digit_of(text.p[i], base);

		if (digit < 0)
			return false;
		*out = base * *out + (unsigned)digit;
	}
	return text.n && text.n <= DIGITS_MAX;
}

static int two_digits(const uint8_t *p)
{
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* "202608150800", a minute by the clocks of UTC+8. */
static bool minute_of(uint64_t *time_s, struct slice text)
{
	struct tm tm = {0}, same;
	time_t t;

	if (text.n != B_CHARS)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (digit_of(text.p[i], 10) < 0)
			return false;
	tm.tm_year = two_digits(text.p) * 100 + two_digits(text.p + 2) - 1900;
	tm.tm_mon = two_digits(text.p + 4) - 1;
	tm.tm_mday = two_digits(text.p + 6);
	tm.tm_hour = two_digits(text.p + 8);
	tm.tm_min = two_digits(text.p + 10);
	same = tm;
	t = timegm(&same);
	*time_s = (uint64_t)t - ZONE_S;
	/* A month 13 is no mistake to timegm(): it comes out as another date. */
	return t >= ZONE_S && same.tm_mon == tm.tm_mon && same.tm_mday == tm.tm_mday &&
	       same.tm_hour == tm.tm_hour && same.tm_min == tm.tm_min;
}

bool sign_time(uint64_t *time_s, enum sign_type type, struct slice text)
{
	return type == SIGN_B ? minute_of(time_s, text)
			      : number_of(time_s, text, type == SIGN_C ? 16 : 10);
}

char *sign_time_text(char dst[SIGN_TIME_TEXT], enum sign_type type, uint64_t time_s)
{
	time_t there = (time_t)time_s + ZONE_S;
	struct tm tm;

	if (type == SIGN_B && gmtime_r(&there, &tm))
		strftime(dst, SIGN_TIME_TEXT, "%Y%m%d%H%M", &tm);
	else
		snprintf(dst, SIGN_TIME_TEXT, type == SIGN_C ? "%llX" : "%llu",
			 (unsigned long long)time_s);
	return dst;
}
