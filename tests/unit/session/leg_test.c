/* SPDX-License-Identifier: Apache-2.0 */
/* Legs against servers that the test plays: states, reasons, addresses, RTMP pulls. */
#include "tests/unit/session/leg_peers.h"

/* ---- connecting ---- */

static void test_a_refused_connection_is_a_failed_leg_that_stays_listed(void **state)
{
	struct node *n = *state;
	struct remote at;

	remote_open(&at, n);
	remote_close(&at);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/a", at.port);
	leg_fails(n, false, "a", REASON_CONNECT_REFUSED);
	assert_int_equal(node_count(n, CTR_PULLS), 0);
	assert_true(relay_remove(&n->engine, "a", false));
	assert_string_equal(leg_text(n, false, "a", "state"), "");
}

static void test_a_server_that_accepts_and_says_nothing_times_out(void **state)
{
	struct node *n = *state;
	struct remote at;
	struct peer p;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/a", at.port);
	remote_accept(&at, &p);
	node_until(n, (peer_take(&p), p.in_n > 0));
	node_pass_ms(n, (uint64_t)n->conf.relay_start_timeout + 100);
	leg_fails(n, false, "a", REASON_HANDSHAKE_TIMEOUT);
	peer_close(&p);
	remote_close(&at);
}

static void test_a_server_that_is_no_rtmp_server_is_named(void **state)
{
	struct node *n = *state;
	struct remote at;
	struct peer p;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/a", at.port);
	remote_accept(&at, &p);
	peer_send(&p, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	leg_fails(n, false, "a", REASON_REMOTE_PROTOCOL);
	assert_non_null(strstr(leg_text(n, false, "a", "detail"), "not RTMP"));
	peer_close(&p);
	remote_close(&at);
}

static void test_P10_query_and_slashes_of_the_key_go_through_untouched(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;
	struct rtmp_cmd cmd;
	char name[64];

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/k%%20y?tok=a%%20b&u=/x", at.port);
	remote_accept_rtmp(&at, &r);
	rtmp_peer_expect(&r, RTMP_CMD_CONNECT, &cmd);
	assert_memory_equal(cmd.app.p, "live", cmd.app.n);
	rtmp_peer_call(&r, 0, rtmp_cmd_connect_result, &cmd);
	rtmp_peer_expect(&r, RTMP_CMD_CREATE_STREAM, &cmd);
	rtmp_peer_call(&r, 0, rtmp_cmd_result_number, cmd.txn, 1);
	rtmp_peer_expect(&r, RTMP_CMD_PLAY, &cmd);
	snprintf(name, sizeof(name), "%.*s", (int)cmd.stream.n, (const char *)cmd.stream.p);
	assert_string_equal(name, "k%20y?tok=a%20b&u=/x");
	rtmp_peer_close(&r);
	remote_close(&at);
}

/* ---- refusals ---- */

static void refuse_with(struct node *n, bool push, const char *code, const char *text,
			enum reason why)
{
	struct rtmp_peer r, encoder;
	struct remote at;
	struct rtmp_cmd cmd;

	remote_open(&at, n);
	if (push)
		encoder_open(&encoder, n, "a");
	leg_to(n, push, "a", push ? "live/a" : "live/b", "rtmp://127.0.0.1:%u/live/x", at.port);
	remote_accept_rtmp(&at, &r);
	remote_until(&r, 1, push ? RTMP_CMD_PUBLISH : RTMP_CMD_PLAY, &cmd);
	rtmp_peer_call(&r, 1, rtmp_cmd_on_status, "error", code, text);
	leg_fails(n, push, "a", why);
	assert_non_null(strstr(leg_text(n, push, "a", "detail"), code));
	assert_true(relay_remove(&n->engine, "a", push));
	rtmp_peer_close(&r);
	remote_close(&at);
	if (push)
		rtmp_peer_close(&encoder);
}

static void test_refusals_of_play_have_their_reasons(void **state)
{
	refuse_with(*state, false, "NetStream.Play.StreamNotFound", "no", REASON_REMOTE_NOT_FOUND);
	refuse_with(*state, false, "NetStream.Play.Failed", "no", REASON_REMOTE_REJECTED);
	refuse_with(*state, false, "Vendor.Own.Code", "no", REASON_REMOTE_REJECTED);
	refuse_with(*state, false, "NetStream.Play.UnpublishNotify", "", REASON_REMOTE_ENDED);
}

static void test_C4_already_publishing_is_busy_and_a_bad_key_is_rejected(void **state)
{
	refuse_with(*state, true, "NetStream.Publish.BadName", "Already publishing",
		    REASON_REMOTE_BUSY);
}

static void test_C3_a_destination_that_does_not_let_in_is_rejected(void **state)
{
	refuse_with(*state, true, "NetStream.Publish.BadName", "Authentication failed",
		    REASON_REMOTE_REJECTED);
}

static void test_connect_rejected_shows_the_servers_words_without_control_bytes(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;
	struct rtmp_cmd cmd;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	remote_accept_rtmp(&at, &r);
	rtmp_peer_expect(&r, RTMP_CMD_CONNECT, &cmd);
	rtmp_peer_call(&r, 0, rtmp_cmd_error, cmd.txn, "NetConnection.Connect.Rejected",
		       "go\naway");
	leg_fails(n, false, "a", REASON_REMOTE_REJECTED);
	assert_string_equal(leg_text(n, false, "a", "detail"),
			    "NetConnection.Connect.Rejected: go?away");
	rtmp_peer_close(&r);
	remote_close(&at);
}

/* ---- pulls ---- */

static void test_P3_a_pull_runs_with_its_first_usable_frame_not_before(void **state)
{
	struct node *n = *state;
	struct stream *s;
	struct rtmp_peer r;
	struct remote at;
	uint8_t text[256];
	struct wr w = wr_of(text, sizeof(text));

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	source_open(&r, &at);
	/* Accepted, but nothing has come: no empty stream appears. */
	assert_null(stream_find(n->engine.registry, "default/live/a"));
	metadata(&w);
	rtmp_peer_msg(&r, MSG_DATA, 1, 0, text, wr_len(&w));
	node_until(n, (s = stream_find(n->engine.registry, "default/live/a")) != NULL);
	stream_put(s, &n->core);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 0, frame, sizeof(frame));
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 40, video_header, sizeof(video_header));
	node_until(n, node_count(n, CTR_MESSAGES_DROPPED) == 1);
	assert_string_equal(leg_text(n, false, "a", "state"), "connecting");
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 80, key_frame, sizeof(key_frame));
	leg_until(n, false, "a", "running");
	assert_int_equal(node_count(n, CTR_PULLS), 1);
	rtmp_peer_close(&r);
	leg_fails(n, false, "a", REASON_REMOTE_CLOSED);
	node_pass_ms(n, 3100); /* publish.hold: for the next try (P9) */
	assert_null(stream_find(n->engine.registry, "default/live/a"));
	remote_close(&at);
}

static void test_T19_a_pull_whose_media_stops_has_failed(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	source_open(&r, &at);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 0, video_header, sizeof(video_header));
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 40, key_frame, sizeof(key_frame));
	leg_until(n, false, "a", "running");
	node_pass_ms(n, (uint64_t)n->conf.relay_media_timeout + 100);
	leg_fails(n, false, "a", REASON_MEDIA_TIMEOUT);
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_a_server_that_accepts_play_and_sends_nothing_times_out(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	source_open(&r, &at);
	node_pass_ms(n, (uint64_t)n->conf.relay_start_timeout + 100);
	leg_fails(n, false, "a", REASON_FIRST_MEDIA_TIMEOUT);
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_T18_stream_eof_ends_a_pull_and_a_ping_is_answered(void **state)
{
	struct node *n = *state;
	const uint8_t ping[] = {0, RTMP_UC_PING_REQUEST, 1, 2, 3, 4};
	const uint8_t pong[] = {0, RTMP_UC_PING_RESPONSE, 1, 2, 3, 4};
	const uint8_t eof[] = {0, RTMP_UC_STREAM_EOF, 0, 0, 0, 1};
	struct rtmp_peer r;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	source_open(&r, &at);
	rtmp_peer_msg(&r, MSG_USER_CONTROL, 0, 0, ping, sizeof(ping));
	rtmp_peer_type(&r, MSG_USER_CONTROL);
	assert_memory_equal(r.last.data, pong, sizeof(pong));
	rtmp_peer_msg(&r, MSG_USER_CONTROL, 0, 0, eof, sizeof(eof));
	leg_fails(n, false, "a", REASON_REMOTE_ENDED);
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_a_removed_pull_leaves_at_once_with_its_stream(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	source_open(&r, &at);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 0, video_header, sizeof(video_header));
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 40, key_frame, sizeof(key_frame));
	leg_until(n, false, "a", "running");
	assert_true(relay_remove(&n->engine, "a", false));
	assert_string_equal(leg_text(n, false, "a", "state"), "");
	peer_until_eof(&r.peer);
	assert_null(stream_find(n->engine.registry, "default/live/a"));
	assert_int_equal(node_count(n, CTR_PULLS), 0);
	assert_int_equal(node_closes(n, REASON_REMOVED), 1);
	rtmp_peer_close(&r);
	remote_close(&at);
}

/* ---- addresses ---- */

static void test_an_address_that_refuses_is_followed_by_the_next_one(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;

	if (!remote_open_at(&at, n, "[::1]:0"))
		skip();
	/* localhost is 127.0.0.1, where nobody listens, and ::1. */
	leg_to(n, false, "a", "live/a", "rtmp://localhost:%u/live/x", at.port);
	source_open(&r, &at);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 0, video_header, sizeof(video_header));
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 40, key_frame, sizeof(key_frame));
	leg_until(n, false, "a", "running");
	assert_int_equal(node_closes(n, REASON_CONNECT_REFUSED), 1);
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_U7_a_denied_address_is_never_connected_to(void **state)
{
	struct node *n = *state;
	struct remote at;

	remote_open(&at, n);
	node_set(n, "relay.deny", "10.0.0.0/8 127.0.0.0/8");
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	leg_fails(n, false, "a", REASON_ADDRESS_DENIED);
	assert_non_null(strstr(leg_text(n, false, "a", "detail"), "relay.deny has 127.0.0.1:"));
	/* Another spelling of the same address. */
	leg_to(n, false, "b", "live/b", "rtmp://[::ffff:127.0.0.1]:%u/live/x", at.port);
	leg_fails(n, false, "b", REASON_ADDRESS_DENIED);
	assert_true(accept(at.fd, NULL, NULL) < 0);
	remote_close(&at);
}

static void test_U7_an_allowed_address_is_used_beside_a_denied_one(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;

	if (!remote_open_at(&at, n, "[::1]:0"))
		skip();
	node_set(n, "relay.deny", "127.0.0.0/8");
	leg_to(n, false, "a", "live/a", "rtmp://localhost:%u/live/x", at.port);
	source_open(&r, &at);
	rtmp_peer_close(&r);
	leg_fails(n, false, "a", REASON_REMOTE_CLOSED);
	/* Of several, the address that came farthest says why. */
	remote_close(&at);
	node_set(n, "relay.deny", "::1");
	leg_to(n, false, "b", "live/b", "rtmp://localhost:%u/live/x", at.port);
	leg_fails(n, false, "b", REASON_CONNECT_REFUSED);
	assert_string_equal(leg_text(n, false, "b", "detail"), "");
}

/* ---- the same stream twice ---- */

static void test_P5_a_second_pull_of_a_stream_is_refused_and_the_first_goes_on(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r[2];
	struct remote at;

	remote_open(&at, n);
	for (unsigned i = 0; i < 2; i++) {
		leg_to(n, false, i ? "b" : "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
		source_open(&r[i], &at);
		rtmp_peer_msg(&r[i], MSG_VIDEO, 1, 0, video_header, sizeof(video_header));
		rtmp_peer_msg(&r[i], MSG_VIDEO, 1, 40, key_frame, sizeof(key_frame));
		if (i == 0)
			leg_until(n, false, "a", "running");
	}
	leg_fails(n, false, "b", REASON_STREAM_BUSY);
	rtmp_peer_msg(&r[0], MSG_VIDEO, 1, 80, frame, sizeof(frame));
	node_until(n, shm_get(&leg_numbers(n, false, "a")->messages) == 3);
	assert_string_equal(leg_text(n, false, "a", "state"), "running");
	rtmp_peer_close(&r[0]);
	rtmp_peer_close(&r[1]);
	remote_close(&at);
}

static void test_P5_a_pull_that_is_asked_for_again_has_one_connection(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct remote at;

	remote_open(&at, n);
	for (unsigned i = 0; i < 3; i++)
		leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/x", at.port);
	source_open(&r, &at);
	assert_true(accept(at.fd, NULL, NULL) < 0);
	assert_int_equal(node_count(n, CTR_PULLS), 1);
	rtmp_peer_close(&r);
	remote_close(&at);
}

/* ---- TLS ---- */

static void test_a_server_without_TLS_fails_the_handshake_and_says_so(void **state)
{
	struct node *n = *state;
	struct remote at;
	struct peer p;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmps://127.0.0.1:%u/live/a", at.port);
	remote_accept(&at, &p);
	node_until(n, (peer_take(&p), p.in_n > 0));
	assert_int_equal(p.in[0], 0x16);
	peer_send(&p, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	leg_fails(n, false, "a", REASON_TLS_HANDSHAKE);
	assert_string_not_equal(leg_text(n, false, "a", "detail"), "");
	peer_close(&p);
	remote_close(&at);
}

static void test_P10_a_pin_that_is_none_lets_nobody_pass(void **state)
{
	struct node *n = *state;
	struct remote at;

	remote_open(&at, n);
	node_set(n, "tls.pins", "127.0.0.1=00:11");
	leg_to(n, false, "a", "live/a", "rtmps://127.0.0.1:%u/live/a", at.port);
	leg_fails(n, false, "a", REASON_TLS_VERIFY);
	assert_non_null(strstr(leg_text(n, false, "a", "detail"), "tls.pins"));
	assert_true(accept(at.fd, NULL, NULL) < 0);
	remote_close(&at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
		T(test_a_refused_connection_is_a_failed_leg_that_stays_listed),
		T(test_a_server_that_accepts_and_says_nothing_times_out),
		T(test_a_server_that_is_no_rtmp_server_is_named),
		T(test_P10_query_and_slashes_of_the_key_go_through_untouched),
		T(test_refusals_of_play_have_their_reasons),
		T(test_C4_already_publishing_is_busy_and_a_bad_key_is_rejected),
		T(test_C3_a_destination_that_does_not_let_in_is_rejected),
		T(test_connect_rejected_shows_the_servers_words_without_control_bytes),
		T(test_P3_a_pull_runs_with_its_first_usable_frame_not_before),
		T(test_T19_a_pull_whose_media_stops_has_failed),
		T(test_a_server_that_accepts_play_and_sends_nothing_times_out),
		T(test_T18_stream_eof_ends_a_pull_and_a_ping_is_answered),
		T(test_a_removed_pull_leaves_at_once_with_its_stream),
		T(test_an_address_that_refuses_is_followed_by_the_next_one),
		T(test_U7_a_denied_address_is_never_connected_to),
		T(test_U7_an_allowed_address_is_used_beside_a_denied_one),
		T(test_P5_a_second_pull_of_a_stream_is_refused_and_the_first_goes_on),
		T(test_P5_a_pull_that_is_asked_for_again_has_one_connection),
		T(test_a_server_without_TLS_fails_the_handshake_and_says_so),
		T(test_P10_a_pin_that_is_none_lets_nobody_pass),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
