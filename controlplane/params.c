/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/params.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The decoded text, or NULL with *rule. */
static char *decode(const char *p, size_t n, const char **rule)
{
	char *out = malloc(n + 1);
	size_t at = 0;

	must(out);
	for (size_t i = 0; i < n; i++) {
		char c = p[i] == '+' ? ' ' : p[i];

		if (c == '%') {
			if (n - i < 3 || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0) {
				*rule = "percent escapes need two hexadecimal digits";
				goto bad;
			}
			c = (char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
			i += 2;
		}
		if (!c) {
			*rule = "a parameter must not hold a zero byte";
			goto bad;
		}
		out[at++] = c;
	}
	out[at] = 0;
	json_t *checked = json_stringn(out, at);

	if (checked) {
		json_decref(checked);
		return out;
	}
	*rule = "parameters must be UTF-8";
bad:
	free(out);
	return NULL;
}

static int add(struct params *p, const char *pair, size_t n, const char **rule)
{
	const char *eq = memchr(pair, '=', n);
	size_t name_n = eq ? (size_t)(eq - pair) : n;
	char *name, *value;

	if (p->n == PARAMS_MAX) {
		*rule = "there are more than 128 parameters";
		return -EINVAL;
	}
	name = decode(pair, name_n, rule);
	if (!name)
		return -EINVAL;
	value = eq ? decode(eq + 1, n - name_n - 1, rule) : strdup("");
	if (!value || params_value(p, name)) {
		if (value)
			*rule = "a parameter is given twice";
		free(value);
		free(name);
		return -EINVAL;
	}
	p->v[p->n++] = (struct param){name, value};
	return 0;
}

int params_parse(struct params *p, const char *text, size_t n, const char **rule)
{
	const char *end = text + n;

	while (text < end) {
		const char *amp = memchr(text, '&', (size_t)(end - text));
		size_t pair_n = (size_t)((amp ? amp : end) - text);

		if (pair_n && add(p, text, pair_n, rule))
			return -EINVAL;
		text += pair_n + 1;
	}
	return 0;
}

void params_fini(struct params *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].value);
	}
	p->n = 0;
}

const char *params_value(const struct params *p, const char *name)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->v[i].name, name))
			return p->v[i].value;
	return NULL;
}
