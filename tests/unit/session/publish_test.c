/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/session/rtmp_peer.h"

#include "media/flv.h"
#include "net/backend.h"

/* A connection of nobody's: the seam is asked about it and knows nothing. */
static const struct net_backend no_backend = {.name = "none"};
static struct net no_net = {.backend = &no_backend};

struct publisher {
	struct session session;
	struct net_conn conn;
	struct publish publish;
};

static void forget(struct publisher *p)
{
	if (p->session.about)
		mem_free(&p->session.mem, p->session.about, strlen(p->session.about) + 1);
	p->session.about = NULL;
	assert_int_equal(p->session.mem.used, 0);
}

static enum reason begin(struct publisher *p, struct node *n, const char *key, bool pull)
{
	static const struct session_ops ops = {.protocol = "test"};
	enum reason why;

	*p = (struct publisher){.session = {.ops = &ops, .core = &n->core}};
	p->conn.peer.sa.sa_family = AF_INET;
	p->conn.net = &no_net;
	p->session.conn = &p->conn;
	p->session.mem.max = 4096;
	why = publish_begin(&p->publish, &p->session, key, false, pull);
	if (why != REASON_NONE)
		forget(p);
	return why;
}

static void begun(struct publish *p, enum reason why)
{
	fail(); /* on one core every answer is there at once */
}

static enum reason ask(struct publisher *p, struct node *n, const char *address, const char *params)
{
	static const struct session_ops ops = {.protocol = "test"};

	memset(p, 0, sizeof(*p));
	p->session.ops = &ops;
	p->session.core = &n->core;
	assert_int_equal(net_addr_parse(&p->conn.peer, address), 0);
	p->conn.net = &no_net;
	p->session.conn = &p->conn;
	p->session.mem.max = 4096;
	return publish_ask(&p->publish, &p->session, "default/live/a", params, false, begun);
}

static void lost(struct publisher *p)
{
	publish_end(&p->publish, REASON_PEER_RESET);
	forget(p);
}

static void end(struct publisher *p)
{
	publish_end(&p->publish, REASON_UNPUBLISHED);
	publish_end(&p->publish, REASON_UNPUBLISHED);
	forget(p);
}

static void message(struct publisher *p, uint8_t type, int64_t ts_ms, const void *data, size_t n)
{
	struct msg m = {type, 1, 0, ts_ms, (uint32_t)n, data};

	publish_message(&p->publish, &m);
	publish_flush(&p->publish);
}

/* Asks as a timer would, for that long; the first reason that is given. */
static enum reason watch_ms(struct publisher *p, struct node *n, uint64_t ms, bool send)
{
	uint64_t end_us = n->now_us + ms * 1000, next_ms;
	enum reason why = REASON_NONE;

	while (why == REASON_NONE && n->now_us < end_us) {
		why = publish_watch(&p->publish, &next_ms);
		assert_true(next_ms > 0);
		node_pass_ms(n, min_of(next_ms, (end_us - n->now_us) / 1000 + 1));
		if (send)
			message(p, MSG_VIDEO, (int64_t)n->now_us / 1000, avc_key, sizeof(avc_key));
	}
	return why;
}

static void test_one_publisher_a_name_and_it_is_free_afterwards(void **state)
{
	struct node *n = *state;
	struct publisher a, b;

	assert_int_equal(begin(&a, n, "default/live/a", false), REASON_NONE);
	assert_int_equal(begin(&b, n, "default/live/a", false), REASON_STREAM_BUSY);
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 1);
	end(&a);
	assert_int_equal(begin(&b, n, "default/live/a", false), REASON_NONE);
	end(&b);
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 0);
}

static void test_H6_who_returns_within_the_hold_has_the_same_stream(void **state)
{
	struct node *n = *state;
	struct publisher a, b;
	struct stream *s;

	assert_int_equal(ask(&a, n, "10.0.0.1:1", "k=1"), REASON_NONE);
	s = stream_get(a.publish.stream);
	lost(&a);
	assert_true(stream_is_live(s) && stream_is_held(s));
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 0);
	node_pass_ms(n, 2900);
	assert_int_equal(ask(&b, n, "10.0.0.2:1", ""), REASON_NONE);
	assert_ptr_equal(b.publish.stream, s);
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 1);
	lost(&b);
	node_pass_ms(n, 3100);
	assert_false(stream_is_live(s));
	stream_put(s, &n->core);
}

static void test_C4_only_a_policy_makes_the_first_one_give_way(void **state)
{
	static const struct {
		const char *policy, *address, *params;
		bool replaces;
	} cases[] = {
		{"reject", "10.0.0.1:2", "k=1", false},
		{"replace_same", "10.0.0.1:2", "k=1", true},
		{"replace_same", "10.0.0.1:2", "k=2", false},
		{"replace_same", "10.0.0.1:2", "", false},
		{"replace_same", "10.0.0.11:2", "k=1", false},
		{"replace_same", "[2001:db8::1]:2", "k=1", false},
		{"replace", "10.0.0.9:2", "", true},
	};
	struct node *n = *state;

	for (size_t i = 0; i < array_len(cases); i++) {
		struct rtmp_peer old;
		struct publisher p;
		struct publish *first;
		struct stream *s;
		char *who;

		node_set(n, "publish.policy", cases[i].policy);
		rtmp_peer_publish(&old, n, "a?k=1");
		s = stream_find(n->engine.registry, "default/live/a");
		first = s->publisher;
		/* The test's peers have no address to choose. */
		who = mem_resize(&first->session->mem, first->who, strlen(first->who) + 1, 13);
		first->who = memcpy(who, "10.0.0.1 k=1", 13);
		assert_int_equal(ask(&p, n, cases[i].address, cases[i].params),
				 cases[i].replaces ? REASON_NONE : REASON_STREAM_BUSY);
		assert_true(s->publisher == (cases[i].replaces ? &p.publish : first));
		assert_int_equal(node_count(n, CTR_PUBLISHERS), 1);
		lost(&p);
		rtmp_peer_close(&old);
		node_until(n, node_count(n, CTR_PUBLISHERS) == 0);
		node_pass_ms(n, 3100);
		stream_put(s, &n->core);
	}
	assert_int_equal(node_closes(n, REASON_REPLACED), 2);
}

static void test_C4_a_pull_replaces_nobody(void **state)
{
	struct node *n = *state;
	struct publisher a, b;

	node_set(n, "publish.policy", "replace");
	assert_int_equal(ask(&a, n, "10.0.0.1:1", ""), REASON_NONE);
	assert_int_equal(begin(&b, n, "default/live/a", true), REASON_STREAM_BUSY);
	end(&b);
	end(&a);
}

static void test_names_that_are_no_names_and_too_many_streams(void **state)
{
	struct node *n = *state;
	static struct publisher p[65];
	char key[64];

	assert_int_equal(begin(&p[0], n, "", false), REASON_BAD_NAME);
	for (unsigned i = 0; i < 64; i++) {
		snprintf(key, sizeof(key), "default/live/%u", i);
		assert_int_equal(begin(&p[i], n, key, false), REASON_NONE);
	}
	assert_int_equal(begin(&p[64], n, "default/live/x", false), REASON_CAP_STREAMS);
	for (unsigned i = 0; i < 64; i++)
		end(&p[i]);
}

static void test_C13_an_aggregate_is_taken_apart(void **state)
{
	struct node *n = *state;
	struct publisher p;
	uint8_t room[512];
	struct wr w = wr_of(room, sizeof(room));
	struct msg tag = {MSG_VIDEO, 1, 0, 5000, sizeof(avc_header), avc_header};

	flv_tag(&w.sink, &tag);
	tag = (struct msg){MSG_AUDIO, 1, 0, 5020, sizeof(aac_header), aac_header};
	flv_tag(&w.sink, &tag);
	tag = (struct msg){MSG_VIDEO, 1, 0, 5040, sizeof(avc_key), avc_key};
	flv_tag(&w.sink, &tag);
	wr_bytes(&w, "\x09\xff", 2);
	assert_int_equal(begin(&p, n, "default/live/a", false), REASON_NONE);
	message(&p, MSG_AGGREGATE, 100, room, wr_len(&w));
	assert_int_equal(shm_get(&p.publish.stream->shm->msgs_video), 2);
	assert_int_equal(shm_get(&p.publish.stream->shm->msgs_audio), 1);
	assert_int_equal(shm_get(&p.publish.stream->shm->keyframes), 1);
	assert_int_equal(node_count(n, CTR_ODD_MESSAGES), 1);
	end(&p);
}

static void test_odd_messages_are_counted_and_change_nothing(void **state)
{
	struct node *n = *state;
	struct publisher p;
	struct msg m = {MSG_VIDEO, 1, 0, 0, sizeof(avc_key), avc_key};

	assert_int_equal(begin(&p, n, "default/live/a", false), REASON_NONE);
	message(&p, MSG_VIDEO, 0, avc_key, 0);
	message(&p, MSG_SHARED_OBJECT, 0, avc_key, sizeof(avc_key));
	assert_int_equal(node_count(n, CTR_ODD_MESSAGES), 2);
	assert_int_equal(p.publish.first_media_us, 0);
	end(&p);
	publish_message(&p.publish, &m);
	assert_int_equal(node_count(n, CTR_ODD_MESSAGES), 3);
}

static void test_T4_first_media_has_its_deadline(void **state)
{
	struct node *n = *state;
	struct publisher p;

	assert_int_equal(begin(&p, n, "default/live/a", false), REASON_NONE);
	assert_int_equal(watch_ms(&p, n, 14900, false), REASON_NONE);
	assert_int_equal(watch_ms(&p, n, 300, false), REASON_FIRST_MEDIA_TIMEOUT);
	end(&p);
}

static void test_T19_media_that_stops_is_noticed(void **state)
{
	struct node *n = *state;
	struct publisher p;

	assert_int_equal(begin(&p, n, "default/live/a", false), REASON_NONE);
	message(&p, MSG_VIDEO, 0, avc_header, sizeof(avc_header));
	assert_int_equal(watch_ms(&p, n, 20000, true), REASON_NONE);
	assert_int_equal(watch_ms(&p, n, 9900, false), REASON_NONE);
	assert_int_equal(watch_ms(&p, n, 2600, false), REASON_MEDIA_TIMEOUT);
	end(&p);
}

static void test_M6_a_pull_without_a_sequence_header_says_so(void **state)
{
	struct node *n = *state;
	struct publisher pull, encoder;

	assert_int_equal(begin(&pull, n, "default/live/a", true), REASON_NONE);
	message(&pull, MSG_VIDEO, 0, avc_key, sizeof(avc_key));
	assert_int_equal(watch_ms(&pull, n, 9900, true), REASON_NONE);
	assert_int_equal(watch_ms(&pull, n, 2600, true), REASON_NO_SEQUENCE_HEADER);
	end(&pull);
	/* An encoder may still send it. */
	assert_int_equal(begin(&encoder, n, "default/live/a", false), REASON_NONE);
	message(&encoder, MSG_VIDEO, 0, avc_key, sizeof(avc_key));
	assert_int_equal(watch_ms(&encoder, n, 30000, true), REASON_NONE);
	end(&encoder);
}

static void test_M6_a_header_in_time_is_fine(void **state)
{
	struct node *n = *state;
	struct publisher p;

	assert_int_equal(begin(&p, n, "default/live/a", true), REASON_NONE);
	message(&p, MSG_VIDEO, 0, avc_key, sizeof(avc_key));
	assert_int_equal(watch_ms(&p, n, 9000, true), REASON_NONE);
	message(&p, MSG_VIDEO, 9000, avc_header, sizeof(avc_header));
	assert_int_equal(watch_ms(&p, n, 30000, true), REASON_NONE);
	end(&p);
}

#define with_node(test) cmocka_unit_test_setup_teardown(test, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_node(test_one_publisher_a_name_and_it_is_free_afterwards),
		with_node(test_H6_who_returns_within_the_hold_has_the_same_stream),
		with_node(test_C4_only_a_policy_makes_the_first_one_give_way),
		with_node(test_C4_a_pull_replaces_nobody),
		with_node(test_names_that_are_no_names_and_too_many_streams),
		with_node(test_C13_an_aggregate_is_taken_apart),
		with_node(test_odd_messages_are_counted_and_change_nothing),
		with_node(test_T4_first_media_has_its_deadline),
		with_node(test_T19_media_that_stops_is_noticed),
		with_node(test_M6_a_pull_without_a_sequence_header_says_so),
		with_node(test_M6_a_header_in_time_is_fine),
	};

	return cmocka_run_group_tests_name("session/publish", tests, NULL, NULL);
}
