/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* Room for the end of the object is kept apart. */
struct out {
	char *p, *end;
	bool full;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->full || (size_t)(o->end - o->p) < n) {
		o->full = true;
		return;
	}
	memcpy(o->p, s, n);
	o->p += n;
}

/* Bytes of the UTF-8 character there; 0: none. */
static size_t utf8_bytes(const unsigned char *s)
{
	size_t n = *s < 0x80		     ? 1
		   : *s >= 0xc2 && *s < 0xe0 ? 2
		   : *s >= 0xe0 && *s < 0xf0 ? 3
		   : *s >= 0xf0 && *s < 0xf5 ? 4
					     : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and what is beyond Unicode. */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* One character of text; returns how many bytes it was. */
static size_t put_char(struct out *o, const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = utf8_bytes((const unsigned char *)s);
	char code[8];

	if (c == '"' || c == '\\') {
		put(o, c == '"' ? "\\\"" : "\\\\", 2);
		return 1;
	}
	if (c < ' ' || !n) {
		put(o, code, (size_t)snprintf(code, sizeof(code), "\\u%04x", c));
		return 1;
	}
	put(o, s, n);
	return n;
}

/* "..." with the escapes of log_q(); what stands behind it. */
static const char *put_quoted(struct out *o, const char *s)
{
	unsigned code;

	for (s++; *s && *s != '"';) {
		if (*s != '\\' || !s[1]) {
			s += put_char(o, s);
		} else if (s[1] == 'x' && sscanf(s + 2, "%2x", &code) == 1 && s[2] && s[3]) {
			put_char(o, (char[]){(char)code, '\0', '\0', '\0'});
			s += 4;
		} else {
			s += 1 + put_char(o, s + 1);
		}
	}
	return *s ? s + 1 : s;
}

static bool is_number(const char *s, size_t n)
{
	size_t digits = strspn(s, "0123456789");

	return n && digits == n && n <= 15 && (n == 1 || *s != '0');
}

static bool is_name(const char *key, size_t n)
{
	static const char *const names[] = {"id", "node", "task"};

	for (size_t i = 0; i < array_len(names); i++)
		if (strlen(names[i]) == n && !memcmp(names[i], key, n))
			return true;
	return false;
}

/* key=value, or a word alone, which is true; what stands behind it. */
static const char *put_pair(struct out *o, const char *s)
{
	size_t key = strcspn(s, "= "), n;
	const char *value = s + key + 1;

	put(o, "\"", 1);
	for (size_t i = 0; i < key;)
		i += put_char(o, s + i);
	put(o, "\":", 2);
	if (s[key] != '=') {
		put(o, "true", 4);
		return s + key;
	}
	n = strcspn(value, " ");
	if (*value != '"' && !is_name(s, key) && is_number(value, n)) {
		put(o, value, n);
		return value + n;
	}
	put(o, "\"", 1);
	if (*value == '"') {
		value = put_quoted(o, value);
	} else {
		for (size_t i = 0; i < n;)
			i += put_char(o, value + i);
		value += n;
	}
	put(o, "\"", 1);
	return value;
}

size_t log_json(char *dst, size_t n, const char *logfmt)
{
	struct out o = {dst, dst + n - 2, false};

	put(&o, "{", 1);
	while (*(logfmt += strspn(logfmt, " "))) {
		char *before = o.p;

		if (o.p != dst + 1)
			put(&o, ",", 1);
		logfmt = put_pair(&o, logfmt);
		if (o.full) {
			o.p = before;
			break;
		}
	}
	*o.p++ = '}';
	*o.p = '\0';
	return (size_t)(o.p - dst);
}
