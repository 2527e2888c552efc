/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct unit {
	const char *name;
	int64_t size;
};

/* Largest first: a value is written in the largest unit that divides it. */
static const struct unit ms_units[] = {
	{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit byte_units[] = {{"t", 1ll << 40}, {"g", 1 << 30}, {"m", 1 << 20},
					 {"k", 1 << 10},   {"", 1},	   {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum conf_type type)
{
	return type == CONF_MS ? ms_units : type == CONF_BYTES ? byte_units : no_units;
}

static void *field(const struct config *c, const struct conf_key *k)
{
	return (char *)c + k->offset;
}

/* ---- text to value ---- */

/* A whole number with one of the units; false for anything else, overflow too. */
static bool parse_number(const char *text, const struct unit *units, int64_t *v)
{
	char *rest;
	long long number;

	if (!isdigit((unsigned char)text[text[0] == '-']))
		return false;
	errno = 0;
	number = strtoll(text, &rest, 10);
	if (errno)
		return false;
	if (!number && !*rest) { /* nothing is nothing in every unit */
		*v = 0;
		return true;
	}
	for (; units->name; units++)
		if (!strcasecmp(rest, units->name))
			return !__builtin_mul_overflow((int64_t)number, units->size, v);
	return false;
}

static bool port_ok(const char *s, size_t n)
{
	unsigned port = 0;

	if (!n || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		port = port * 10 + (unsigned)(s[i] - '0');
	}
	return port <= 65535;
}

/* Four numbers; host names may not look like this and be none. */
static bool v4_ok(const char *s)
{
	unsigned part[4];
	int end = 0;

	if (sscanf(s, "%3u.%3u.%3u.%3u%n", &part[0], &part[1], &part[2], &part[3], &end) != 4)
		return false;
	return !s[end] && part[0] <= 255 && part[1] <= 255 && part[2] <= 255 && part[3] <= 255;
}

/* The letters of an IPv6 address and two colons; whether it is one, binding will tell. */
static bool v6_ok(const char *s)
{
	const char *colon = strchr(s, ':');

	return colon && strchr(colon + 1, ':') && !s[strspn(s, "0123456789abcdefABCDEF:.")];
}

static bool host_ok(const char *s, size_t n)
{
	char host[256];
	bool digits = true;

	if (n >= sizeof(host))
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		return v6_ok(host + 1);
	}
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)host[i]) && !strchr(".-_", host[i]))
			return false;
		digits = digits && (isdigit((unsigned char)host[i]) || host[i] == '.');
	}
	return !n || !digits || v4_ok(host);
}

bool conf_addresses_ok(const char *s)
{
	unsigned count = 0;

	for (s += strspn(s, " "); *s; s += strspn(s, " "), count++) {
		size_t n = strcspn(s, " "), host = n;

		while (host && s[host - 1] != ':')
			host--;
		if (!host || !host_ok(s, host - 1) || !port_ok(s + host, n - host))
			return false;
		s += n;
	}
	return count > 0;
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

bool conf_enum_word(const struct conf_key *k, unsigned i, char *word, size_t n)
{
	const char *s = k->help, *end = strchr(s, '}');

	must(*s == '{' && end);
	for (s++; s < end; i--) {
		size_t len = strcspn(s, "|}");

		if (!i) {
			must(len < n);
			memcpy(word, s, len);
			word[len] = '\0';
			return true;
		}
		s += len + 1;
	}
	return false;
}

static bool enum_has(const struct conf_key *k, const char *text)
{
	char word[32];

	for (unsigned i = 0; conf_enum_word(k, i, word, sizeof(word)); i++)
		if (!strcmp(word, text))
			return true;
	return false;
}

static bool parse_bool(const char *text, int64_t *v)
{
	*v = !strcmp(text, "true");
	return *v || !strcmp(text, "false");
}

static bool text_ok(const struct conf_key *k, const char *text)
{
	size_t n = strlen(text);

	switch (k->type) {
	case CONF_STR:
		return n >= (size_t)k->min && n <= (size_t)k->max && printable(text);
	case CONF_ADDR:
		return n <= 1024 && conf_addresses_ok(text);
	default:
		return enum_has(k, text);
	}
}

bool conf_value_set(struct config *c, const struct conf_key *k, const char *text, char *rule,
		    size_t n)
{
	int64_t v;
	bool ok;

	switch (k->type) {
	case CONF_BOOL:
		ok = parse_bool(text, &v);
		break;
	case CONF_INT:
	case CONF_MS:
	case CONF_BYTES:
		ok = parse_number(text, units_of(k->type), &v) && v >= k->min && v <= k->max;
		break;
	default:
		ok = text_ok(k, text);
		if (ok)
			memcpy(field(c, k), text, strlen(text) + 1);
		goto out;
	}
	if (ok)
		memcpy(field(c, k), &v, sizeof(v));
out:
	if (!ok)
		conf_rule_text(k, rule, n);
	return ok;
}

/* ---- value to text ---- */

static void number_text(int64_t v, const struct unit *u, char *dst, size_t n)
{
	while (u[1].name && (!v || v % u->size))
		u++;
	snprintf(dst, n, "%" PRId64 "%s", v / u->size, u->name);
}

void conf_value_text(const struct config *c, const struct conf_key *k, char *dst, size_t n)
{
	int64_t v;

	switch (k->type) {
	case CONF_BOOL:
		memcpy(&v, field(c, k), sizeof(v));
		snprintf(dst, n, "%s", v ? "true" : "false");
		return;
	case CONF_INT:
	case CONF_MS:
	case CONF_BYTES:
		memcpy(&v, field(c, k), sizeof(v));
		number_text(v, units_of(k->type), dst, n);
		return;
	default:
		snprintf(dst, n, "%s", (const char *)field(c, k));
	}
}

void conf_rule_text(const struct conf_key *k, char *dst, size_t n)
{
	static const char *const kinds[] = {
		[CONF_INT] = "a whole number",
		[CONF_MS] = "a duration (250ms, 10s, 2m, 1h)",
		[CONF_BYTES] = "a size (512, 64k, 16m, 1g)",
	};
	char low[32], high[32];

	switch (k->type) {
	case CONF_BOOL:
		snprintf(dst, n, "true or false");
		return;
	case CONF_STR:
		snprintf(dst, n, "text of %" PRId64 " to %" PRId64 " printable characters", k->min,
			 k->max);
		return;
	case CONF_ADDR:
		snprintf(dst, n, "ADDRESS:PORT, [IPV6]:PORT or :PORT, several separated by spaces");
		return;
	case CONF_ENUM:
		snprintf(dst, n, "one of %.*s", (int)strcspn(k->help, "}") - 1, k->help + 1);
		return;
	default:
		number_text(k->min, units_of(k->type), low, sizeof(low));
		number_text(k->max, units_of(k->type), high, sizeof(high));
		snprintf(dst, n, "%s from %s to %s", kinds[k->type], low, high);
	}
}
