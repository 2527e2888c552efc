/* SPDX-License-Identifier: Apache-2.0 */
/* Legs against servers that the test plays: states, reasons, redirects, waiting and going on. */
#include "tests/unit/session/remote.h"

#include "media/amf0.h"
#include "media/flv.h"
#include "media/http_in.h"

static const uint8_t video_header[] = {0x17, 0, 0, 0, 0, 1, 0x42, 0, 30, 0xff, 0xe0, 0};
static const uint8_t key_frame[] = {0x17, 1, 0, 0, 0, 0, 0, 0, 3, 0x65, 1, 2};
static const uint8_t frame[] = {0x27, 1, 0, 0, 0, 0, 0, 0, 3, 0x41, 1, 2};

static void metadata(struct wr *w)
{
	amf0_cstring(w, "@setDataFrame");
	amf0_cstring(w, "onMetaData");
	amf0_ecma_array(w, 1);
	amf0_key(w, "encoder");
	amf0_cstring(w, "test");
	amf0_end(w);
}

/* ---- an encoder here, for pushes ---- */

static void encoder_open(struct rtmp_peer *r, struct node *n, const char *stream)
{
	uint8_t text[256];
	struct wr w = wr_of(text, sizeof(text));
	struct rtmp_cmd cmd;

	rtmp_peer_open(r, n);
	rtmp_peer_call(r, 0, rtmp_cmd_connect, 1, "live", "rtmp://127.0.0.1/live", true);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_call(r, 0, rtmp_cmd_create_stream, 2);
	rtmp_peer_expect(r, RTMP_CMD_RESULT, &cmd);
	rtmp_peer_call(r, 1, rtmp_cmd_publish, 3, stream);
	rtmp_peer_status(r, "status", "NetStream.Publish.Start");
	metadata(&w);
	rtmp_peer_msg(r, MSG_DATA, 1, 0, text, wr_len(&w));
	rtmp_peer_msg(r, MSG_VIDEO, 1, 0, video_header, sizeof(video_header));
	rtmp_peer_msg(r, MSG_VIDEO, 1, 40, key_frame, sizeof(key_frame));
}

/* A destination that has accepted the push's publish, on that message stream. */
static void destination_open(struct rtmp_peer *r, struct remote *at, uint32_t stream_id)
{
	struct rtmp_cmd cmd;

	remote_accept_rtmp(at, r);
	remote_until(r, stream_id, RTMP_CMD_PUBLISH, &cmd);
	r->playing = true;
	rtmp_peer_call(r, stream_id, rtmp_cmd_on_status, "status", "NetStream.Publish.Start", "");
}

/* A source that has accepted the pull's play. */
static void source_open(struct rtmp_peer *r, struct remote *at)
{
	struct rtmp_cmd cmd;

	remote_accept_rtmp(at, r);
	remote_until(r, 1, RTMP_CMD_PLAY, &cmd);
	rtmp_peer_call(r, 1, rtmp_cmd_on_status, "status", "NetStream.Play.Start", "");
}

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

/* ---- HTTP-FLV ---- */

static void take_request(struct peer *p, char *target, size_t n)
{
	struct http_head h;
	int r = 0;

	node_until(p->node, (peer_take(p), r = http_request_parse(p->in, p->in_n, &h)) != 0);
	assert_true(r > 0);
	snprintf(target, n, "%.*s", (int)h.target.n, (const char *)h.target.p);
}

/* Answers the leg's next request with that text. */
static void answer_with(struct remote *at, char *target, size_t n, const char *fmt, ...)
{
	struct peer p;
	char text[512];
	va_list ap;

	remote_accept(at, &p);
	take_request(&p, target, n);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	peer_send(&p, text, strlen(text));
	peer_until_eof(&p);
	peer_close(&p);
}

static void test_http_statuses_have_their_reasons(void **state)
{
	static const struct {
		unsigned status;
		enum reason why;
	} cases[] = {
		{404, REASON_REMOTE_NOT_FOUND}, {401, REASON_REMOTE_REJECTED},
		{403, REASON_REMOTE_REJECTED},	{503, REASON_REMOTE_STATUS},
		{204, REASON_REMOTE_STATUS},
	};
	struct node *n = *state;
	struct remote at;
	char target[64];

	remote_open(&at, n);
	for (size_t i = 0; i < array_len(cases); i++) {
		leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/x.flv?k=%%20", at.port);
		answer_with(&at, target, sizeof(target), "HTTP/1.1 %u No\r\n\r\n", cases[i].status);
		assert_string_equal(target, "/x.flv?k=%20");
		leg_fails(n, false, "a", cases[i].why);
		relay_remove(&n->engine, "a", false);
	}
	remote_close(&at);
}

static void test_redirects_are_followed_and_a_loop_is_seen(void **state)
{
	struct node *n = *state;
	struct remote at;
	char target[64];

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/1", at.port);
	answer_with(&at, target, sizeof(target), "HTTP/1.1 302 x\r\nLocation: /d/2?q\r\n\r\n");
	answer_with(&at, target, sizeof(target), "HTTP/1.1 307 x\r\nLocation: 3\r\n\r\n");
	assert_string_equal(target, "/d/2?q");
	answer_with(&at, target, sizeof(target),
		    "HTTP/1.1 301 x\r\nLocation: http://127.0.0.1:%u/1\r\n\r\n", at.port);
	assert_string_equal(target, "/d/3");
	leg_fails(n, false, "a", REASON_REMOTE_STATUS);
	assert_non_null(strstr(leg_text(n, false, "a", "detail"), "lead back"));
	remote_close(&at);
}

static void test_more_than_five_redirects_are_too_many(void **state)
{
	struct node *n = *state;
	struct remote at;
	char target[64];

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/0", at.port);
	for (unsigned i = 1; i <= LEG_REDIRECTS_MAX + 1; i++)
		answer_with(&at, target, sizeof(target), "HTTP/1.1 302 x\r\nLocation: /%u\r\n\r\n",
			    i);
	leg_fails(n, false, "a", REASON_REMOTE_STATUS);
	remote_close(&at);
}

static void test_a_redirect_to_a_scheme_that_is_not_built_is_refused(void **state)
{
	struct node *n = *state;
	struct remote at;
	char target[64];

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/0", at.port);
	answer_with(&at, target, sizeof(target),
		    "HTTP/1.1 302 x\r\nLocation: https://127.0.0.1/x\r\n\r\n");
	leg_fails(n, false, "a", REASON_BAD_URL);
	remote_close(&at);
}

/* FLV with a header, a key frame and a frame. */
static void flv_make(struct buf *to)
{
	const struct msg m[] = {
		{MSG_VIDEO, 0, 0, 0, sizeof(video_header), video_header},
		{MSG_VIDEO, 0, 0, 0, sizeof(key_frame), key_frame},
		{MSG_VIDEO, 0, 0, 40, sizeof(frame), frame},
	};
	uint8_t head[FLV_HEADER_BYTES];

	flv_header(head, false, true);
	buf_write(to, head, sizeof(head));
	for (size_t i = 0; i < array_len(m); i++)
		flv_tag(&to->sink, &m[i]);
}

static void send_chunked(struct peer *p, const struct buf *b, size_t piece)
{
	char line[32];

	for (size_t at = 0; at < b->n; at += piece) {
		size_t n = min_of(piece, b->n - at);

		snprintf(line, sizeof(line), "%zx\r\n", n);
		peer_send(p, line, strlen(line));
		peer_send(p, b->p + at, n);
		peer_send(p, "\r\n", 2);
	}
}

static void test_a_chunked_answer_after_a_100_runs_and_its_last_chunk_ends_it(void **state)
{
	static const char head[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	struct node *n = *state;
	struct mem mem = {.max = 1 << 20};
	struct remote at;
	char target[64];
	struct peer p;
	struct buf b;

	buf_init(&b, &mem);
	flv_make(&b);
	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/x.flv", at.port);
	remote_accept(&at, &p);
	take_request(&p, target, sizeof(target));
	peer_send(&p, head, strlen(head));
	send_chunked(&p, &b, 7);
	leg_until(n, false, "a", "running");
	peer_send(&p, "0\r\n\r\n", 5);
	leg_fails(n, false, "a", REASON_REMOTE_ENDED);
	peer_close(&p);
	remote_close(&at);
	buf_fini(&b);
}

static void test_a_close_delimited_answer_runs_until_the_server_closes(void **state)
{
	static const char head[] = "HTTP/1.0 200 OK\r\nContent-Type: video/x-flv\r\n\r\n";
	struct node *n = *state;
	struct mem mem = {.max = 1 << 20};
	struct remote at;
	char target[64];
	struct peer p;
	struct buf b;

	buf_init(&b, &mem);
	buf_write(&b, head, strlen(head));
	flv_make(&b);
	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/x.flv", at.port);
	remote_accept(&at, &p);
	take_request(&p, target, sizeof(target));
	for (size_t i = 0; i < b.n; i++)
		peer_send(&p, b.p + i, 1);
	leg_until(n, false, "a", "running");
	peer_close(&p);
	leg_fails(n, false, "a", REASON_REMOTE_CLOSED);
	remote_close(&at);
	buf_fini(&b);
}

static void test_what_is_no_flv_and_a_head_without_end_break_the_protocol(void **state)
{
	struct node *n = *state;
	struct remote at;
	char target[64], big[17000];
	struct peer p;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/x.flv", at.port);
	answer_with(&at, target, sizeof(target), "HTTP/1.1 200 OK\r\n\r\n<html><body>hello</body>");
	leg_fails(n, false, "a", REASON_REMOTE_PROTOCOL);
	leg_to(n, false, "b", "live/a", "http://127.0.0.1:%u/x.flv", at.port);
	remote_accept(&at, &p);
	memset(big, 'x', sizeof(big));
	memcpy(big, "HTTP/1.1 200 OK\r\nX: ", 20);
	peer_send(&p, big, sizeof(big));
	leg_fails(n, false, "b", REASON_REMOTE_PROTOCOL);
	peer_close(&p);
	remote_close(&at);
}

/* ---- pushes ---- */

/* The next media or data message. */
static void next_media(struct rtmp_peer *r)
{
	do
		assert_true(rtmp_peer_next(r));
	while (!msg_is_media(&r->last) && r->last.type != MSG_DATA);
}

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
	node_pass_ms(n, 100);
	leg_until(n, true, "a", "running");
	for (int i = 1; i < 50; i++) {
		rtmp_peer_msg(&encoder, MSG_VIDEO, 1, 40 + i * 40, frame, sizeof(frame));
		next_media(&r);
		assert_int_equal(r.last.ts_ms, 40 + i * 40);
		assert_int_equal(r.last.stream_id, stream_id);
		assert_memory_equal(r.last.data, frame, sizeof(frame));
	}
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
		T(test_http_statuses_have_their_reasons),
		T(test_redirects_are_followed_and_a_loop_is_seen),
		T(test_more_than_five_redirects_are_too_many),
		T(test_a_redirect_to_a_scheme_that_is_not_built_is_refused),
		T(test_a_chunked_answer_after_a_100_runs_and_its_last_chunk_ends_it),
		T(test_a_close_delimited_answer_runs_until_the_server_closes),
		T(test_what_is_no_flv_and_a_head_without_end_break_the_protocol),
		T(test_C9_a_push_starts_with_wrapped_metadata_headers_and_a_key_frame),
		T(test_a_destination_with_another_message_stream_id_gets_its_own),
		T(test_C5_a_push_says_goodbye_waits_and_goes_on_when_the_stream_is_back),
		T(test_P8_a_destination_that_takes_nothing_fails_and_nobody_else_notices),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
