/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/session/rtmp_peer.h"

#include "media/flv.h"

struct publisher {
	struct session session;
	struct net_conn conn;
	struct publish publish;
};

static enum reason begin(struct publisher *p, struct node *n, const char *key, bool pull)
{
	static const struct session_ops ops = {.protocol = "test"};

	*p = (struct publisher){.session = {.ops = &ops, .core = &n->core}};
	p->conn.peer.sa.sa_family = AF_INET;
	p->session.conn = &p->conn;
	p->session.mem.max = 4096;
	return publish_begin(&p->publish, &p->session, key, false, pull);
}

static void end(struct publisher *p)
{
	publish_end(&p->publish, REASON_UNPUBLISHED);
	publish_end(&p->publish, REASON_UNPUBLISHED);
	mem_free(&p->session.mem, p->session.about,
		 p->session.about ? strlen(p->session.about) + 1 : 0);
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
