/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/cli/when.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The sum with the present keeps a year of four digits. */
#define SPAN_MAX_S (100ll * 366 * 86400)

static int64_t unit_seconds(char c)
{
	switch (c) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	default:
		return 0;
	}
}

bool span_parse(const char *text, int64_t *seconds)
{
	int64_t sum = 0, unit;
	char *end;

	if (!*text)
		return false;
	while (*text) {
		long long v;

		if (!isdigit((unsigned char)*text))
			return false;
		v = strtoll(text, &end, 10);
		/* A bare number is seconds, but only where it stands alone. */
		unit = *end ? unit_seconds(*end) : sum ? 0 : 1;
		if (!unit || v > SPAN_MAX_S / unit)
			return false;
		sum += v * unit;
		if (sum > SPAN_MAX_S)
			return false;
		text = *end ? end + 1 : end;
	}
	*seconds = sum;
	return true;
}

void when_text(int64_t s, char dst[WHEN_TEXT])
{
	time_t t = (time_t)s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(dst, WHEN_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int64_t when_seconds(const char *text)
{
	struct tm tm = {0};
	char again[WHEN_TEXT];
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	int64_t s;

	if (!end || *end || tm.tm_year < 70)
		return -1;
	s = timegm(&tm);
	/* 30 February and short forms come back as something else. */
	when_text(s, again);
	return strcmp(again, text) ? -1 : s;
}

bool when_parse(const char *text, int64_t now_s, char dst[WHEN_TEXT])
{
	int64_t s;

	if (!strcmp(text, "now")) {
		s = now_s;
	} else if (*text == '+') {
		if (!span_parse(text + 1, &s))
			return false;
		s += now_s;
	} else {
		s = when_seconds(text);
	}
	if (s < 0)
		return false;
	when_text(s, dst);
	return true;
}
