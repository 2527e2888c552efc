/* SPDX-License-Identifier: Apache-2.0 */
/* The RTMP client of pulls and pushes: where servers send it, and what it acknowledges. */
#include "tests/unit/session/leg_peers.h"

#include "session/rtmp_client.h"

/* Answers the leg's next connect with Connect.Rejected and that address. */
static void send_on(struct remote *at, const char *fmt, ...)
{
	struct rtmp_peer r;
	struct rtmp_cmd cmd;
	char to[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to, sizeof(to), fmt, ap);
	va_end(ap);
	remote_accept_rtmp(at, &r);
	rtmp_peer_expect(&r, RTMP_CMD_CONNECT, &cmd);
	rtmp_peer_call(&r, 0, rtmp_cmd_redirect, cmd.txn, to, "gone");
	assert_false(rtmp_peer_next(&r));
	rtmp_peer_close(&r);
}

static void expect_text(struct slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static void test_C15_a_pull_goes_where_it_is_sent(void **state)
{
	struct node *n = *state;
	struct remote at, other;
	struct rtmp_peer r;
	struct rtmp_cmd cmd;

	remote_open(&at, n);
	remote_open(&other, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/s?token=t", at.port);
	send_on(&at, "rtmp://127.0.0.1:%u/eu/live", other.port);
	remote_accept_rtmp(&other, &r);
	rtmp_peer_expect(&r, RTMP_CMD_CONNECT, &cmd);
	expect_text(cmd.app, "eu/live");
	rtmp_peer_call(&r, 0, rtmp_cmd_connect_result, &cmd);
	rtmp_peer_expect(&r, RTMP_CMD_CREATE_STREAM, &cmd);
	rtmp_peer_call(&r, 0, rtmp_cmd_result_number, cmd.txn, 1);
	rtmp_peer_expect(&r, RTMP_CMD_PLAY, &cmd);
	expect_text(cmd.stream, "s?token=t");
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 0, video_header, sizeof(video_header));
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 0, key_frame, sizeof(key_frame));
	leg_until(n, false, "a", "running");
	rtmp_peer_close(&r);
	remote_close(&other);
	remote_close(&at);
}

/* As some servers do it: in a status after play, with the whole URL beside the tcUrl. */
static void test_C15_a_redirect_may_come_after_play(void **state)
{
	struct node *n = *state;
	struct remote at;
	struct rtmp_peer r;
	struct rtmp_cmd cmd;
	uint8_t text[512];
	struct wr w = wr_of(text, sizeof(text));
	char to[64];

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/s", at.port);
	remote_accept_rtmp(&at, &r);
	remote_until(&r, 1, RTMP_CMD_PLAY, &cmd);
	amf0_cstring(&w, "onStatus");
	amf0_number(&w, 0);
	amf0_null(&w);
	amf0_object(&w);
	amf0_key(&w, "code");
	amf0_cstring(&w, "NetConnection.Connect.Rejected");
	amf0_key(&w, "ex");
	amf0_object(&w);
	amf0_key(&w, "redirect2");
	snprintf(to, sizeof(to), "rtmp://127.0.0.1:%u/live2/s2", at.port);
	amf0_cstring(&w, to);
	amf0_end(&w);
	amf0_end(&w);
	rtmp_peer_command(&r, 1, &w);
	assert_false(rtmp_peer_next(&r));
	rtmp_peer_close(&r);
	remote_accept_rtmp(&at, &r);
	remote_until(&r, 1, RTMP_CMD_PLAY, &cmd);
	expect_text(cmd.stream, "s2");
	rtmp_peer_close(&r);
	remote_close(&at);
}

static void test_C15_a_push_goes_where_it_is_sent_and_next_time_begins_anew(void **state)
{
	struct node *n = *state;
	struct remote at, other;
	struct rtmp_peer source, r;

	remote_open(&at, n);
	remote_open(&other, n);
	leg_to(n, true, "p", "live/s", "rtmp://127.0.0.1:%u/live/x", at.port);
	encoder_open(&source, n, "s");
	send_on(&at, "rtmp://127.0.0.1:%u/live", other.port);
	destination_open(&r, &other, 1);
	next_media(&r);
	rtmp_peer_close(&source);
	/* The encoder is held for a while; then the stream ends, and the push waits for another. */
	node_pass_ms(n, 4000);
	leg_until(n, true, "p", "waiting");
	rtmp_peer_close(&r);
	encoder_open(&source, n, "s");
	destination_open(&r, &at, 1);
	rtmp_peer_close(&r);
	rtmp_peer_close(&source);
	remote_close(&other);
	remote_close(&at);
}

static void test_C15_five_hops_are_enough(void **state)
{
	struct node *n = *state;
	struct remote at;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/0/s", at.port);
	for (unsigned i = 1; i <= LEG_REDIRECTS_MAX + 1; i++)
		send_on(&at, "rtmp://127.0.0.1:%u/%u", at.port, i);
	leg_fails(n, false, "a", REASON_REMOTE_STATUS);
	relay_remove(&n->engine, "a", false);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/0/s", at.port);
	send_on(&at, "rtmp://127.0.0.1:%u/0", at.port);
	leg_fails(n, false, "a", REASON_REMOTE_STATUS);
	assert_non_null(strstr(leg_text(n, false, "a", "detail"), "lead back"));
	remote_close(&at);
}

static void test_C15_U7_a_redirect_passes_the_same_checks(void **state)
{
	struct node *n = *state;
	struct remote at;
	uint16_t own = ntohs(n->listeners.one[0].at.in.sin_port);
	char text[32];

	remote_open(&at, n);
	node_set(n, "relay.deny", "127.0.0.2");
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/s", at.port);
	send_on(&at, "rtmp://127.0.0.2:%u/live", at.port);
	leg_fails(n, false, "a", REASON_ADDRESS_DENIED);
	relay_remove(&n->engine, "a", false);
	snprintf(text, sizeof(text), "127.0.0.1:%u", own);
	node_set(n, "rtmp.listen", text);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/a", at.port);
	send_on(&at, "rtmp://127.0.0.1:%u/live", own);
	leg_fails(n, false, "a", REASON_BAD_URL);
	relay_remove(&n->engine, "a", false);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/a", at.port);
	send_on(&at, "http://127.0.0.1:%u/live", at.port);
	leg_fails(n, false, "a", REASON_BAD_URL);
	remote_close(&at);
}

/* ---- acknowledgements ---- */

static void begin_near_the_end(void *arg, struct session *s)
{
	struct rtmp_client *c = rtmp_client_of(s);

	s->conn->bytes_in = c->acked = UINT32_MAX - 9;
	c->window = 2 * sizeof(key_frame);
}

static void test_T16_a_pull_acknowledges_modulo_4_GiB(void **state)
{
	struct node *n = *state;
	struct remote at;
	struct rtmp_peer r;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "rtmp://127.0.0.1:%u/live/s", at.port);
	source_open(&r, &at);
	sessions_each(&n->core, begin_near_the_end, NULL);
	rtmp_peer_msg(&r, MSG_VIDEO, 1, 0, key_frame, sizeof(key_frame));
	rtmp_peer_type(&r, MSG_ACK);
	assert_in_range(get_be32(r.last.data), 0, 200);
	rtmp_peer_close(&r);
	remote_close(&at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
		T(test_C15_a_pull_goes_where_it_is_sent),
		T(test_C15_a_redirect_may_come_after_play),
		T(test_C15_a_push_goes_where_it_is_sent_and_next_time_begins_anew),
		T(test_C15_five_hops_are_enough),
		T(test_C15_U7_a_redirect_passes_the_same_checks),
		T(test_T16_a_pull_acknowledges_modulo_4_GiB),
#undef T
	};

	return cmocka_run_group_tests_name("session/rtmp_client", tests, NULL, NULL);
}
