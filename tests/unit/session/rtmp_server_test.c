/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/session/rtmp_peer.h"

/* ---- what is no RTMP ---- */

static void test_T1_other_protocols_are_closed_with_their_own_reason(void **state)
{
	static const char *const first[] = {"\x16\x03\x01", "GET / HTTP/1.1\r\n", "PROXY TCP4",
					    "\x06"};
	struct node *n = *state;
	struct peer p;

	for (unsigned i = 0; i < array_len(first); i++) {
		peer_open(&p, n, 0);
		peer_send(&p, first[i], strlen(first[i]));
		peer_until_eof(&p);
		assert_int_equal(p.in_n, 0);
		assert_int_equal(node_closes(n, REASON_NOT_RTMP), i + 1);
		peer_close(&p);
	}
}

static void test_T1_an_empty_connection_is_a_probe(void **state)
{
	struct node *n = *state;
	struct peer p;

	peer_open(&p, n, 0);
	peer_close(&p);
	node_until(n, node_closes(n, REASON_PROBE) == 1);
	assert_int_equal(node_closes(n, REASON_PEER_CLOSED), 0);
}

static void test_T4_a_stalled_handshake_has_a_deadline(void **state)
{
	struct node *n = *state;
	struct peer p;

	peer_open(&p, n, 0);
	peer_send(&p, "\x03", 1);
	node_until(n, node_count(n, CTR_BYTES_IN) == 1);
	node_pass_ms(n, 9900);
	assert_int_equal(node_closes(n, REASON_HANDSHAKE_TIMEOUT), 0);
	node_pass_ms(n, 200);
	assert_int_equal(node_closes(n, REASON_HANDSHAKE_TIMEOUT), 1);
	peer_until_eof(&p);
	peer_close(&p);
}

static void test_T4_connected_without_publish_or_play_has_the_same_deadline(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;

	rtmp_peer_open(&r, n);
	rtmp_peer_connect(&r, "live");
	node_pass_ms(n, 10100);
	assert_int_equal(node_closes(n, REASON_HANDSHAKE_TIMEOUT), 1);
	rtmp_peer_close(&r);
}

static void test_T2_bytes_one_by_one(void **state)
{
	struct node *n = *state;
	uint8_t c0c1c2[1 + 2 * RTMP_HS_HALF] = {3};
	struct peer p;

	peer_open(&p, n, 0);
	for (size_t i = 0; i < 1 + RTMP_HS_HALF; i += 64)
		peer_send(&p, c0c1c2 + i, min_of(64, 1 + RTMP_HS_HALF - i));
	/* All of S0S1S2 comes without C2. */
	node_until(n, (peer_take(&p), p.in_n == RTMP_HS_OUT));
	for (size_t i = 1 + RTMP_HS_HALF; i < sizeof(c0c1c2); i++)
		peer_send(&p, c0c1c2 + i, 1);
	assert_false(p.eof);
	peer_close(&p);
}

/* ---- control messages ---- */

static void test_T18_a_ping_is_answered_with_the_same_bytes(void **state)
{
	static const uint8_t ping[] = {0, 6, 0xde, 0xad, 0xbe, 0xef},
			     unknown[] = {0, 0x1a, 0, 0, 0, 0};
	static const uint8_t pong[] = {0, 7, 0xde, 0xad, 0xbe, 0xef};
	static const uint8_t buffer[] = {0, 3, 0, 0, 0, 1, 0, 0, 3, 0xe8};
	struct rtmp_peer r;

	rtmp_peer_open(&r, *state);
	rtmp_peer_msg(&r, MSG_USER_CONTROL, 0, 0, unknown, sizeof(unknown));
	rtmp_peer_msg(&r, MSG_USER_CONTROL, 0, 0, buffer, sizeof(buffer));
	rtmp_peer_msg(&r, MSG_USER_CONTROL, 0, 0, ping, 3);
	rtmp_peer_msg(&r, MSG_USER_CONTROL, 0, 0, ping, sizeof(ping));
	rtmp_peer_type(&r, MSG_USER_CONTROL);
	assert_int_equal(r.last.len, sizeof(pong));
	assert_memory_equal(r.last.data, pong, sizeof(pong));
	rtmp_peer_close(&r);
}

static void test_T17_bytes_are_acknowledged_though_nobody_asked(void **state)
{
	static uint8_t frame[60000] = {0x27, 1};
	struct node *n = *state;
	struct rtmp_peer r;

	node_set(n, "rtmp.window", "32k");
	rtmp_peer_publish(&r, n, "ack");
	rtmp_peer_gop(&r, 0, true);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 80, frame, sizeof(frame));
	rtmp_peer_type(&r, MSG_ACK);
	assert_int_equal(r.last.len, 4);
	assert_true(get_be32(r.last.data) >= 32768);
	rtmp_peer_close(&r);
}

static void begin_near_the_end(void *arg, struct session *s)
{
	s->conn->bytes_in = rtmp_server_of(s)->acked = UINT32_MAX - 9;
}

static void test_T16_what_is_acknowledged_counts_modulo_4_GiB(void **state)
{
	static uint8_t frame[60000] = {0x27, 1};
	struct node *n = *state;
	uint32_t first;
	struct rtmp_peer r;

	node_set(n, "rtmp.window", "32k");
	rtmp_peer_publish(&r, n, "ack");
	rtmp_peer_gop(&r, 0, true);
	rtmp_peer_taken(n, 5);
	sessions_each(&n->core, begin_near_the_end, NULL);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 80, frame, sizeof(frame));
	rtmp_peer_type(&r, MSG_ACK);
	first = get_be32(r.last.data);
	assert_in_range(first, 32768 - 10, sizeof(frame) + 1000);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 120, frame, sizeof(frame));
	rtmp_peer_type(&r, MSG_ACK);
	assert_in_range(get_be32(r.last.data), first + 32768, first + 2 * sizeof(frame));
	rtmp_peer_close(&r);
}

/* Past 4 GiB, back to 0 as Flash does at 0xF0000000, signed ones that broke: all the same to us. */
static void test_T16_no_acknowledgement_stops_our_sending(void **state)
{
	static const uint32_t acks[] = {0,	    0xefffffff, 0xf0000000, 0,
					0xffffffff, 5,		0x80000000, 0x7fffffff};
	struct node *n = *state;
	struct rtmp_peer from, to;
	uint8_t ack[4];

	rtmp_peer_publish(&from, n, "acked");
	rtmp_peer_gop(&from, 0, true);
	rtmp_peer_taken(n, 5);
	rtmp_peer_open(&to, n);
	rtmp_peer_connect(&to, "live");
	to.playing = true;
	rtmp_peer_call(&to, 1, rtmp_cmd_play, 3, "acked");
	for (unsigned i = 0; i < array_len(acks); i++) {
		put_be32(ack, acks[i]);
		rtmp_peer_msg(&to, MSG_ACK, 0, 0, ack, sizeof(ack));
		rtmp_peer_gop(&from, 80 * (i + 1), false);
		do
			rtmp_peer_type(&to, MSG_VIDEO);
		while (to.last.ts_ms != 80 * (i + 1) + 40);
	}
	rtmp_peer_msg(&to, MSG_ACK, 0, 0, ack, 3);
	rtmp_peer_close(&to);
	rtmp_peer_close(&from);
}

/* Sound that comes between the chunks of a long picture is on its way before the picture is whole. */
static void test_T12_sound_does_not_wait_for_a_long_picture(void **state)
{
	static uint8_t frame[60000] = {0x27, 1, 0, 0, 0, 0, 0, 0xea, 0x57, 0x41};
	struct msg m = {MSG_VIDEO, 1, 0, 200, sizeof(frame), frame};
	struct mem mem = {.max = 1 << 20};
	struct node *n = *state;
	struct rtmp_peer from, to;
	struct buf b;

	rtmp_peer_publish(&from, n, "mixed");
	rtmp_peer_gop(&from, 0, true);
	rtmp_peer_taken(n, 5);
	rtmp_peer_open(&to, n);
	rtmp_peer_connect(&to, "live");
	to.playing = true;
	rtmp_peer_call(&to, 1, rtmp_cmd_play, 3, "mixed");
	buf_init(&b, &mem);
	rtmp_out_msg(&b.sink, &m, 128);
	peer_send(&from.peer, b.p, 12 + 128 + 1 + 128);
	rtmp_peer_msg(&from, MSG_AUDIO, 1, 210, aac_frame, sizeof(aac_frame));
	do
		rtmp_peer_type(&to, MSG_AUDIO);
	while (to.last.ts_ms != 210);
	peer_send(&from.peer, b.p + 12 + 128 + 1 + 128, b.n - (12 + 128 + 1 + 128));
	rtmp_peer_type(&to, MSG_VIDEO);
	assert_int_equal(to.last.ts_ms, 200);
	assert_int_equal(to.last.len, sizeof(frame));
	assert_memory_equal(to.last.data, frame, sizeof(frame));
	buf_fini(&b);
	rtmp_peer_close(&to);
	rtmp_peer_close(&from);
}

static void test_T15_T13_abort_and_odd_chunk_sizes_keep_the_connection(void **state)
{
	static const uint8_t four[4] = {0, 0, 0, 3}, zero[4];
	struct rtmp_cmd cmd;
	struct rtmp_peer r;

	rtmp_peer_open(&r, *state);
	rtmp_peer_msg(&r, MSG_ABORT, 0, 0, four, 4);
	rtmp_peer_msg(&r, MSG_SET_CHUNK_SIZE, 0, 0, zero, 4);
	rtmp_peer_msg(&r, MSG_SHARED_OBJECT, 0, 0, four, 4);
	rtmp_peer_call(&r, 0, rtmp_cmd_create_stream, 9);
	rtmp_peer_expect(&r, RTMP_CMD_RESULT, &cmd);
	assert_true(cmd.txn == 9);
	rtmp_peer_close(&r);
}

static void test_T6_garbage_chunks_end_only_that_connection(void **state)
{
	struct node *n = *state;
	struct rtmp_peer good, bad;

	rtmp_peer_publish(&good, n, "stays");
	rtmp_peer_open(&bad, n);
	peer_send(&bad.peer, "\xff\xff\xff\xff", 4);
	peer_until_eof(&bad.peer);
	assert_int_equal(node_closes(n, REASON_BAD_CHUNK), 1);
	rtmp_peer_gop(&good, 0, true);
	rtmp_peer_taken(n, 5);
	rtmp_peer_close(&bad);
	rtmp_peer_close(&good);
}

/* ---- commands ---- */

static void test_C1_unknown_calls_get_a_result_and_answers_get_none(void **state)
{
	struct rtmp_cmd cmd;
	struct rtmp_peer r;

	rtmp_peer_open(&r, *state);
	rtmp_peer_call(&r, 0, rtmp_cmd_call, "_checkbw", 5, NULL);
	rtmp_peer_expect(&r, RTMP_CMD_RESULT, &cmd);
	assert_true(cmd.txn == 5);
	rtmp_peer_call(&r, 0, rtmp_cmd_result_null, 6);
	rtmp_peer_call(&r, 0, rtmp_cmd_call, "unheardOf", 0, NULL);
	rtmp_peer_call(&r, 0, rtmp_cmd_call, "releaseStream", 7, "x");
	rtmp_peer_type(&r, MSG_COMMAND);
	assert_int_equal(rtmp_cmd_parse(&r.last, &cmd), 0);
	assert_true(cmd.txn == 7);
	rtmp_peer_call(&r, 0, rtmp_cmd_call, "FCPublish", 8, "x");
	rtmp_peer_expect(&r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_expect(&r, RTMP_CMD_ON_FC_PUBLISH, &cmd);
	rtmp_peer_close(&r);
}

static void test_C14_get_stream_length_is_zero(void **state)
{
	struct rtmp_cmd cmd;
	struct rtmp_peer r;

	rtmp_peer_open(&r, *state);
	rtmp_peer_call(&r, 0, rtmp_cmd_call, "getStreamLength", 4, "x");
	rtmp_peer_expect(&r, RTMP_CMD_RESULT, &cmd);
	assert_true(cmd.txn == 4 && cmd.number == 0);
	rtmp_peer_close(&r);
}

static void test_C8_a_malformed_command_ends_the_connection(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;

	rtmp_peer_open(&r, n);
	rtmp_peer_msg(&r, MSG_COMMAND, 0, 0, "\x02\xff\xff", 3);
	peer_until_eof(&r.peer);
	assert_int_equal(node_closes(n, REASON_BAD_COMMAND), 1);
	rtmp_peer_close(&r);
}

static void test_C4_the_second_publisher_is_told_why(void **state)
{
	struct node *n = *state;
	struct rtmp_peer first, second;
	struct rtmp_cmd cmd;

	rtmp_peer_publish(&first, n, "one");
	rtmp_peer_open(&second, n);
	rtmp_peer_connect(&second, "live");
	rtmp_peer_call(&second, 1, rtmp_cmd_publish, 3, "one");
	rtmp_peer_expect(&second, RTMP_CMD_ON_STATUS, &cmd);
	assert_memory_equal(cmd.level.p, "error", 5);
	assert_memory_equal(cmd.code.p, "NetStream.Publish.BadName", cmd.code.n);
	assert_memory_equal(cmd.description.p, "already publishing", cmd.description.n);
	peer_until_eof(&second.peer);
	assert_int_equal(node_closes(n, REASON_STREAM_BUSY), 1);
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 1);
	rtmp_peer_close(&second);
	rtmp_peer_close(&first);
}

static void test_C5_every_way_to_unpublish_keeps_the_connection(void **state)
{
	static const char *const ways[] = {"FCUnpublish", "closeStream", "deleteStream"};
	struct node *n = *state;
	struct rtmp_peer r;

	rtmp_peer_publish(&r, n, "again");
	for (unsigned i = 0; i < array_len(ways); i++) {
		if (i == 2)
			rtmp_peer_call(&r, 0, rtmp_cmd_delete_stream, 9, 1);
		else
			rtmp_peer_call(&r, 1, rtmp_cmd_call, ways[i], 9, i ? NULL : "again");
		rtmp_peer_status(&r, "status", "NetStream.Unpublish.Success");
		assert_int_equal(node_count(n, CTR_PUBLISHERS), 0);
		assert_int_equal(registry_count(n->engine.registry), 0);
		rtmp_peer_call(&r, 0, rtmp_cmd_delete_stream, 0, 1);
		rtmp_peer_call(&r, 1, rtmp_cmd_publish, 10, "again");
		rtmp_peer_status(&r, "status", "NetStream.Publish.Start");
		assert_int_equal(node_count(n, CTR_PUBLISHERS), 1);
	}
	rtmp_peer_close(&r);
	node_until(n, node_closes(n, REASON_PEER_CLOSED) == 1);
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 0);
}

static void test_C6_one_connection_does_one_thing(void **state)
{
	struct node *n = *state;
	struct rtmp_cmd cmd;
	struct rtmp_peer r;

	rtmp_peer_publish(&r, n, "one");
	rtmp_peer_call(&r, 0, rtmp_cmd_create_stream, 4);
	rtmp_peer_expect(&r, RTMP_CMD_RESULT, &cmd);
	assert_true(cmd.number == 2);
	rtmp_peer_call(&r, 2, rtmp_cmd_publish, 5, "two");
	rtmp_peer_status(&r, "error", "NetStream.Publish.Failed");
	rtmp_peer_call(&r, 2, rtmp_cmd_play, 6, "one");
	rtmp_peer_status(&r, "error", "NetStream.Play.Failed");
	assert_int_equal(registry_count(n->engine.registry), 1);
	/* Media on message stream 0 belongs to what is published; on another one it is odd. */
	rtmp_peer_msg(&r, MSG_VIDEO, 0, 0, avc_header, sizeof(avc_header));
	rtmp_peer_taken(n, 1);
	rtmp_peer_msg(&r, MSG_VIDEO, 2, 0, avc_key, sizeof(avc_key));
	node_until(n, node_count(n, CTR_ODD_MESSAGES) == 1);
	assert_int_equal(node_count(n, CTR_MESSAGES_IN), 1);
	rtmp_peer_close(&r);
}

static void test_C2_an_empty_name_is_the_end_of_the_app(void **state)
{
	struct node *n = *state;
	struct stream *s;
	struct rtmp_peer r;

	rtmp_peer_open(&r, n);
	rtmp_peer_connect(&r, "live/inapp");
	rtmp_peer_call(&r, 1, rtmp_cmd_publish, 3, "");
	rtmp_peer_status(&r, "status", "NetStream.Publish.Start");
	s = stream_find(n->engine.registry, "default/live/inapp");
	assert_non_null(s);
	stream_put(s, &n->core);
	rtmp_peer_close(&r);
}

static void test_U4_a_bad_name_is_refused_with_the_rule(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;

	rtmp_peer_open(&r, n);
	rtmp_peer_connect(&r, "live");
	rtmp_peer_call(&r, 1, rtmp_cmd_publish, 3, "../secret");
	rtmp_peer_status(&r, "error", "NetStream.Publish.BadName");
	peer_until_eof(&r.peer);
	assert_int_equal(node_closes(n, REASON_BAD_NAME), 1);
	rtmp_peer_close(&r);
}

static void test_T19_an_encoder_without_media_is_closed(void **state)
{
	struct node *n = *state;
	struct rtmp_peer silent, stopped;

	rtmp_peer_publish(&silent, n, "silent");
	rtmp_peer_publish(&stopped, n, "stopped");
	rtmp_peer_gop(&stopped, 0, true);
	rtmp_peer_taken(n, 5);
	node_pass_ms(n, 9900);
	assert_int_equal(node_closes(n, REASON_MEDIA_TIMEOUT), 0);
	node_pass_ms(n, 2700);
	assert_int_equal(node_closes(n, REASON_MEDIA_TIMEOUT), 1);
	assert_int_equal(node_closes(n, REASON_FIRST_MEDIA_TIMEOUT), 0);
	node_pass_ms(n, 5100);
	assert_int_equal(node_closes(n, REASON_FIRST_MEDIA_TIMEOUT), 1);
	rtmp_peer_close(&stopped);
	rtmp_peer_close(&silent);
}

static void test_an_unpublished_encoder_may_not_stay_for_ever(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;

	rtmp_peer_publish(&r, n, "x");
	rtmp_peer_call(&r, 1, rtmp_cmd_call, "closeStream", 0, NULL);
	rtmp_peer_status(&r, "status", "NetStream.Unpublish.Success");
	node_pass_ms(n, 10100);
	assert_int_equal(node_closes(n, REASON_IDLE_TIMEOUT), 1);
	rtmp_peer_close(&r);
}

static void test_limits_refuse_connections_with_their_reason(void **state)
{
	static const char get[] = "GET /live/x.flv HTTP/1.0\r\n\r\n";
	struct node *n = *state;
	struct rtmp_peer told;
	struct rtmp_cmd cmd;
	struct peer p[4];

	node_set(n, "limits.connections_per_address", "2");
	for (int i = 0; i < 2; i++)
		peer_open(&p[i], n, 0);
	rtmp_peer_open(&told, n);
	rtmp_peer_call(&told, 0, rtmp_cmd_connect, 1, "live", "rtmp://127.0.0.1/live", false);
	rtmp_peer_expect(&told, RTMP_CMD_ERROR, &cmd);
	assert_memory_equal(cmd.code.p, "NetConnection.Connect.Rejected", cmd.code.n);
	peer_until_eof(&told.peer);
	peer_open(&p[2], n, 1);
	peer_send(&p[2], get, sizeof(get) - 1);
	peer_until_eof(&p[2]);
	assert_memory_equal(p[2].in, "HTTP/1.1 503 ", 13);
	peer_open(&p[3], n, 1); /* asks nothing */
	node_pass_ms(n, 2100);
	peer_until_eof(&p[3]);
	assert_int_equal(node_closes(n, REASON_CAP_ADDRESS), 3);
	assert_int_equal(node_count(n, CTR_REFUSED), 3);
	rtmp_peer_close(&told);
	for (int i = 0; i < 4; i++)
		peer_close(&p[i]);
	node_until(n, node_closes(n, REASON_PROBE) == 2);
}

static void test_draining_refuses_new_connections_only(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct peer p;

	rtmp_peer_publish(&r, n, "stays");
	sessions_drain(&n->core, true);
	rtmp_peer_gop(&r, 0, true);
	rtmp_peer_taken(n, 5);
	sessions_drain(&n->core, false);
	peer_open(&p, n, 1);
	peer_send(&p, "GET / HTTP/1.0\r\n\r\n", 18);
	peer_until_eof(&p);
	assert_true(p.in_n > 0);
	peer_close(&p);
	rtmp_peer_close(&r);
}

#define with_node(test) cmocka_unit_test_setup_teardown(test, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_node(test_T1_other_protocols_are_closed_with_their_own_reason),
		with_node(test_T1_an_empty_connection_is_a_probe),
		with_node(test_T4_a_stalled_handshake_has_a_deadline),
		with_node(test_T4_connected_without_publish_or_play_has_the_same_deadline),
		with_node(test_T2_bytes_one_by_one),
		with_node(test_T18_a_ping_is_answered_with_the_same_bytes),
		with_node(test_T17_bytes_are_acknowledged_though_nobody_asked),
		with_node(test_T16_what_is_acknowledged_counts_modulo_4_GiB),
		with_node(test_T16_no_acknowledgement_stops_our_sending),
		with_node(test_T12_sound_does_not_wait_for_a_long_picture),
		with_node(test_T15_T13_abort_and_odd_chunk_sizes_keep_the_connection),
		with_node(test_T6_garbage_chunks_end_only_that_connection),
		with_node(test_C1_unknown_calls_get_a_result_and_answers_get_none),
		with_node(test_C14_get_stream_length_is_zero),
		with_node(test_C8_a_malformed_command_ends_the_connection),
		with_node(test_C4_the_second_publisher_is_told_why),
		with_node(test_C5_every_way_to_unpublish_keeps_the_connection),
		with_node(test_C6_one_connection_does_one_thing),
		with_node(test_C2_an_empty_name_is_the_end_of_the_app),
		with_node(test_U4_a_bad_name_is_refused_with_the_rule),
		with_node(test_T19_an_encoder_without_media_is_closed),
		with_node(test_an_unpublished_encoder_may_not_stay_for_ever),
		with_node(test_limits_refuse_connections_with_their_reason),
		with_node(test_draining_refuses_new_connections_only),
	};

	return cmocka_run_group_tests_name("session/rtmp_server", tests, NULL, NULL);
}
