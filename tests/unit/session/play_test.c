/* SPDX-License-Identifier: Apache-2.0 */
/* RTMP players: what comes before the log, at pauses, and at the end. */
#include "tests/unit/session/rtmp_peer.h"

#include "media/amf0.h"

static void play(struct rtmp_peer *r, struct node *n, const char *name)
{
	rtmp_peer_open(r, n);
	rtmp_peer_connect(r, "live");
	rtmp_peer_call(r, 1, rtmp_cmd_play, 4, name);
	r->playing = true;
}

static void playing(struct rtmp_peer *r, struct node *n, const char *name)
{
	play(r, n, name);
	rtmp_peer_status(r, "status", "NetStream.Play.Reset");
	rtmp_peer_status(r, "status", "NetStream.Play.Start");
}

static void expect_media(struct rtmp_peer *r, uint8_t type, int64_t ts_ms, const void *p, size_t n)
{
	do
		assert_true(rtmp_peer_next(r));
	while (!msg_is_media(&r->last));
	assert_int_equal(r->last.type, type);
	assert_int_equal(r->last.ts_ms, ts_ms);
	assert_int_equal(r->last.len, n);
	assert_memory_equal(r->last.data, p, n);
}

static void metadata(struct rtmp_peer *r, const char *encoder)
{
	uint8_t text[256];
	struct wr w = wr_of(text, sizeof(text));

	amf0_cstring(&w, "@setDataFrame");
	amf0_cstring(&w, "onMetaData");
	amf0_ecma_array(&w, 2);
	amf0_key(&w, "duration");
	amf0_number(&w, 60);
	amf0_key(&w, "encoder");
	amf0_cstring(&w, encoder);
	amf0_end(&w);
	rtmp_peer_msg(r, MSG_DATA, 1, 0, text, wr_len(&w));
}

/* What players send; our own client never pauses. */
static void pause_command(struct wr *w, bool on)
{
	amf0_cstring(w, "pause");
	amf0_number(w, 0);
	amf0_null(w);
	amf0_bool(w, on);
	amf0_number(w, 0);
}

static void test_an_unknown_stream_is_not_found_at_once(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;

	play(&r, n, "nowhere");
	rtmp_peer_status(&r, "error", "NetStream.Play.StreamNotFound");
	peer_until_eof(&r.peer);
	assert_int_equal(node_closes(n, REASON_STREAM_NOT_FOUND), 1);
	rtmp_peer_close(&r);
}

static void test_T18_H7_the_first_messages_come_in_order(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub, r;
	struct amf0_rd a;
	struct slice s;

	rtmp_peer_publish(&pub, n, "a");
	metadata(&pub, "tester");
	rtmp_peer_gop(&pub, 1000, true);
	rtmp_peer_taken(n, 6);
	play(&r, n, "a");
	do
		rtmp_peer_type(&r, MSG_USER_CONTROL);
	while (get_be16(r.last.data) != RTMP_UC_STREAM_BEGIN);
	rtmp_peer_status(&r, "status", "NetStream.Play.Reset");
	rtmp_peer_status(&r, "status", "NetStream.Play.Start");
	rtmp_peer_type(&r, MSG_DATA);
	amf0_rd_init(&a, r.last.data, r.last.len);
	assert_true(amf0_read_string(&a, &s));
	assert_memory_equal(s.p, "|RtmpSampleAccess", s.n);
	rtmp_peer_type(&r, MSG_DATA);
	assert_int_equal(r.last.ts_ms, 0);
	amf0_rd_init(&a, r.last.data, r.last.len);
	assert_true(amf0_read_string(&a, &s));
	assert_memory_equal(s.p, "onMetaData", s.n);
	/* The headers have the time of the key frame that follows them. */
	expect_media(&r, MSG_VIDEO, 1000, avc_header, sizeof(avc_header));
	expect_media(&r, MSG_AUDIO, 1000, aac_header, sizeof(aac_header));
	expect_media(&r, MSG_VIDEO, 1000, avc_key, sizeof(avc_key));
	expect_media(&r, MSG_AUDIO, 1010, aac_frame, sizeof(aac_frame));
	expect_media(&r, MSG_VIDEO, 1040, avc_inter, sizeof(avc_inter));
	rtmp_peer_close(&r);
	rtmp_peer_close(&pub);
}

static void test_a_player_before_the_first_key_frame_hears_that_it_plays(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub, r;

	rtmp_peer_publish(&pub, n, "a");
	playing(&r, n, "a");
	rtmp_peer_gop(&pub, 500, true);
	expect_media(&r, MSG_VIDEO, 500, avc_header, sizeof(avc_header));
	expect_media(&r, MSG_AUDIO, 500, aac_header, sizeof(aac_header));
	expect_media(&r, MSG_VIDEO, 500, avc_key, sizeof(avc_key));
	assert_int_equal(node_count(n, CTR_VIEWERS_RTMP), 1);
	rtmp_peer_close(&r);
	node_until(n, node_count(n, CTR_VIEWERS_RTMP) == 0);
	rtmp_peer_close(&pub);
}

static void test_the_end_is_said_after_the_last_frame(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub, r;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	playing(&r, n, "a");
	rtmp_peer_gop(&pub, 80, false);
	rtmp_peer_close(&pub);
	node_until(n, node_closes(n, REASON_PEER_CLOSED) == 1);
	node_pass_ms(n, 200);
	do
		assert_true(rtmp_peer_next(&r));
	while (r.last.type != MSG_VIDEO || r.last.ts_ms != 120);
	rtmp_peer_type(&r, MSG_USER_CONTROL);
	assert_int_equal(get_be16(r.last.data), RTMP_UC_STREAM_EOF);
	rtmp_peer_status(&r, "status", "NetStream.Play.UnpublishNotify");
	rtmp_peer_status(&r, "status", "NetStream.Play.Stop");
	assert_false(rtmp_peer_next(&r));
	assert_int_equal(node_closes(n, REASON_STREAM_ENDED), 1);
	rtmp_peer_close(&r);
}

static void test_T18_a_playing_viewer_is_answered_between_messages(void **state)
{
	static const uint8_t ping[] = {0, 6, 1, 2, 3, 4};
	struct node *n = *state;
	struct rtmp_peer pub, r;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	playing(&r, n, "a");
	for (int i = 1; i <= 20; i++) {
		rtmp_peer_msg(&r, MSG_USER_CONTROL, 0, 0, ping, sizeof(ping));
		rtmp_peer_gop(&pub, 80 * i, false);
		rtmp_peer_type(&r, MSG_USER_CONTROL);
		assert_int_equal(get_be16(r.last.data), RTMP_UC_PING_RESPONSE);
		node_pass_ms(n, 60);
	}
	rtmp_peer_type(&r, MSG_VIDEO);
	rtmp_peer_close(&r);
	rtmp_peer_close(&pub);
}

static void test_C14_pause_stops_and_resume_goes_on_at_the_newest_key_frame(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub, r;
	uint64_t sent;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	playing(&r, n, "a");
	expect_media(&r, MSG_VIDEO, 0, avc_header, sizeof(avc_header));
	rtmp_peer_call(&r, 1, pause_command, true);
	rtmp_peer_status(&r, "status", "NetStream.Pause.Notify");
	sent = node_count(n, CTR_BYTES_OUT);
	rtmp_peer_gop(&pub, 80, false);
	rtmp_peer_gop(&pub, 160, false);
	rtmp_peer_taken(n, 11);
	node_pass_ms(n, 300);
	assert_int_equal(node_count(n, CTR_BYTES_OUT), sent);
	rtmp_peer_call(&r, 1, pause_command, false);
	rtmp_peer_status(&r, "status", "NetStream.Unpause.Notify");
	do
		assert_true(rtmp_peer_next(&r));
	while (!msg_is_media(&r.last));
	assert_int_equal(r.last.ts_ms, 160);
	rtmp_peer_close(&r);
	rtmp_peer_close(&pub);
}

static void test_a_leaving_player_is_gone(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub, r;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	playing(&r, n, "a");
	rtmp_peer_call(&r, 0, rtmp_cmd_delete_stream, 0, 1);
	peer_until_eof(&r.peer);
	assert_int_equal(node_closes(n, REASON_LEFT), 1);
	assert_int_equal(node_count(n, CTR_VIEWERS_RTMP), 0);
	rtmp_peer_close(&r);
	rtmp_peer_close(&pub);
}

static void test_viewers_of_one_stream_are_bounded(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub, a, b;

	node_set(n, "limits.viewers_per_stream", "1");
	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	playing(&a, n, "a");
	play(&b, n, "a");
	rtmp_peer_status(&b, "error", "NetStream.Play.Failed");
	peer_until_eof(&b.peer);
	assert_int_equal(node_closes(n, REASON_CAP_VIEWERS), 1);
	assert_int_equal(node_count(n, CTR_VIEWERS_RTMP), 1);
	rtmp_peer_close(&b);
	rtmp_peer_close(&a);
	rtmp_peer_close(&pub);
}

static void find_viewer(void *arg, struct session *s)
{
	if (s->feed)
		*(struct session **)arg = s;
}

static void test_a_viewer_costs_about_a_kilobyte(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub, r;
	struct session *viewer = NULL;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	playing(&r, n, "a");
	expect_media(&r, MSG_VIDEO, 0, avc_header, sizeof(avc_header));
	node_turn(n);
	sessions_each(&n->core, find_viewer, &viewer);
	assert_non_null(viewer);
	assert_true(viewer->ops->bytes + viewer->mem.used <= 1536);
	rtmp_peer_close(&r);
	rtmp_peer_close(&pub);
}

static void test_a_stuck_viewer_is_closed_and_nobody_else_notices(void **state)
{
	static uint8_t big[60000];
	struct node *n = *state;
	struct rtmp_peer pub, stuck, r;

	memcpy(big, avc_key, sizeof(avc_key));
	node_set(n, "play.stall_timeout", "5s");
	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	playing(&stuck, n, "a");
	playing(&r, n, "a");
	/* It never reads again; what the kernel does not take stays with us. */
	for (int i = 1; node_closes(n, REASON_SEND_STALLED) == 0; i++) {
		assert_true(i < 1000);
		rtmp_peer_msg(&pub, MSG_VIDEO, 1, i * 100, big, sizeof(big));
		node_pass_ms(n, 100);
		node_turn(n);
		do
			rtmp_peer_type(&r, MSG_VIDEO);
		while (r.last.ts_ms < (i - 3) * 100);
	}
	assert_int_equal(node_closes(n, REASON_SEND_STALLED), 1);
	assert_int_equal(node_count(n, CTR_VIEWERS_RTMP), 1);
	rtmp_peer_close(&stuck);
	rtmp_peer_close(&r);
	rtmp_peer_close(&pub);
}

#define with_node(test) cmocka_unit_test_setup_teardown(test, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_node(test_an_unknown_stream_is_not_found_at_once),
		with_node(test_T18_H7_the_first_messages_come_in_order),
		with_node(test_a_player_before_the_first_key_frame_hears_that_it_plays),
		with_node(test_the_end_is_said_after_the_last_frame),
		with_node(test_T18_a_playing_viewer_is_answered_between_messages),
		with_node(test_C14_pause_stops_and_resume_goes_on_at_the_newest_key_frame),
		with_node(test_a_leaving_player_is_gone),
		with_node(test_viewers_of_one_stream_are_bounded),
		with_node(test_a_viewer_costs_about_a_kilobyte),
		with_node(test_a_stuck_viewer_is_closed_and_nobody_else_notices),
	};

	return cmocka_run_group_tests_name("session/play", tests, NULL, NULL);
}
