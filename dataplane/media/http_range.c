/* SPDX-License-Identifier: Apache-2.0 */
#include "media/http_range.h"

#include <stdbool.h>
#include <strings.h>

#include "base/check.h"

#define DIGITS_MAX 18

/* Digits at the start of *s; false: none, or too many. */
static bool take_number(struct slice *s, uint64_t *out)
{
	size_t i = 0;

	for (*out = 0; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		if (i == DIGITS_MAX)
			return false;
		*out = *out * 10 + (uint64_t)(s->p[i] - '0');
	}
	*s = (struct slice){s->p + i, s->n - i};
	return i > 0;
}

enum http_range http_range_parse(struct slice value, uint64_t n, uint64_t *first, uint64_t *last)
{
	static const char unit[] = "bytes=";
	struct slice s = value;
	bool from, to;
	uint64_t end;

	if (s.n < strlen(unit) || strncasecmp((const char *)s.p, unit, strlen(unit)) != 0)
		return HTTP_RANGE_WHOLE;
	s = (struct slice){s.p + strlen(unit), s.n - strlen(unit)};
	from = take_number(&s, first);
	if (!s.n || s.p[0] != '-')
		return HTTP_RANGE_WHOLE;
	s = (struct slice){s.p + 1, s.n - 1};
	to = take_number(&s, &end);
	if (s.n || (!from && !to) || (from && to && end < *first))
		return HTTP_RANGE_WHOLE;
	if (!from) { /* the last `end` bytes */
		*first = end < n ? n - end : 0;
		*last = n - 1;
		return end ? HTTP_RANGE_PART : HTTP_RANGE_UNSATISFIABLE;
	}
	*last = to ? min_of(end, n - 1) : n - 1;
	return *first < n ? HTTP_RANGE_PART : HTTP_RANGE_UNSATISFIABLE;
}
