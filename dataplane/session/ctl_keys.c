/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ctl_keys.h"

#include <stdlib.h>
#include <string.h>

struct key_rule {
	char name[32];
	char type;
	bool optional;
	long long min, max;
};

/* Steps to the next key; false at the end. */
static bool rule_next(const char **at, struct key_rule *out)
{
	const char *p = *at + strspn(*at, " "), *colon = strchr(p, ':');
	char *end;
	size_t n;

	if (!colon)
		return false;
	n = (size_t)(colon - p);
	if (n >= sizeof(out->name))
		return false;
	*out = (struct key_rule){.type = colon[1], .min = INT64_MIN, .max = INT64_MAX};
	memcpy(out->name, p, n);
	p = colon + 2;
	out->optional = *p == '?';
	p += out->optional;
	if (*p == '(') {
		out->min = strtoll(p + 1, &end, 10);
		out->max = strtoll(end + strlen(".."), &end, 10);
		p = end;
	}
	*at = p + strcspn(p, " ");
	return true;
}

static const char *type_rule(char type)
{
	switch (type) {
	case 's':
		return "must be text";
	case 'i':
		return "must be a whole number";
	case 'n':
		return "must be a number";
	case '{':
		return "must be an object";
	case '[':
		return "must be a list of texts";
	default:
		return "must be true or false";
	}
}

static bool is_texts(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_string(json_array_get(list, i)))
			return false;
	return json_is_array(list);
}

static bool has_type(const json_t *value, char type)
{
	switch (type) {
	case 's':
		return json_is_string(value);
	case 'i':
		return json_is_integer(value);
	case 'n':
		return json_is_number(value);
	case '{':
		return json_is_object(value);
	case '[':
		return is_texts(value);
	default:
		return json_is_boolean(value);
	}
}

static int check_value(const struct key_rule *r, const json_t *value, struct ctl_error *e)
{
	json_int_t number = json_integer_value(value);

	if (!value)
		return r->optional ? 0 : ctl_error_set(e, "bad_field", r->name, "is missing");
	if (!has_type(value, r->type))
		return ctl_error_set(e, "bad_field", r->name, "%s", type_rule(r->type));
	if (r->type == 'i' && (number < r->min || number > r->max))
		return ctl_error_set(e, "bad_field", r->name, "must be %lld to %lld", r->min,
				     r->max);
	return 0;
}

static int check_values(const json_t *packet, const char *keys, struct ctl_error *e)
{
	struct key_rule rule;
	int rc = 0;

	while (!rc && rule_next(&keys, &rule))
		rc = check_value(&rule, json_object_get(packet, rule.name), e);
	return rc;
}

static bool is_among(const char *keys, const char *name)
{
	struct key_rule rule;

	while (rule_next(&keys, &rule))
		if (strcmp(name, rule.name) == 0)
			return true;
	return false;
}

int ctl_keys_check(const json_t *packet, const char *name, const char *common, const char *keys,
		   struct ctl_error *e)
{
	const char *key;
	json_t *value;
	int rc;

	json_object_foreach ((json_t *)packet, key, value)
		if (!is_among(common, key) && !is_among(keys, key))
			return ctl_error_set(e, "bad_field", key,
					     "%s has no such key; its keys: %s", name, keys);
	rc = check_values(packet, common, e);
	return rc ? rc : check_values(packet, keys, e);
}
