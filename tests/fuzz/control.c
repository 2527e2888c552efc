/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control packets: any bytes are refused with a code of api/ctl.h and a rule, or are a request whose
 * keys are all known and of their types; what a request says can then be read without a check.
 */
#include "session/ctl_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fuzz/fuzz.h"

static bool is_code(const char *code)
{
	static const char *const codes[] = {"bad_request", "bad_field", "unknown_verb"};

	for (size_t i = 0; i < array_len(codes); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

static void check_refusal(const struct ctl_request *r, const struct ctl_error *e)
{
	must(is_code(e->code));
	must(e->message[0]);
	must(strlen(e->field) < sizeof(e->field) && strlen(e->message) < sizeof(e->message));
	must(!r->id || json_is_integer(r->id));
}

static void check_request(const struct ctl_request *r)
{
	struct ctl_error e;
	const char *key;
	json_t *value, *shown;
	char text[64];

	must(r->verb < CTL_VERB_MAX);
	must(json_is_integer(r->id));
	json_object_foreach (r->packet, key, value) {
		must(!json_is_object(value) && !json_is_array(value) && !json_is_real(value));
		must(strlen(ctl_request_text(r, key)) ==
		     (json_is_string(value) ? json_string_length(value) : 0));
		if (ctl_request_copy(r, key, text, sizeof(text), &e))
			must(strcmp(text, ctl_request_text(r, key)) == 0);
		else
			must(strcmp(e.field, key) == 0);
		ctl_request_int(r, key, 0);
		ctl_request_bool(r, key);
		shown = ctl_text(ctl_request_text(r, key));
		must(shown);
		json_decref(shown);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_request r;
	struct ctl_error e;

	if (ctl_request_parse(&r, data, size, &e))
		check_refusal(&r, &e);
	else
		check_request(&r);
	ctl_request_fini(&r);
	return 0;
}
