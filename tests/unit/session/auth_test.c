/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/session/node.h"

#include "base/digest.h"
#include "session/auth.h"
#include "session/auth_remote.h"
#include "session/blocks.h"
#include "session/domains.h"
#include "session/event_queue.h"
#include "session/inner.h"
#include "session/wanted.h"

/* A connection that asks, on the node's core, without a socket. */
struct asker {
	struct session session;
	struct net_conn conn;
	struct auth auth;
	struct stream_name name;
	bool answered;
	enum reason why;
	char key[STREAM_KEY_MAX];
};

static struct asker *asker_new(struct node *n, const char *domain, const char *stream,
			       const char *params)
{
	struct asker *a = calloc(1, sizeof(*a));

	a->session.core = &n->core;
	a->session.conn = &a->conn;
	a->session.protocol = "rtmp";
	a->session.mem.max = 65536;
	a->session.mem.allocs = &n->core.allocs;
	assert_int_equal(net_addr_parse(&a->conn.peer, "192.0.2.7:1000"), 0);
	snprintf(a->name.domain, sizeof(a->name.domain), "%s", domain);
	strcpy(a->name.app, "live");
	snprintf(a->name.name, sizeof(a->name.name), "%s", stream);
	snprintf(a->name.params, sizeof(a->name.params), "%s", params);
	return a;
}

static void asker_free(struct asker *a)
{
	auth_end(&a->auth, &a->session, REASON_PEER_CLOSED);
	if (a->session.about)
		mem_free(&a->session.mem, a->session.about, strlen(a->session.about) + 1);
	assert_int_equal(a->session.mem.used, 0);
	free(a);
}

static void answered(struct auth *auth, const struct stream_name *name, enum reason why)
{
	struct asker *a = container_of(auth, struct asker, auth);

	assert_string_equal(name->params, a->name.params);
	assert_false(auth_is_pending(auth));
	a->answered = true;
	a->why = why;
}

static enum reason ask(struct asker *a, enum auth_kind kind)
{
	struct auth_request q = {.kind = kind, .name = &a->name};

	return auth_check(&a->auth, &a->session, &q, a->key, answered);
}

static void set(const char *name, const char *config)
{
	json_t *o = json_loads(config, 0, NULL);
	struct ctl_error e;

	assert_int_equal(domains_set(name, o, &e), 0);
	json_decref(o);
}

static int up(void **state)
{
	struct node *n = node_new();

	*state = n;
	if (event_queue_open())
		return -1;
	return domains_start(&n->engine, "/nonexistent/domains.json", false);
}

static int down(void **state)
{
	struct node *n = *state;

	event_queue_heard();
	event_queue_close();
	event_queue_lost();
	core_turn(&n->core, n->now_us);
	quiet_sleep(&n->quiet, 0);
	auth_remote_fini();
	domains_fini();
	blocks_fini();
	node_free(n);
	return 0;
}

/* The questions that were asked since the last time; *last: the last one's number. */
static unsigned questions(uint64_t *last)
{
	unsigned n = 0;
	struct event e;

	event_queue_heard();
	while (event_take(&e)) {
		n += e.kind == EVENT_AUTH_ASK;
		if (last && e.kind == EVENT_AUTH_ASK)
			*last = e.number;
		free(e.more);
	}
	return n;
}

static void test_U3_without_domains_only_this_machine_is_served(void **state)
{
	struct node *n = *state;
	struct asker *a = asker_new(n, "any.example.com", "a", "");

	assert_int_equal(ask(a, AUTH_PLAY), REASON_DOMAIN_UNKNOWN);
	assert_string_equal(a->key, "any.example.com/live/a");
	assert_int_equal(ask(a, AUTH_PUBLISH), REASON_DOMAIN_UNKNOWN);
	a->session.local = true;
	assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_string_equal(a->key, "default/live/a");
	a->session.local = false;
	assert_int_equal(net_addr_parse(&a->conn.peer, "[::1]:7"), 0);
	assert_int_equal(ask(a, AUTH_PUBLISH), REASON_NONE);
	assert_int_equal(net_addr_parse(&a->conn.peer, "192.0.2.7:7"), 0);
	node_set(n, "domain.open", "true");
	assert_int_equal(ask(a, AUTH_PUBLISH), REASON_NONE);
	set("push.x", "{\"type\":\"ingest\"}");
	assert_int_equal(ask(a, AUTH_PUBLISH), REASON_DOMAIN_UNKNOWN);
	a->session.local = true;
	assert_int_equal(ask(a, AUTH_PUBLISH), REASON_DOMAIN_UNKNOWN);
	assert_int_equal(node_count(n, CTR_AUTH_REFUSED), 4);
	assert_int_equal(node_count(n, CTR_AUTH_ALLOWED), 3);
	asker_free(a);
}

static void test_a_pass_opens_its_stream_and_no_other(void **state)
{
	struct node *n = *state;
	struct asker *a = asker_new(n, "push.x", "a", "");
	char text[1024], digest[DIGEST_TEXT];

	set("push.x",
	    "{\"type\":\"ingest\",\"enabled\":false,\"auth\":{\"type\":\"a\",\"key1\":\"a-key-1\"}}");
	snprintf(text, sizeof(text), "%spush.x/live/a", inner_key());
	snprintf(a->name.params, sizeof(a->name.params), "pass=%s", digest_text(digest, text));
	assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_string_equal(a->key, "push.x/live/a");
	assert_true(a->auth.inner);
	strcpy(a->name.name, "b");
	assert_int_equal(ask(a, AUTH_PLAY), REASON_DOMAIN_UNKNOWN);
	strcpy(a->name.domain, "_relay");
	assert_int_equal(ask(a, AUTH_PUBLISH), REASON_DOMAIN_OURS);
	asker_free(a);
}

static void test_who_is_allowed_costs_no_allocation(void **state)
{
	struct node *n = *state;
	struct asker *a = asker_new(n, "play.x", "a", "");
	char token[SIGN_TEXT_MAX];
	uint64_t before;

	set("play.x",
	    "{\"type\":\"play\",\"center\":\"push.x\",\"auth\":{\"type\":\"a\",\"key1\":\"a-key-1\"},"
	    "\"ip\":{\"allow\":[\"192.0.2.0/24\"]},\"referer\":{\"mode\":\"allow\",\"list\":[\"x\"]}}");
	sign_make(token, "a-key-1", "/live/a", clock_wall_ms() / 1000, "0", "0");
	snprintf(a->name.params, sizeof(a->name.params), "auth_key=%s", token);
	assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_string_equal(a->key, "push.x/live/a");
	before = n->core.allocs;
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_int_equal(n->core.allocs, before);
	asker_free(a);
}

#define REMOTE(more) "{\"type\":\"play\",\"remote\":{\"play\":true,\"timeout_ms\":1000" more "}}"

static void test_remote_one_question_for_all_who_ask_the_same(void **state)
{
	struct node *n = *state;
	struct asker *a[8], *other;
	uint64_t number = 0;

	set("play.x", REMOTE(""));
	for (unsigned i = 0; i < array_len(a); i++) {
		a[i] = asker_new(n, "play.x", "a", "t=1");
		assert_int_equal(ask(a[i], AUTH_PLAY), REASON_NONE);
		assert_true(auth_is_pending(&a[i]->auth));
	}
	other = asker_new(n, "play.x", "a", "t=1");
	assert_int_equal(net_addr_parse(&other->conn.peer, "192.0.2.8:1000"), 0);
	assert_int_equal(ask(other, AUTH_PLAY), REASON_NONE);
	assert_int_equal(questions(&number), 2); /* another address is another question */
	asker_free(other);
	assert_true(auth_remote_answer(&n->engine, number, REASON_NONE, 0, n->now_us));
	core_turn(&n->core, n->now_us);
	assert_false(a[0]->answered);
	set("play.x", REMOTE(",\"by_address\":false"));
	other = asker_new(n, "play.x", "a", "t=2");
	assert_int_equal(ask(other, AUTH_PLAY), REASON_NONE);
	assert_int_equal(questions(&number), 1);
	assert_true(auth_remote_answer(&n->engine, number, REASON_REMOTE_DENIED, -1, n->now_us));
	assert_false(auth_remote_answer(&n->engine, number, REASON_NONE, -1, n->now_us));
	core_turn(&n->core, n->now_us);
	assert_true(other->answered && other->why == REASON_REMOTE_DENIED);
	assert_int_equal(net_addr_parse(&other->conn.peer, "192.0.2.9:1000"), 0);
	assert_int_equal(ask(other, AUTH_PLAY), REASON_REMOTE_DENIED); /* known */
	asker_free(other);
	for (unsigned i = 0; i < array_len(a); i++)
		asker_free(a[i]); /* they leave before their time is over */
	node_pass_ms(n, 2000);
	assert_int_equal(node_count(n, CTR_AUTH_LATE), 0);
}

static void test_remote_answers_hold_for_their_ttl(void **state)
{
	struct node *n = *state;
	struct asker *a = asker_new(n, "play.x", "a", "t=1");
	uint64_t number = 0;

	set("play.x", REMOTE(",\"ttl_ms\":5000"));
	assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_int_equal(questions(&number), 1);
	assert_true(auth_remote_answer(&n->engine, number, REASON_NONE, -1, n->now_us));
	core_turn(&n->core, n->now_us);
	assert_true(a->answered && a->why == REASON_NONE);
	node_pass_ms(n, 4900);
	assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_false(auth_is_pending(&a->auth));
	assert_int_equal(node_count(n, CTR_AUTH_CACHED), 1);
	node_pass_ms(n, 200);
	assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_true(auth_is_pending(&a->auth));
	assert_int_equal(questions(&number), 1);
	asker_free(a);
}

static void test_remote_silence_ends_as_the_domain_says(void **state)
{
	struct node *n = *state;
	struct asker *a = asker_new(n, "play.x", "a", "t=1"), *b;
	uint64_t number = 0;

	set("play.x", REMOTE(""));
	set("open.x", REMOTE(",\"fail_open\":true"));
	b = asker_new(n, "open.x", "a", "t=1");
	assert_int_equal(ask(a, AUTH_PLAY), REASON_NONE);
	assert_int_equal(ask(b, AUTH_PLAY), REASON_NONE);
	questions(&number);
	node_pass_ms(n, 990);
	assert_false(a->answered || b->answered);
	node_pass_ms(n, 20);
	assert_true(a->answered && a->why == REASON_REMOTE_UNANSWERED);
	assert_true(b->answered && b->why == REASON_NONE);
	assert_int_equal(node_count(n, CTR_AUTH_LATE), 2);
	/* What comes late is good for the next one. */
	assert_true(auth_remote_answer(&n->engine, number, REASON_NONE, 60000, n->now_us));
	assert_int_equal(ask(b, AUTH_PLAY), REASON_NONE);
	assert_false(auth_is_pending(&b->auth));
	asker_free(a);
	asker_free(b);
}

static void test_remote_a_flood_of_made_up_tokens_stays_within_its_bounds(void **state)
{
	struct node *n = *state;
	unsigned waiting = 0, busy = 0;
	uint64_t number = 0;

	node_set(n, "limits.asking", "50");
	set("play.x", REMOTE(""));
	for (int i = 0; i < 2000; i++) {
		struct asker *a = asker_new(n, "play.x", "a", "");
		enum reason why;

		snprintf(a->name.params, sizeof(a->name.params), "t=%d", i);
		why = ask(a, AUTH_PLAY);
		assert_true(why == REASON_NONE || why == REASON_CAP_ASKING);
		waiting += auth_is_pending(&a->auth);
		busy += why == REASON_CAP_ASKING;
		if (i % 40 == 0) { /* answered and refused; the others leave */
			assert_int_equal(questions(&number), 1 + 39 * (i > 0));
			assert_true(auth_remote_answer(&n->engine, number, REASON_REMOTE_DENIED,
						       60000, n->now_us));
			core_turn(&n->core, n->now_us);
			assert_true(a->answered);
		}
		asker_free(a);
		n->now_us += 1000;
	}
	assert_int_equal(waiting, 2000);
	assert_int_equal(busy, 0);
}

static void test_P6_a_name_that_did_not_come_is_not_asked_for_again(void **state)
{
	struct node *n = *state;
	struct stream_name name = {"play.x", "live", "a", "t=1"};

	core_turn(&n->core, n->now_us);
	assert_true(wanted(&n->core, "push.x/live/a", &name));
	assert_true(wanted(&n->core, "push.x/live/a", &name));
	assert_int_equal(node_count(n, CTR_WANTED), 1);
	node_pass_ms(n, 1000);
	assert_true(wanted(&n->core, "push.x/live/a", &name));
	assert_int_equal(node_count(n, CTR_WANTED), 2);
	wanted_in_vain(&n->core, "push.x/live/a", 5000);
	node_pass_ms(n, 4990);
	assert_false(wanted(&n->core, "push.x/live/a", &name));
	assert_true(wanted(&n->core, "push.x/live/b", &name));
	node_pass_ms(n, 20);
	assert_true(wanted(&n->core, "push.x/live/a", &name));
	assert_int_equal(node_count(n, CTR_WANTED), 4);
}

int main(void)
{
#define t(name) cmocka_unit_test_setup_teardown(name, up, down)
	const struct CMUnitTest tests[] = {
		t(test_U3_without_domains_only_this_machine_is_served),
		t(test_a_pass_opens_its_stream_and_no_other),
		t(test_who_is_allowed_costs_no_allocation),
		t(test_remote_one_question_for_all_who_ask_the_same),
		t(test_remote_answers_hold_for_their_ttl),
		t(test_remote_silence_ends_as_the_domain_says),
		t(test_remote_a_flood_of_made_up_tokens_stays_within_its_bounds),
		t(test_P6_a_name_that_did_not_come_is_not_asked_for_again),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
