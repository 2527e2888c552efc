/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ctl_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *keys;
} verbs[CTL_VERB_MAX] = {
#define VERB(sym, name, request, answer, help) [CTL_VERB_##sym] = {name, request},
#include "api/ctl.def"
#undef VERB
};

/* One "name:type" or "name:type?" of a verb's keys. */
struct key_rule {
	char name[32];
	char type; /* s, i, b, { for an object, [ for a list of texts */
	bool optional;
};

/* Steps to the next key; false at the end. */
static bool rule_next(const char **at, struct key_rule *out)
{
	const char *p = *at + strspn(*at, " "), *colon = strchr(p, ':');
	size_t n;

	if (!colon)
		return false;
	n = (size_t)(colon - p);
	if (n >= sizeof(out->name))
		return false;
	memcpy(out->name, p, n);
	out->name[n] = '\0';
	out->type = colon[1];
	*at = colon + 1 + strcspn(colon + 1, " ");
	out->optional = (*at)[-1] == '?';
	return true;
}

static const char *type_rule(char type)
{
	switch (type) {
	case 's':
		return "must be text";
	case 'i':
		return "must be a whole number";
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
	case '{':
		return json_is_object(value);
	case '[':
		return is_texts(value);
	default:
		return json_is_boolean(value);
	}
}

json_t *ctl_text(const char *text)
{
	json_t *plain = json_string(text);
	char encoded[3 * 640 + 1];
	size_t n = 0;

	if (plain)
		return plain;
	for (; *text && n + 4 <= sizeof(encoded); text++) {
		uint8_t byte = (uint8_t)*text;

		if (byte >= 0x80 || byte == '%')
			n += (size_t)sprintf(encoded + n, "%%%02X", byte);
		else
			encoded[n++] = (char)byte;
	}
	encoded[n] = '\0';
	return json_string(encoded);
}

const char *ctl_verb_name(enum ctl_verb v)
{
	return v < CTL_VERB_MAX ? verbs[v].name : "unknown";
}

int ctl_error_set(struct ctl_error *e, const char *code, const char *field, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	snprintf(e->field, sizeof(e->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* The verb's keys are there and of their types. */
static int check_known(const struct ctl_request *r, struct ctl_error *e)
{
	const char *at = verbs[r->verb].keys;
	struct key_rule rule;

	while (rule_next(&at, &rule)) {
		const json_t *value = json_object_get(r->packet, rule.name);

		if (!value && !rule.optional)
			return ctl_error_set(e, "bad_field", rule.name, "is missing");
		if (value && !has_type(value, rule.type))
			return ctl_error_set(e, "bad_field", rule.name, "%s", type_rule(rule.type));
	}
	return 0;
}

static bool is_key_of(enum ctl_verb verb, const char *name)
{
	const char *at = verbs[verb].keys;
	struct key_rule rule;

	if (strcmp(name, "id") == 0 || strcmp(name, "verb") == 0)
		return true;
	while (rule_next(&at, &rule))
		if (strcmp(name, rule.name) == 0)
			return true;
	return false;
}

/* And no others. */
static int check_unknown(const struct ctl_request *r, struct ctl_error *e)
{
	const char *name;
	json_t *value;

	json_object_foreach (r->packet, name, value)
		if (!is_key_of(r->verb, name))
			return ctl_error_set(e, "bad_field", name,
					     "%s has no such key; its keys: %s",
					     verbs[r->verb].name, verbs[r->verb].keys);
	return 0;
}

static int find_verb(struct ctl_request *r, struct ctl_error *e)
{
	const json_t *verb = json_object_get(r->packet, "verb");

	if (!json_is_string(verb))
		return ctl_error_set(e, "bad_request", "verb", "%s",
				     verb ? "must be text" : "is missing");
	for (unsigned i = 0; i < CTL_VERB_MAX; i++) {
		if (strcmp(verbs[i].name, json_string_value(verb)) == 0) {
			r->verb = (enum ctl_verb)i;
			return 0;
		}
	}
	return ctl_error_set(e, "unknown_verb", "verb", "\"%.64s\" is no verb of this version",
			     json_string_value(verb));
}

int ctl_request_parse(struct ctl_request *r, const void *p, size_t n, struct ctl_error *e)
{
	json_error_t why;
	json_t *packet = json_loadb(p, n, JSON_REJECT_DUPLICATES, &why);

	*r = (struct ctl_request){.verb = CTL_VERB_MAX};
	*e = (struct ctl_error){.code = ""};
	if (!packet)
		return ctl_error_set(e, "bad_request", "", "no JSON object: %s", why.text);
	if (!json_is_object(packet)) {
		json_decref(packet);
		return ctl_error_set(e, "bad_request", "", "must be a JSON object");
	}
	r->packet = packet;
	r->id = json_object_get(packet, "id");
	if (!json_is_integer(r->id)) {
		bool given = r->id;

		r->id = NULL;
		return ctl_error_set(e, "bad_request", "id", "%s",
				     given ? "must be a whole number" : "is missing");
	}
	if (find_verb(r, e) || check_unknown(r, e) || check_known(r, e))
		return -EINVAL;
	return 0;
}

void ctl_request_fini(struct ctl_request *r)
{
	json_decref(r->packet);
	*r = (struct ctl_request){.verb = CTL_VERB_MAX};
}

const char *ctl_request_text(const struct ctl_request *r, const char *key)
{
	const char *text = json_string_value(json_object_get(r->packet, key));

	return text ? text : "";
}

int64_t ctl_request_int(const struct ctl_request *r, const char *key, int64_t absent)
{
	const json_t *value = json_object_get(r->packet, key);

	return value ? json_integer_value(value) : absent;
}

bool ctl_request_bool(const struct ctl_request *r, const char *key)
{
	return json_is_true(json_object_get(r->packet, key));
}

bool ctl_request_copy(const struct ctl_request *r, const char *key, char *dst, size_t n,
		      struct ctl_error *e)
{
	const char *text = ctl_request_text(r, key);

	if (strlen(text) < n) {
		strcpy(dst, text);
		return true;
	}
	ctl_error_set(e, "bad_field", key, "must be at most %zu bytes long", n - 1);
	return false;
}
