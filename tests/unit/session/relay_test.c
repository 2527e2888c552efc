/* SPDX-License-Identifier: Apache-2.0 */
/* The table of relay legs: what may be created, and what lists show. */
#include "tests/unit/session/remote.h"

static enum reason try(struct node *n, bool push, const char *id, const char *stream,
		       const char *url, const char **rule)
{
	struct relay_spec spec = {.push = push};
	bool conflict = false;
	enum reason why;

	*rule = NULL;
	snprintf(spec.id, sizeof(spec.id), "%s", id);
	snprintf(spec.stream, sizeof(spec.stream), "%s", stream);
	snprintf(spec.url, sizeof(spec.url), "%s", url);
	why = relay_create(&n->engine, &spec, &conflict, rule);
	return conflict ? REASON_REMOTE_BUSY : why;
}

static void test_schemes_that_are_not_built_are_named(void **state)
{
	static const struct {
		const char *url, *word;
		bool push;
	} cases[] = {
		{"srt://h:9000", "srt", false},	       {"rtsp://h/x", "rtsp", false},
		{"http://h/app/x.flv", "rtmps", true}, {"https://h/app/x.flv", "rtmps", true},
		{"ftp://h/x", "rtmp", false},
	};
	const char *rule;

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(try(*state, cases[i].push, "a", "live/a", cases[i].url, &rule),
				 REASON_BAD_URL);
		assert_non_null(strstr(rule, cases[i].word));
	}
}

static void test_ids_streams_and_urls_are_checked_before_anything_is_made(void **state)
{
	struct node *n = *state;
	const char *rule;
	json_t *list;

	assert_int_equal(try(n, false, "", "live/a", "rtmp://h/a/b", &rule), REASON_BAD_NAME);
	assert_int_equal(try(n, false, "a b", "live/a", "rtmp://h/a/b", &rule), REASON_BAD_NAME);
	assert_int_equal(try(n, false, "a", "live", "rtmp://h/a/b", &rule), REASON_BAD_NAME);
	assert_int_equal(try(n, false, "a", "live/../x", "rtmp://h/a/b", &rule), REASON_BAD_NAME);
	assert_int_equal(try(n, false, "a", "live/a", "rtmp://", &rule), REASON_BAD_URL);
	assert_int_equal(try(n, false, "a", "live/a", "nonsense", &rule), REASON_BAD_URL);
	list = relay_list(&n->engine, false);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void test_P7_a_pull_of_the_own_stream_is_refused(void **state)
{
	struct node *n = *state;
	const char *rule;

	node_set(n, "rtmp.listen", "127.0.0.1:1935 [::1]:1936");
	node_set(n, "http.listen", "0.0.0.0:8080");
	assert_int_equal(try(n, false, "a", "live/a", "rtmp://127.0.0.1/live/a?k=1", &rule),
			 REASON_BAD_URL);
	assert_string_equal(rule, "pulls from itself");
	assert_int_equal(try(n, false, "a", "live/a", "rtmp://localhost:1935/live/a", &rule),
			 REASON_BAD_URL);
	assert_int_equal(try(n, true, "a", "live/a", "rtmp://[::1]:1936/live/a", &rule),
			 REASON_BAD_URL);
	assert_string_equal(rule, "pushes to itself");
	assert_int_equal(try(n, false, "a", "live/a", "http://127.0.0.1:8080/live/a.flv", &rule),
			 REASON_BAD_URL);
	node_set(n, "rtmps.listen", "[::]:1937");
	assert_int_equal(try(n, true, "a", "live/a", "rtmps://127.0.0.3:1937/live/a", &rule),
			 REASON_BAD_URL);
	/* Another stream of this node, another port, and another protocol's port are fine. */
	assert_int_equal(try(n, false, "d", "live/a", "rtmp://127.0.0.1:8080/live/a", &rule),
			 REASON_NONE);
	assert_int_equal(try(n, false, "b", "live/a", "rtmp://127.0.0.1/live/b", &rule),
			 REASON_NONE);
	assert_int_equal(try(n, false, "c", "live/c", "rtmp://127.0.0.1:1999/live/c", &rule),
			 REASON_NONE);
}

static void test_P10_forms_of_urls(void **state)
{
	static const struct {
		const char *url;
		bool push, pull;
	} cases[] = {
		{"rtmp://h/app/key", true, true},
		{"rtmps://h/app/key", true, true},
		{"rtmps://h:1936/app/key?a=b/c?d", true, true},
		{"rtmp://[::1]:1936/app/inst/key", true, true},
		{"rtmp://h/app//a/b/c?x", true, true},
		{"rtmp://h/app?k=v/key", true, true},
		{"RTMPS://H/app/key", true, true},
		{"http://u:p%40@h/x.flv", false, true},
		{"https://u@h:8443/x", false, true},
		{"https://u%zz@h/x", false, false},
		{"rtmp://h/app", false, false},
		{"rtmp://h:0/app/key", false, false},
		{"rtmp://h/app/a b", false, false},
	};
	const char *rule;

	for (size_t i = 0; i < array_len(cases); i++) {
		enum reason push = try(*state, true, "a", "live/a", cases[i].url, &rule);
		enum reason pull = try(*state, false, "a", "live/a", cases[i].url, &rule);

		assert_int_equal(push, cases[i].push ? REASON_NONE : REASON_BAD_URL);
		assert_int_equal(pull, cases[i].pull ? REASON_NONE : REASON_BAD_URL);
		relay_remove(&((struct node *)*state)->engine, "a", true);
		relay_remove(&((struct node *)*state)->engine, "a", false);
		node_turn(*state);
	}
}

static void test_a_password_for_RTMP_is_refused_with_what_to_do_instead(void **state)
{
	const char *rule;

	assert_int_equal(try(*state, true, "a", "live/a", "rtmp://u:p@h/a/b", &rule),
			 REASON_BAD_URL);
	assert_non_null(strstr(rule, "query"));
	assert_int_equal(try(*state, false, "a", "live/a", "rtmps://u:p@h/a/b", &rule),
			 REASON_BAD_URL);
}

static void test_U5_lists_mask_secrets_and_tell_urls_apart(void **state)
{
	struct node *n = *state;
	const char *rule;
	char first[512];

	assert_int_equal(try(n, false, "a", "live/a", "http://u:pw@h/x?token=t1", &rule),
			 REASON_NONE);
	assert_int_equal(try(n, false, "b", "live/b", "http://u:pw@h/x?token=t2", &rule),
			 REASON_NONE);
	assert_string_equal(leg_text(n, false, "a", "url"), "http://***@h/x?token=***");
	assert_string_equal(leg_text(n, false, "b", "url"), "http://***@h/x?token=***");
	snprintf(first, sizeof(first), "%s", leg_text(n, false, "a", "url_digest"));
	assert_int_equal(strlen(first), 32);
	assert_string_not_equal(first, leg_text(n, false, "b", "url_digest"));
}

static void test_P5_the_same_leg_again_is_fine_and_another_under_its_id_a_conflict(void **state)
{
	struct node *n = *state;
	const char *rule;

	assert_int_equal(try(n, true, "a", "live/a", "rtmp://h/a/b", &rule), REASON_NONE);
	assert_int_equal(try(n, true, "a", "default/live/a", "rtmp://h/a/b", &rule), REASON_NONE);
	assert_int_equal(try(n, true, "a", "live/a", "rtmp://h/a/c", &rule), REASON_REMOTE_BUSY);
	assert_int_equal(try(n, true, "a", "live/c", "rtmp://h/a/b", &rule), REASON_REMOTE_BUSY);
	assert_string_equal(leg_text(n, true, "a", "url"), "rtmp://h/a/b");
	/* Pulls have ids of their own. */
	assert_string_equal(leg_text(n, false, "a", "url"), "");
}

static void test_limits_relays_bounds_them_and_a_removed_one_makes_room(void **state)
{
	struct node *n = *state;
	const char *rule;

	n->conf.limit_relays = 2;
	assert_int_equal(try(n, true, "a", "live/a", "rtmp://h/a/b", &rule), REASON_NONE);
	assert_int_equal(try(n, true, "b", "live/b", "rtmp://h/a/b", &rule), REASON_NONE);
	assert_int_equal(try(n, true, "c", "live/c", "rtmp://h/a/b", &rule), REASON_CAP_RELAYS);
	assert_true(relay_remove(&n->engine, "a", true));
	assert_false(relay_remove(&n->engine, "a", true));
	assert_int_equal(try(n, true, "c", "live/c", "rtmp://h/a/b", &rule), REASON_NONE);
}

static void test_a_push_without_its_stream_waits_and_says_so(void **state)
{
	struct node *n = *state;
	struct event e;

	leg_create(n, true, "a", "live/a", "rtmp://127.0.0.1:1/a/b");
	node_turn(n);
	assert_string_equal(leg_text(n, true, "a", "state"), "waiting");
	assert_true(event_take(&e));
	assert_int_equal(e.kind, EVENT_PUSH);
	assert_string_equal(e.name, "a");
	assert_string_equal(e.state, "waiting");
	assert_int_equal(node_count(n, CTR_PUSHES), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
		T(test_schemes_that_are_not_built_are_named),
		T(test_ids_streams_and_urls_are_checked_before_anything_is_made),
		T(test_P7_a_pull_of_the_own_stream_is_refused),
		T(test_P10_forms_of_urls),
		T(test_a_password_for_RTMP_is_refused_with_what_to_do_instead),
		T(test_U5_lists_mask_secrets_and_tell_urls_apart),
		T(test_P5_the_same_leg_again_is_fine_and_another_under_its_id_a_conflict),
		T(test_limits_relays_bounds_them_and_a_removed_one_makes_room),
		T(test_a_push_without_its_stream_waits_and_says_so),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
