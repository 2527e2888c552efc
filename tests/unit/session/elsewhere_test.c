/* SPDX-License-Identifier: Apache-2.0 */
/* Where a draining node sends those who come, and those who are there. */
#include "tests/unit/session/rtmp_peer.h"

#include "media/amf0.h"
#include "session/elsewhere.h"

#define NODES "rtmp://b.example:1936 https://b.example:444 http://b.example:81"

static void drain(struct node *n, const char *nodes)
{
	node_set(n, "drain.redirect", nodes);
	sessions_drain(&n->core, true);
}

/* ---- pure ---- */

static struct slice slice_of(const char *text)
{
	return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void expect_rtmp(const char *nodes, bool tls, const char *app, const char *tc_url,
			const char *want)
{
	struct conf_error err;
	struct config c;
	char to[ELSEWHERE_TC_URL_MAX];

	conf_defaults(&c);
	assert_int_equal(conf_set(&c, "drain.redirect", nodes, &err), 0);
	elsewhere_rtmp(to, &c, tls, slice_of(app), slice_of(tc_url));
	assert_string_equal(to, want);
}

static void test_C15_the_path_of_the_tcUrl_stays(void **state)
{
	static const char both[] = " rtmps://c:443  rtmp://b:1935 ";

	expect_rtmp("rtmp://b:1935", false, "live", "rtmp://a:1/live?k=v",
		    "rtmp://b:1935/live?k=v");
	expect_rtmp("rtmp://b:1935", false, "live?k=v", "rtmp://a:1/", "rtmp://b:1935/live?k=v");
	expect_rtmp("rtmp://b:1935", false, "live?k=v", "rtmp://a", "rtmp://b:1935/live?k=v");
	expect_rtmp("rtmp://b:1935", false, "live", "", "rtmp://b:1935/live");
	expect_rtmp("rtmp://b:1935", false, "", "", "rtmp://b:1935/");
	expect_rtmp(both, false, "", "rtmp://a/x/y", "rtmp://b:1935/x/y");
	expect_rtmp(both, true, "", "rtmp://a/x/y", "rtmps://c:443/x/y");
	expect_rtmp(both, false, "", "RTMPS://a/x/y", "rtmps://c:443/x/y");
	expect_rtmp("rtmps://c:443", false, "", "rtmp://a/x/y", "rtmps://c:443/x/y");
	expect_rtmp("rtmp://b:1935", true, "live", "rtmps://a/live", "");
	expect_rtmp("http://b:80", false, "live", "rtmp://a/live", "");
}

/* ---- RTMP ---- */

static void test_C15_who_connects_is_told_the_other_node(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct rtmp_cmd cmd;

	drain(n, NODES);
	rtmp_peer_open(&r, n);
	rtmp_peer_call(&r, 0, rtmp_cmd_connect, 1, "live?k=v", "rtmp://a.example/live?k=v", false);
	rtmp_peer_expect(&r, RTMP_CMD_ERROR, &cmd);
	assert_true(cmd.txn == 1);
	assert_int_equal(cmd.code.n, strlen("NetConnection.Connect.Rejected"));
	assert_int_equal(cmd.redirect.n, strlen("rtmp://b.example:1936/live?k=v"));
	assert_memory_equal(cmd.redirect.p, "rtmp://b.example:1936/live?k=v", cmd.redirect.n);
	assert_false(rtmp_peer_next(&r));
	assert_int_equal(node_closes(n, REASON_DRAIN), 1);
	rtmp_peer_close(&r);
}

static void test_C15_the_longest_connect_is_answered(void **state)
{
	static char app[2047], tc_url[2048] = "rtmp://a.example/";
	struct node *n = *state;
	uint8_t text[6000];
	struct wr w = wr_of(text, sizeof(text));
	struct rtmp_cmd cmd;
	struct rtmp_peer r;

	memset(app, 'a', sizeof(app) - 1);
	memset(tc_url + 17, 't', sizeof(tc_url) - 18);
	drain(n, NODES);
	rtmp_peer_open(&r, n);
	rtmp_cmd_connect(&w, 1, app, tc_url, false);
	rtmp_peer_command(&r, 0, &w);
	rtmp_peer_expect(&r, RTMP_CMD_ERROR, &cmd);
	assert_int_equal(cmd.redirect.n, strlen("rtmp://b.example:1936") + strlen(tc_url) - 16);
	rtmp_peer_close(&r);
}

static void test_C15_without_a_node_of_its_kind_it_is_only_refused(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct rtmp_cmd cmd;

	drain(n, "http://b.example:81");
	rtmp_peer_open(&r, n);
	rtmp_peer_call(&r, 0, rtmp_cmd_connect, 1, "live", "rtmp://a.example/live", false);
	rtmp_peer_expect(&r, RTMP_CMD_ERROR, &cmd);
	assert_int_equal(cmd.redirect.n, 0);
	assert_false(rtmp_peer_next(&r));
	rtmp_peer_close(&r);
}

static void test_C15_the_setting_counts_when_draining_is_asked_for_again(void **state)
{
	struct node *n = *state;
	struct rtmp_peer r;
	struct rtmp_cmd cmd;

	drain(n, "");
	drain(n, NODES);
	rtmp_peer_open(&r, n);
	rtmp_peer_call(&r, 0, rtmp_cmd_connect, 1, "live", "rtmp://a.example/live", false);
	rtmp_peer_expect(&r, RTMP_CMD_ERROR, &cmd);
	rtmp_peer_close(&r);
	sessions_drain(&n->core, false);
	rtmp_peer_publish(&r, n, "again");
	rtmp_peer_close(&r);
}

/* connect as Enhanced RTMP clients do that can be asked to reconnect. */
static void connect_rich(struct rtmp_peer *r, const char *tc_url)
{
	struct rtmp_cmd cmd;
	uint8_t text[512];
	struct wr w = wr_of(text, sizeof(text));

	amf0_cstring(&w, "connect");
	amf0_number(&w, 1);
	amf0_object(&w);
	amf0_key(&w, "app");
	amf0_cstring(&w, "live");
	amf0_key(&w, "tcUrl");
	amf0_cstring(&w, tc_url);
	amf0_key(&w, "capsEx");
	amf0_number(&w, RTMP_CAPS_EX_RECONNECT);
	amf0_end(&w);
	rtmp_peer_command(r, 0, &w);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
}

static void expect_reconnect(struct rtmp_peer *r, const char *tc_url)
{
	rtmp_peer_status(r, "status", "NetConnection.Connect.ReconnectRequest");
	assert_non_null(memmem(r->kept, r->last.len, tc_url, strlen(tc_url)));
}

static void test_C17_publishers_and_players_are_asked_to_go_to_the_same_node(void **state)
{
	struct node *n = *state;
	struct rtmp_peer from, to;

	rtmp_peer_open(&from, n);
	connect_rich(&from, "rtmp://a.example/live?k=1");
	rtmp_peer_call(&from, 1, rtmp_cmd_publish, 3, "s");
	rtmp_peer_status(&from, "status", "NetStream.Publish.Start");
	rtmp_peer_gop(&from, 0, true);
	rtmp_peer_taken(n, 5);
	rtmp_peer_open(&to, n);
	connect_rich(&to, "rtmp://a.example/live?k=2");
	to.playing = true;
	rtmp_peer_call(&to, 1, rtmp_cmd_play, 3, "s");
	rtmp_peer_status(&to, "status", "NetStream.Play.Reset");
	rtmp_peer_status(&to, "status", "NetStream.Play.Start");
	drain(n, NODES);
	expect_reconnect(&from, "rtmp://b.example:1936/live?k=1");
	expect_reconnect(&to, "rtmp://b.example:1936/live?k=2");
	rtmp_peer_close(&to);
	rtmp_peer_close(&from);
}

/* ---- HTTP ---- */

static void expect_http(struct node *n, const char *request, const char *status,
			const char *location)
{
	struct peer p;

	peer_open(&p, n, 1);
	peer_send(&p, request, strlen(request));
	peer_until_eof(&p);
	assert_true(p.in_n < p.in_cap);
	p.in[p.in_n] = '\0';
	assert_memory_equal(p.in, status, strlen(status));
	if (location)
		assert_non_null(strstr((char *)p.in, location));
	else
		assert_null(strstr((char *)p.in, "Location"));
	peer_close(&p);
}

static void test_H10_a_request_is_sent_on_with_its_query(void **state)
{
	static const char moved[] = "HTTP/1.1 302 Found\r\n";
	static const char to[] = "\r\nLocation: http://b.example:81/live/s.flv?token=a%20b\r\n\r\n";
	struct node *n = *state;

	drain(n, NODES);
	expect_http(n, "GET /live/s.flv?token=a%20b HTTP/1.1\r\nHost: a.example\r\n\r\n", moved,
		    to);
	expect_http(n, "HEAD /live/s.flv?token=a%20b HTTP/1.0\r\n\r\n", moved, to);
	expect_http(n, "GET http://a.example/live/s.flv?token=a%20b HTTP/1.1\r\nHost: a\r\n\r\n",
		    moved, to);
	expect_http(n,
		    "GET /live/s.flv?token=a%20b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		    moved, to);
	expect_http(n, "GET http://a.example HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 503 ", NULL);
	assert_int_equal(node_closes(n, REASON_DRAIN), 5);
	expect_http(n, "OPTIONS /live/s.flv HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		    "HTTP/1.1 204 ", NULL);
}

static void test_H10_without_a_node_of_its_kind_it_is_503(void **state)
{
	static const char get[] = "GET /live/s.flv HTTP/1.1\r\nHost: a.example\r\n\r\n";
	struct node *n = *state;

	drain(n, "rtmp://b.example:1936");
	expect_http(n, get, "HTTP/1.1 503 ", NULL);
	node_set(n, "drain.redirect", "https://b.example:444");
	expect_http(n, get, "HTTP/1.1 302 ", "\r\nLocation: https://b.example:444/live/s.flv\r\n");
}

static void test_H10_the_longest_target_is_sent_on(void **state)
{
	char get[8000];
	struct node *n = *state;

	drain(n, NODES);
	memset(get, 'a', sizeof(get));
	memcpy(get, "GET /", 5);
	strcpy(get + sizeof(get) - 32, " HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_http(n, get, "HTTP/1.1 302 ", "Location: http://b.example:81/aaaa");
}

#define with_node(test) cmocka_unit_test_setup_teardown(test, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_C15_the_path_of_the_tcUrl_stays),
		with_node(test_C15_who_connects_is_told_the_other_node),
		with_node(test_C15_the_longest_connect_is_answered),
		with_node(test_C15_without_a_node_of_its_kind_it_is_only_refused),
		with_node(test_C15_the_setting_counts_when_draining_is_asked_for_again),
		with_node(test_C17_publishers_and_players_are_asked_to_go_to_the_same_node),
		with_node(test_H10_a_request_is_sent_on_with_its_query),
		with_node(test_H10_without_a_node_of_its_kind_it_is_503),
		with_node(test_H10_the_longest_target_is_sent_on),
	};

	return cmocka_run_group_tests_name("session/elsewhere", tests, NULL, NULL);
}
