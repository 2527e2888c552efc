/* SPDX-License-Identifier: Apache-2.0 */
/* RTMP pushes: how they begin, run, wait, and leave. */
#include "tests/unit/session/leg_peers.h"

static void push_starts(struct node *n, uint32_t stream_id)
{
	struct rtmp_peer encoder, r;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	node_turn(n);
	assert_string_equal(leg_text(n, true, "a", "state"), "waiting");
	encoder_open(&encoder, n, "a");
	destination_open(&r, &at, stream_id);
	next_media(&r);
	assert_int_equal(r.last.type, MSG_DATA);
	assert_int_equal(r.last.stream_id, stream_id);
	assert_memory_equal(r.last.data, "\2\0\15@setDataFrame\2\0\12onMetaData", 29);
	next_media(&r);
	assert_int_equal(r.last.len, sizeof(video_header));
	assert_memory_equal(r.last.data, video_header, sizeof(video_header));
	next_media(&r);
	assert_int_equal(r.last.ts_ms, 40);
	assert_int_equal(r.last.stream_id, stream_id);
	assert_memory_equal(r.last.data, key_frame, sizeof(key_frame));
	node_pass_ms(n, 600);
	leg_until(n, true, "a", "running");
	for (int i = 1; i < 50; i++) {
		rtmp_peer_msg(&encoder, MSG_VIDEO, 1, 40 + i * 40, frame, sizeof(frame));
		next_media(&r);
		assert_int_equal(r.last.ts_ms, 40 + i * 40);
		assert_int_equal(r.last.stream_id, stream_id);
		assert_memory_equal(r.last.data, frame, sizeof(frame));
	}
	node_pass_ms(n, 600);
	/* The key frame and what followed; headers are nobody's messages. */
	assert_int_equal(shm_get(&leg_numbers(n, true, "a")->messages), 50);
	rtmp_peer_close(&encoder);
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_C9_a_push_starts_with_wrapped_metadata_headers_and_a_key_frame(void **state)
{
	push_starts(*state, 1);
}

static void test_a_destination_with_another_message_stream_id_gets_its_own(void **state)
{
	push_starts(*state, 7);
}

static void test_C5_a_push_says_goodbye_waits_and_goes_on_when_the_stream_is_back(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, r;
	struct rtmp_cmd cmd;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	encoder_open(&encoder, n, "a");
	destination_open(&r, &at, 1);
	next_media(&r);
	rtmp_peer_close(&encoder);
	rtmp_peer_expect(&r, RTMP_CMD_FC_UNPUBLISH, &cmd);
	rtmp_peer_expect(&r, RTMP_CMD_DELETE_STREAM, &cmd);
	leg_until(n, true, "a", "waiting");
	assert_string_equal(leg_text(n, true, "a", "reason"), "source_lost");
	rtmp_peer_close(&r);
	encoder_open(&encoder, n, "a");
	destination_open(&r, &at, 1);
	next_media(&r);
	assert_int_equal(r.last.type, MSG_DATA);
	rtmp_peer_close(&encoder);
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_P8_a_destination_that_takes_nothing_fails_and_nobody_else_notices(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, r;
	uint8_t *big = calloc(1, 1 << 20);
	struct remote at;

	memcpy(big, frame, sizeof(frame));
	remote_open(&at, n);
	encoder_open(&encoder, n, "a");
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	destination_open(&r, &at, 1);
	next_media(&r);
	for (int i = 1; strcmp(leg_text(n, true, "a", "state"), "failed") != 0; i++) {
		assert_true(i < 200);
		rtmp_peer_msg(&encoder, MSG_VIDEO, 1, 40 + i * 500, big, 1 << 20);
		node_pass_ms(n, 500);
	}
	assert_string_equal(leg_text(n, true, "a", "reason"), reason_name(REASON_REMOTE_SLOW));
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 1);
	rtmp_peer_close(&encoder);
	rtmp_peer_close(&r);
	remote_close(&at);
	free(big);
}

static void test_P3_a_destination_that_closes_soon_after_accepting_never_ran(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, r;
	struct remote at;
	struct event e;

	remote_open(&at, n);
	encoder_open(&encoder, n, "a");
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	destination_open(&r, &at, 1);
	next_media(&r);
	node_pass_ms(n, 200);
	rtmp_peer_close(&r);
	leg_fails(n, true, "a", REASON_REMOTE_CLOSED);
	assert_non_null(strstr(leg_text(n, true, "a", "detail"), "accepted publish"));
	while (event_take(&e))
		assert_true(e.kind != EVENT_PUSH || strcmp(e.state, "running") != 0);
	rtmp_peer_close(&encoder);
	remote_close(&at);
}

static void test_a_removed_push_says_goodbye_between_two_messages_and_closes(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, r;
	struct rtmp_cmd cmd;
	struct remote at;

	remote_open(&at, n);
	encoder_open(&encoder, n, "a");
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	destination_open(&r, &at, 1);
	next_media(&r);
	assert_true(relay_remove(&n->engine, "a", true));
	rtmp_peer_expect(&r, RTMP_CMD_FC_UNPUBLISH, &cmd);
	rtmp_peer_expect(&r, RTMP_CMD_DELETE_STREAM, &cmd);
	peer_until_eof(&r.peer);
	assert_int_equal(node_closes(n, REASON_REMOVED), 1);
	assert_int_equal(node_count(n, CTR_PUSHES), 0);
	rtmp_peer_close(&encoder);
	rtmp_peer_close(&r);
	remote_close(&at);
}

/* As much as the encoder is told to send, until the destination's window is full. */
static void fill_window(struct node *n, struct rtmp_peer *encoder, const uint8_t *big)
{
	for (int i = 1; i <= 24; i++) {
		rtmp_peer_msg(encoder, MSG_VIDEO, 1, 40 + i * 40, big, 1 << 20);
		node_pass_ms(n, 40);
	}
}

static void test_a_removed_push_does_not_wait_long_for_who_takes_nothing(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, r;
	uint8_t *big = calloc(1, 1 << 20);
	struct remote at;

	memcpy(big, frame, sizeof(frame));
	remote_open(&at, n);
	encoder_open(&encoder, n, "a");
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	destination_open(&r, &at, 1);
	next_media(&r);
	fill_window(n, &encoder, big);
	assert_true(relay_remove(&n->engine, "a", true));
	node_turn(n);
	assert_int_equal(node_closes(n, REASON_REMOVED), 0);
	node_pass_ms(n, 2500);
	assert_int_equal(node_closes(n, REASON_REMOVED), 1);
	rtmp_peer_close(&encoder);
	rtmp_peer_close(&r);
	remote_close(&at);
	free(big);
}

#define BIG 60000 /* what a peer of this kind keeps */

static void test_P8_another_push_of_the_stream_gets_every_packet(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, slow, good;
	uint8_t *big = calloc(1, BIG);
	struct remote at[2];
	int i;

	memcpy(big, frame, sizeof(frame));
	remote_open(&at[0], n);
	remote_open(&at[1], n);
	encoder_open(&encoder, n, "a");
	leg_to(n, true, "slow", "live/a", "rtmp://127.0.0.1:%u/live/x", at[0].port);
	destination_open(&slow, &at[0], 1);
	next_media(&slow);
	leg_to(n, true, "good", "live/a", "rtmp://127.0.0.1:%u/live/x", at[1].port);
	destination_open(&good, &at[1], 1);
	for (i = 0; i < 3; i++) /* metadata, header, key frame */
		next_media(&good);
	for (i = 1; strcmp(leg_text(n, true, "slow", "state"), "failed") != 0; i++) {
		assert_true(i < 400);
		rtmp_peer_msg(&encoder, MSG_VIDEO, 1, 40 + i * 500, big, BIG);
		next_media(&good);
		assert_int_equal(good.last.ts_ms, 40 + i * 500);
		assert_int_equal(good.last.len, BIG);
		node_pass_ms(n, 500);
	}
	assert_string_equal(leg_text(n, true, "slow", "reason"), reason_name(REASON_REMOTE_SLOW));
	assert_string_equal(leg_text(n, true, "good", "state"), "running");
	assert_int_equal(shm_get(&leg_numbers(n, true, "good")->skips), 0);
	rtmp_peer_close(&encoder);
	rtmp_peer_close(&slow);
	rtmp_peer_close(&good);
	remote_close(&at[0]);
	remote_close(&at[1]);
	free(big);
}

static void test_P9_a_source_gap_shorter_than_the_hold_keeps_the_connection(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, r;
	struct remote at;
	int64_t before;

	remote_open(&at, n);
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	encoder_open(&encoder, n, "a");
	destination_open(&r, &at, 1);
	for (int i = 0; i < 3; i++)
		next_media(&r);
	before = r.last.ts_ms;
	node_pass_ms(n, 600);
	rtmp_peer_close(&encoder);
	node_until(n, node_count(n, CTR_PUBLISHERS) == 0);
	node_pass_ms(n, 1000);
	assert_string_equal(leg_text(n, true, "a", "state"), "running");
	encoder_open(&encoder, n, "a");
	do
		next_media(&r);
	while (r.last.type != MSG_VIDEO || r.last.len != sizeof(key_frame));
	assert_true(r.last.ts_ms > before && r.last.ts_ms < before + 60000);
	assert_true(accept(at.fd, NULL, NULL) < 0);
	assert_string_equal(leg_text(n, true, "a", "state"), "running");
	rtmp_peer_close(&encoder);
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_P9_a_longer_gap_ends_the_push_with_a_goodbye(void **state)
{
	struct node *n = *state;
	struct rtmp_peer encoder, r;
	struct rtmp_cmd cmd;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, true, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	encoder_open(&encoder, n, "a");
	destination_open(&r, &at, 1);
	next_media(&r);
	rtmp_peer_close(&encoder);
	node_until(n, node_count(n, CTR_PUBLISHERS) == 0);
	node_pass_ms(n, (uint64_t)n->conf.publish_hold + 500);
	rtmp_peer_expect(&r, RTMP_CMD_FC_UNPUBLISH, &cmd);
	rtmp_peer_expect(&r, RTMP_CMD_DELETE_STREAM, &cmd);
	leg_until(n, true, "a", "waiting");
	rtmp_peer_close(&r);
	remote_close(&at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
		T(test_C9_a_push_starts_with_wrapped_metadata_headers_and_a_key_frame),
		T(test_a_destination_with_another_message_stream_id_gets_its_own),
		T(test_C5_a_push_says_goodbye_waits_and_goes_on_when_the_stream_is_back),
		T(test_P8_a_destination_that_takes_nothing_fails_and_nobody_else_notices),
		T(test_P3_a_destination_that_closes_soon_after_accepting_never_ran),
		T(test_a_removed_push_says_goodbye_between_two_messages_and_closes),
		T(test_a_removed_push_does_not_wait_long_for_who_takes_nothing),
		T(test_P8_another_push_of_the_stream_gets_every_packet),
		T(test_P9_a_source_gap_shorter_than_the_hold_keeps_the_connection),
		T(test_P9_a_longer_gap_ends_the_push_with_a_goodbye),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
