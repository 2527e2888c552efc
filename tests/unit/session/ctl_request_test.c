/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/check.h"
#include "session/ctl_request.h"

static struct ctl_error refused(const char *text)
{
	struct ctl_request r;
	struct ctl_error e;

	assert_int_not_equal(ctl_request_parse(&r, text, strlen(text), &e), 0);
	ctl_request_fini(&r);
	return e;
}

static void expect(const char *text, const char *code, const char *field)
{
	struct ctl_error e = refused(text);

	assert_string_equal(e.code, code);
	assert_string_equal(e.field, field);
	assert_true(e.message[0]);
}

static void test_what_is_no_request_is_a_bad_request(void **state)
{
	expect("", "bad_request", "");
	expect("x", "bad_request", "");
	expect("[]", "bad_request", "");
	expect("{\"id\":1", "bad_request", "");
	expect("{\"id\":1,\"verb\":\"version\"}x", "bad_request", "");
	expect("{\"id\":1,\"id\":2,\"verb\":\"version\"}", "bad_request", "");
	expect("{}", "bad_request", "id");
	expect("{\"id\":\"7\",\"verb\":\"version\"}", "bad_request", "id");
	expect("{\"id\":1.5,\"verb\":\"version\"}", "bad_request", "id");
	expect("{\"id\":1}", "bad_request", "verb");
	expect("{\"id\":1,\"verb\":2}", "bad_request", "verb");
	expect("{\"id\":1,\"verb\":\"a\\u0000b\"}", "bad_request", "");
	expect("{\"id\":1,\"verb\":\"fly\"}", "unknown_verb", "verb");
}

static void test_a_bad_key_is_named_with_its_rule(void **state)
{
	struct ctl_error e;

	expect("{\"id\":1,\"verb\":\"stream.show\"}", "bad_field", "stream");
	expect("{\"id\":1,\"verb\":\"stream.show\",\"stream\":7}", "bad_field", "stream");
	expect("{\"id\":1,\"verb\":\"stream.show\",\"stream\":null}", "bad_field", "stream");
	expect("{\"id\":1,\"verb\":\"drain\",\"on\":1}", "bad_field", "on");
	expect("{\"id\":1,\"verb\":\"domain.keep\",\"domains\":\"a\"}", "bad_field", "domains");
	expect("{\"id\":1,\"verb\":\"domain.keep\",\"domains\":[1]}", "bad_field", "domains");
	expect("{\"id\":1,\"verb\":\"domain.set\",\"domain\":\"a\",\"config\":[]}", "bad_field",
	       "config");
	expect("{\"id\":1,\"verb\":\"viewer.list\",\"limit\":\"5\"}", "bad_field", "limit");
	expect("{\"id\":1,\"verb\":\"viewer.list\",\"limit\":5.5}", "bad_field", "limit");
	e = refused("{\"id\":1,\"verb\":\"stream.list\",\"internl\":true}");
	assert_string_equal(e.field, "internl");
	assert_non_null(strstr(e.message, "internal:b?"));
}

/* Every verb of the table with every key at its type; the same without each one that is needed. */
static json_t *full_request(const char *name, const char *keys)
{
	json_t *o = json_pack("{s:i, s:s}", "id", 1, "verb", name);

	for (const char *at = keys; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, ":");
		char key[32] = "";

		memcpy(key, at, n);
		at += n + 1;
		json_object_set_new(o, key,
				    *at == 's'	 ? json_string("x")
				    : *at == 'i' ? json_integer(1)
				    : *at == '{' ? json_object()
				    : *at == '[' ? json_pack("[s]", "x")
						 : json_true());
		at += strcspn(at, " ");
	}
	return o;
}

static int parse_json(const json_t *o, struct ctl_error *e)
{
	char *text = json_dumps(o, JSON_COMPACT);
	struct ctl_request r;
	int got = ctl_request_parse(&r, text, strlen(text), e);

	ctl_request_fini(&r);
	free(text);
	return got;
}

static void test_every_verb_takes_its_keys_and_misses_those_it_needs(void **state)
{
	static const struct {
		const char *name, *keys;
	} verbs[] = {
#define VERB(sym, name, request, answer, help) {name, request},
#include "api/ctl.def"
#undef VERB
	};
	struct ctl_error e;

	for (size_t i = 0; i < array_len(verbs); i++) {
		json_t *o = full_request(verbs[i].name, verbs[i].keys);
		const char *key;
		json_t *value;
		void *next;

		assert_int_equal(parse_json(o, &e), 0);
		assert_string_equal(ctl_verb_name((enum ctl_verb)i), verbs[i].name);
		json_object_foreach_safe(o, next, key, value)
		{
			char needed[40];
			json_t *less;
			const char *at;

			snprintf(needed, sizeof(needed), "%s:", key);
			at = strstr(verbs[i].keys, needed);
			if (!at || at[strcspn(at, " ") - 1] == '?')
				continue;
			less = json_copy(o);
			json_object_del(less, key);
			assert_int_not_equal(parse_json(less, &e), 0);
			assert_string_equal(e.field, key);
			json_decref(less);
		}
		json_decref(o);
	}
}

static void test_a_text_that_is_too_long_is_refused_not_cut(void **state)
{
	static const char text[] = "{\"id\":1,\"verb\":\"stream.kick\",\"stream\":\"12345678\"}";
	struct ctl_request r;
	struct ctl_error e;
	char dst[9];

	assert_int_equal(ctl_request_parse(&r, text, strlen(text), &e), 0);
	assert_false(ctl_request_copy(&r, "stream", dst, 8, &e));
	assert_string_equal(e.field, "stream");
	assert_true(ctl_request_copy(&r, "stream", dst, 9, &e));
	assert_string_equal(dst, "12345678");
	ctl_request_fini(&r);
}

static void test_U4_names_that_are_not_utf8_are_shown_percent_encoded(void **state)
{
	json_t *t = ctl_text("a/\xff%/x");

	assert_string_equal(json_string_value(t), "a/%FF%25/x");
	json_decref(t);
	t = ctl_text("a/\xc3\xa4%/x");
	assert_string_equal(json_string_value(t), "a/\xc3\xa4%/x");
	json_decref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_request_is_a_bad_request),
		cmocka_unit_test(test_a_bad_key_is_named_with_its_rule),
		cmocka_unit_test(test_every_verb_takes_its_keys_and_misses_those_it_needs),
		cmocka_unit_test(test_a_text_that_is_too_long_is_refused_not_cut),
		cmocka_unit_test(test_U4_names_that_are_not_utf8_are_shown_percent_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
