/* SPDX-License-Identifier: Apache-2.0 */
#include "base/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const char *const kinds[] = {"rtmp", "http", "rtmps", "https"};
static_assert(array_len(kinds) == PLACE_KINDS, "every kind has a name");

const char *place_kind_name(enum place_kind kind)
{
	return kinds[kind];
}

static int parse_kind(enum place_kind *out, const char *text, size_t n)
{
	for (unsigned i = 0; i < PLACE_KINDS; i++) {
		if (strlen(kinds[i]) == n && !memcmp(kinds[i], text, n)) {
			*out = (enum place_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* 1 to 65535, digits alone. */
static int parse_port(uint16_t *out, const char *text, size_t n)
{
	uint32_t port = 0;

	if (!n || n > 5)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		port = port * 10 + (uint32_t)(text[i] - '0');
	}
	if (!port || port > UINT16_MAX)
		return -EINVAL;
	*out = (uint16_t)port;
	return 0;
}

/* IPv6 stands in brackets, IPv4 does not. */
static int parse_range(struct cidr *out, const char *text, size_t n)
{
	bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';

	if (brackets)
		text++, n -= 2;
	if (cidr_parse(out, text, n) || ip_is_v4(&out->net) == brackets)
		return -EINVAL;
	return 0;
}

/* kind=range:port */
static int parse_one(struct place *out, const char *text, size_t n)
{
	const char *range = memchr(text, '=', n), *port = memrchr(text, ':', n);

	if (!range || !port || port < range)
		return -EINVAL;
	if (parse_kind(&out->kind, text, (size_t)(range - text)) ||
	    parse_range(&out->range, range + 1, (size_t)(port - range - 1)) ||
	    parse_port(&out->port, port + 1, (size_t)(text + n - port - 1)))
		return -EINVAL;
	return 0;
}

int places_parse(struct place *out, const char *text, char *bad, size_t bad_n)
{
	int count = 0;

	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t n = strcspn(text, " ");
		int r = count == PLACES_MAX ? -E2BIG : parse_one(&out[count], text, n);

		if (r) {
			snprintf(bad, bad_n, "%.*s", (int)n, text);
			return r;
		}
		count++;
		text += n;
	}
	return count;
}
