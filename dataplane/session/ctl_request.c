/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ctl_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "session/ctl_keys.h"

static const struct {
	const char *name, *keys;
} verbs[CTL_VERB_MAX] = {
#define VERB(sym, name, request, answer, help) [CTL_VERB_##sym] = {name, request},
#include "api/ctl.def"
#undef VERB
};

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
	if (find_verb(r, e))
		return -EINVAL;
	return ctl_keys_check(packet, verbs[r->verb].name, "id:i verb:s", verbs[r->verb].keys, e);
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
