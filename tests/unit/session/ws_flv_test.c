/* SPDX-License-Identifier: Apache-2.0 */
#include "session/ws_flv.h"

#include "media/flv.h"
#include "tests/unit/session/rtmp_peer.h"

#define UPGRADE                                                                \
	"Host: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

static void ask(struct peer *p, struct node *n, const char *target, const char *more)
{
	char text[1024];

	peer_open(p, n, 1);
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" UPGRADE "%s\r\n", target, more);
	peer_send(p, text, strlen(text));
}

/* A frame of a client, masked with zeros: its payload is as it is. */
static void say(struct peer *p, uint8_t first, const void *payload, size_t n)
{
	uint8_t bytes[256] = {first, (uint8_t)(0x80 | n)};

	memcpy(bytes + 6, payload, n);
	peer_send(p, bytes, 6 + n);
}

/* Reads up to the end of the answer's head, which it returns as text. */
static const char *head_of(struct peer *p)
{
	static char text[1024];
	uint8_t *end = NULL;

	node_until(p->node,
		   (peer_take(p), end = p->in_n ? memmem(p->in, p->in_n, "\r\n\r\n", 4) : NULL));
	snprintf(text, sizeof(text), "%.*s", (int)(end + 2 - p->in), (const char *)p->in);
	p->read_n = (size_t)(end + 4 - p->in);
	return text;
}

/* The next frame's payload; what came in time at least, as viewers are served at ticks. */
static struct slice frame(struct peer *p, uint8_t first)
{
	size_t head = 2, n;
	uint8_t *at;

	node_until(p->node, (p->node->now_us += 1000, peer_take(p), p->in_n >= p->read_n + 2));
	at = p->in + p->read_n;
	assert_int_equal(at[0], first);
	assert_true(at[1] < 126);
	n = at[1];
	node_until(p->node,
		   (p->node->now_us += 1000, peer_take(p), p->in_n >= p->read_n + head + n));
	at = p->in + p->read_n;
	p->read_n += head + n;
	return (struct slice){at + head, n};
}

static void expect_tag(struct peer *p, uint8_t type, uint32_t ts, const void *body, size_t n)
{
	struct slice tag = frame(p, 0x82);

	assert_int_equal(tag.n, n + FLV_TAG_EXTRA);
	assert_int_equal(tag.p[0], type);
	assert_int_equal(get_be24(tag.p + 1), n);
	assert_int_equal(get_be24(tag.p + 4), ts);
	assert_memory_equal(tag.p + FLV_TAG_HEAD, body, n);
}

static void expect_start(struct peer *p, uint32_t ts)
{
	struct slice file = frame(p, 0x82);

	assert_int_equal(file.n, FLV_HEADER_BYTES);
	assert_memory_equal(file.p, "FLV\x01\x05\0\0\0\x09\0\0\0\0", FLV_HEADER_BYTES);
	expect_tag(p, MSG_VIDEO, ts, avc_header, sizeof(avc_header));
	expect_tag(p, MSG_AUDIO, ts, aac_header, sizeof(aac_header));
	expect_tag(p, MSG_VIDEO, ts, avc_key, sizeof(avc_key));
	expect_tag(p, MSG_AUDIO, ts + 10, aac_frame, sizeof(aac_frame));
	expect_tag(p, MSG_VIDEO, ts + 40, avc_inter, sizeof(avc_inter));
}

static void test_H9_one_tag_a_frame_from_the_file_header_to_the_close(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub;
	struct slice last;
	struct peer p;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 700, true);
	rtmp_peer_taken(n, 5);
	ask(&p, n, "/live/a.flv?token=x",
	    "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: flv\r\n");
	assert_string_equal(head_of(&p), "HTTP/1.1 101 Switching Protocols\r\nServer: Millrace\r\n"
					 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
					 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
					 "Sec-WebSocket-Protocol: flv\r\n");
	expect_start(&p, 700);
	assert_int_equal(node_count(n, CTR_VIEWERS_WS), 1);
	assert_int_equal(node_count(n, CTR_VIEWERS_FLV), 0);
	rtmp_peer_close(&pub);
	last = frame(&p, 0x88);
	assert_int_equal(last.n, 2);
	assert_int_equal(get_be16(last.p), WS_NORMAL);
	peer_until_eof(&p);
	assert_int_equal(p.read_n, p.in_n);
	assert_int_equal(node_closes(n, REASON_STREAM_ENDED), 1);
	assert_int_equal(node_count(n, CTR_VIEWERS_WS), 0);
	peer_close(&p);
}

static void test_H9_pings_are_answered_between_two_tags(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub;
	struct slice pong;
	struct peer p;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	rtmp_peer_taken(n, 5);
	ask(&p, n, "/live/a.flv", "");
	head_of(&p);
	expect_start(&p, 0);
	say(&p, 0x89, "are you there", 13);
	pong = frame(&p, 0x8a);
	assert_int_equal(pong.n, 13);
	assert_memory_equal(pong.p, "are you there", 13);
	say(&p, 0x8a, "", 0);
	say(&p, 0x81, "text", 4);
	rtmp_peer_gop(&pub, 80, false);
	expect_tag(&p, MSG_VIDEO, 80, avc_key, sizeof(avc_key));
	peer_close(&p);
	rtmp_peer_close(&pub);
}

static void test_H9_a_close_is_answered_with_its_code(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub;
	struct slice last;
	struct peer p;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	rtmp_peer_taken(n, 5);
	ask(&p, n, "/live/a.flv", "");
	head_of(&p);
	expect_start(&p, 0);
	say(&p, 0x88, "\x03\xe9", 2);
	last = frame(&p, 0x88);
	assert_memory_equal(last.p, "\x03\xe9", 2);
	peer_until_eof(&p);
	assert_int_equal(node_closes(n, REASON_LEFT), 1);
	peer_close(&p);
	rtmp_peer_close(&pub);
}

static void test_a_bad_frame_ends_the_viewer_alone(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub;
	struct slice last;
	struct peer p;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	rtmp_peer_taken(n, 5);
	ask(&p, n, "/live/a.flv", "");
	head_of(&p);
	expect_start(&p, 0);
	peer_send(&p, "\x81\x01x", 3);
	last = frame(&p, 0x88);
	assert_int_equal(get_be16(last.p), WS_PROTOCOL_ERROR);
	peer_until_eof(&p);
	assert_int_equal(node_closes(n, REASON_BAD_WEBSOCKET), 1);
	assert_int_equal(node_count(n, CTR_PUBLISHERS), 1);
	peer_close(&p);
	rtmp_peer_close(&pub);
}

static void test_bad_handshakes_and_unknown_streams_get_http_answers(void **state)
{
	static const char old[] = "GET /live/a.flv HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
				  "Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\n\r\n";
	struct node *n = *state;
	struct peer p;

	peer_open(&p, n, 1);
	peer_send(&p, old, sizeof(old) - 1);
	assert_non_null(strstr(head_of(&p), "HTTP/1.1 426 "));
	assert_non_null(memmem(p.in, p.in_n, "Sec-WebSocket-Version: 13\r\n", 27));
	peer_close(&p);
	ask(&p, n, "/live/none.flv", "");
	assert_non_null(strstr(head_of(&p), "HTTP/1.1 404 "));
	peer_close(&p);
	ask(&p, n, "/live/none.flv?hevc=old", "");
	assert_non_null(strstr(head_of(&p), "HTTP/1.1 400 "));
	peer_close(&p);
}

static void test_M12_a_viewer_may_do_without_audio_or_video(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub;
	struct peer mute, blind;
	struct slice file;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	rtmp_peer_taken(n, 5);
	ask(&mute, n, "/live/a.flv?audio=0", "");
	head_of(&mute);
	file = frame(&mute, 0x82);
	assert_int_equal(file.p[4], 1);
	expect_tag(&mute, MSG_VIDEO, 0, avc_header, sizeof(avc_header));
	expect_tag(&mute, MSG_VIDEO, 0, avc_key, sizeof(avc_key));
	expect_tag(&mute, MSG_VIDEO, 40, avc_inter, sizeof(avc_inter));
	ask(&blind, n, "/live/a.flv?video=0", "");
	head_of(&blind);
	file = frame(&blind, 0x82);
	assert_int_equal(file.p[4], 4);
	expect_tag(&blind, MSG_AUDIO, 0, aac_header, sizeof(aac_header));
	expect_tag(&blind, MSG_AUDIO, 10, aac_frame, sizeof(aac_frame));
	rtmp_peer_gop(&pub, 80, false);
	expect_tag(&mute, MSG_VIDEO, 80, avc_key, sizeof(avc_key));
	expect_tag(&mute, MSG_VIDEO, 120, avc_inter, sizeof(avc_inter));
	expect_tag(&blind, MSG_AUDIO, 90, aac_frame, sizeof(aac_frame));
	peer_close(&mute);
	peer_close(&blind);
	rtmp_peer_close(&pub);
}

static const uint8_t hevc_header[] = {0x1c, 0, 0, 0, 0, 1, 1, 2, 3};
static const uint8_t hevc_key[] = {0x1c, 1, 0, 0, 0, 0, 0, 0, 3, 0x26, 1, 5};
static const uint8_t ex_header[] = {0x90, 'h', 'v', 'c', '1', 1, 1, 2, 3};
static const uint8_t ex_key[] = {0x93, 'h', 'v', 'c', '1', 0, 0, 0, 3, 0x26, 1, 5};

static void test_M18_hevc_as_the_player_asks_for_it(void **state)
{
	static const char *const targets[] = {"/live/a.flv", "/live/a.flv?hevc=legacy",
					      "/live/a.flv?hevc=enhanced"};
	struct node *n = *state;
	struct stream *stream;
	struct rtmp_peer pub;
	struct peer p;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_msg(&pub, MSG_VIDEO, 1, 0, hevc_header, sizeof(hevc_header));
	rtmp_peer_msg(&pub, MSG_VIDEO, 1, 0, hevc_key, sizeof(hevc_key));
	rtmp_peer_taken(n, 2);
	stream = stream_find(n->engine.registry, "default/live/a");
	for (unsigned i = 0; i < array_len(targets); i++) {
		ask(&p, n, targets[i], "");
		head_of(&p);
		assert_int_equal(frame(&p, 0x82).p[4], 1);
		expect_tag(&p, MSG_VIDEO, 0, i < 2 ? hevc_header : ex_header, sizeof(ex_header));
		expect_tag(&p, MSG_VIDEO, 0, i < 2 ? hevc_key : ex_key, sizeof(ex_key));
		peer_close(&p);
	}
	/* Where the source is as asked for, its log is shared. */
	assert_null(stream->log[stream_log_kind(WIRE_WS, VARIANT_HEVC_LEGACY)]);
	assert_non_null(stream->log[stream_log_kind(WIRE_WS, VARIANT_HEVC_ENHANCED)]);
	stream_put(stream, &n->core);
	rtmp_peer_close(&pub);
}

static void test_M11_a_header_without_frames_promises_nothing(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub;
	struct peer p;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_msg(&pub, MSG_AUDIO, 1, 0, aac_header, sizeof(aac_header));
	rtmp_peer_msg(&pub, MSG_VIDEO, 1, 0, avc_header, sizeof(avc_header));
	rtmp_peer_msg(&pub, MSG_VIDEO, 1, 0, avc_key, sizeof(avc_key));
	rtmp_peer_taken(n, 3);
	node_pass_ms(n, 2000);
	rtmp_peer_msg(&pub, MSG_VIDEO, 1, 2000, avc_key, sizeof(avc_key));
	rtmp_peer_taken(n, 4);
	ask(&p, n, "/live/a.flv", "");
	head_of(&p);
	assert_int_equal(frame(&p, 0x82).p[4], 1);
	expect_tag(&p, MSG_VIDEO, 2000, avc_header, sizeof(avc_header));
	expect_tag(&p, MSG_VIDEO, 2000, avc_key, sizeof(avc_key));
	/* When sound comes after all, its header comes first. */
	rtmp_peer_msg(&pub, MSG_AUDIO, 1, 2020, aac_frame, sizeof(aac_frame));
	expect_tag(&p, MSG_AUDIO, 2020, aac_header, sizeof(aac_header));
	expect_tag(&p, MSG_AUDIO, 2020, aac_frame, sizeof(aac_frame));
	peer_close(&p);
	rtmp_peer_close(&pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define one(t) cmocka_unit_test_setup_teardown(t, node_setup, node_teardown)
		one(test_H9_one_tag_a_frame_from_the_file_header_to_the_close),
		one(test_H9_pings_are_answered_between_two_tags),
		one(test_H9_a_close_is_answered_with_its_code),
		one(test_a_bad_frame_ends_the_viewer_alone),
		one(test_bad_handshakes_and_unknown_streams_get_http_answers),
		one(test_M12_a_viewer_may_do_without_audio_or_video),
		one(test_M18_hevc_as_the_player_asks_for_it),
		one(test_M11_a_header_without_frames_promises_nothing),
#undef one
	};

	return cmocka_run_group_tests_name("session/ws_flv", tests, NULL, NULL);
}
