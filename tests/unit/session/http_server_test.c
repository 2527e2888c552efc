/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/session/rtmp_peer.h"

#include "media/flv.h"

/* The whole answer to that request, as text. */
static char *ask(struct node *n, struct peer *p, const char *request)
{
	peer_open(p, n, 1);
	peer_send(p, request, strlen(request));
	peer_until_eof(p);
	assert_true(p->in_n < p->in_cap);
	p->in[p->in_n] = '\0';
	return (char *)p->in;
}

static void expect_status(struct node *n, const char *request, const char *status, enum reason why)
{
	uint64_t before = node_closes(n, why);
	struct peer p;
	char *answer = ask(n, &p, request);

	assert_memory_equal(answer, status, strlen(status));
	assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	node_until(n, node_closes(n, why) == before + 1);
	peer_close(&p);
}

static void test_H5_an_unknown_stream_is_404_at_once(void **state)
{
	struct peer p;
	char *answer = ask(*state, &p, "GET /live/none.flv HTTP/1.1\r\nHost: h\r\n\r\n");

	assert_memory_equal(answer, "HTTP/1.1 404 ", 13);
	assert_non_null(strstr(answer, "Content-Length: 23\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\nno such stream is live\n"));
	assert_int_equal(node_closes(*state, REASON_STREAM_NOT_FOUND), 1);
	peer_close(&p);
}

static void test_H13_bad_requests_have_clear_answers(void **state)
{
	struct node *n = *state;
	char target[10000], headers[10000];

	expect_status(n, "nonsense\r\n\r\n", "HTTP/1.1 400 ", REASON_BAD_HTTP);
	expect_status(n, "GET /live/a.flv HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", REASON_BAD_HTTP);
	expect_status(n, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ", REASON_BAD_NAME);
	expect_status(n, "GET /live/a.html HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ",
		      REASON_STREAM_NOT_FOUND);
	expect_status(n, "DELETE /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ",
		      REASON_BAD_METHOD);
	expect_status(n, "POST /live/a.flv HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
		      "HTTP/1.1 405 ", REASON_BAD_METHOD);
	memset(target, 'a', sizeof(target));
	memcpy(target, "GET /", 5);
	target[sizeof(target) - 1] = '\0';
	expect_status(n, target, "HTTP/1.1 414 ", REASON_BAD_HTTP);
	memset(headers, 'a', sizeof(headers));
	memcpy(headers, "GET / HTTP/1.1\r\nx: ", 19);
	headers[sizeof(headers) - 1] = '\0';
	expect_status(n, headers, "HTTP/1.1 431 ", REASON_BAD_HTTP);
}

static void test_H13_a_slow_request_has_a_deadline(void **state)
{
	struct node *n = *state;
	struct peer p, mute;

	peer_open(&p, n, 1);
	peer_open(&mute, n, 1);
	peer_send(&p, "GET / HTTP/1.1\r\n", 16);
	node_until(n, node_count(n, CTR_BYTES_IN) == 16 && node_count(n, CTR_ACCEPTS) == 2);
	node_pass_ms(n, 10100);
	peer_until_eof(&p);
	assert_memory_equal(p.in, "HTTP/1.1 408 ", 13);
	peer_until_eof(&mute);
	assert_int_equal(mute.in_n, 0);
	assert_int_equal(node_closes(n, REASON_REQUEST_TIMEOUT), 2);
	peer_close(&p);
	peer_close(&mute);
}

static void test_H13_a_request_in_single_bytes(void **state)
{
	static const char request[] = "GET /live/none.flv HTTP/1.1\r\nHost: h\r\n\r\n";
	struct peer p;

	peer_open(&p, *state, 1);
	for (size_t i = 0; i < sizeof(request) - 1; i++)
		peer_send(&p, request + i, 1);
	peer_until_eof(&p);
	assert_memory_equal(p.in, "HTTP/1.1 404 ", 13);
	peer_close(&p);
}

static void test_H2_preflight(void **state)
{
	struct peer p;
	char *answer = ask(*state, &p,
			   "OPTIONS /live/a.flv HTTP/1.1\r\nhost: h\r\norigin: http://x\r\n"
			   "access-control-request-private-network: true\r\n"
			   "connection: close\r\n\r\n");

	assert_memory_equal(answer, "HTTP/1.1 204 ", 13);
	assert_non_null(strstr(answer, "Access-Control-Allow-Origin: *\r\n"));
	assert_non_null(strstr(answer, "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"));
	assert_non_null(strstr(answer, "Range"));
	assert_non_null(strstr(answer, "Access-Control-Allow-Private-Network: true\r\n"));
	peer_close(&p);
}

static void test_H2_cors_can_be_off(void **state)
{
	struct node *n = *state;
	struct peer p;
	char *answer;

	node_set(n, "http.cors_origin", "");
	answer = ask(n, &p, "GET /live/none.flv HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_null(strstr(answer, "Access-Control"));
	peer_close(&p);
}

static void test_H1_head_makes_no_viewer(void **state)
{
	struct node *n = *state;
	struct rtmp_peer pub;
	struct peer p;
	char *answer;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 0, true);
	answer = ask(n, &p, "HEAD /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(answer, "Content-Type: video/x-flv\r\n"));
	assert_string_equal(answer + strlen(answer) - 4, "\r\n\r\n");
	assert_int_equal(node_count(n, CTR_JOINS), 0);
	peer_close(&p);
	answer = ask(n, &p, "HEAD /live/b.flv HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_memory_equal(answer, "HTTP/1.1 404 ", 13);
	assert_string_equal(answer + strlen(answer) - 4, "\r\n\r\n");
	peer_close(&p);
	rtmp_peer_close(&pub);
}

static void expect_tag(const uint8_t **at, uint8_t type, uint32_t ts, const void *p, size_t n)
{
	const uint8_t *tag = *at;

	assert_int_equal(tag[0], type);
	assert_int_equal(get_be24(tag + 1), n);
	assert_int_equal(get_be24(tag + 4), ts);
	assert_int_equal(get_be24(tag + 8), 0);
	assert_memory_equal(tag + FLV_TAG_HEAD, p, n);
	assert_int_equal(get_be32(tag + FLV_TAG_HEAD + n), FLV_TAG_HEAD + n);
	*at = tag + FLV_TAG_EXTRA + n;
}

static void test_H3_H4_H7_a_live_answer_and_its_first_bytes(void **state)
{
	static const char request[] =
		"GET /live/a.flv?token=x HTTP/1.1\r\nHost: h\r\nRange: bytes=0-\r\n\r\n";
	struct node *n = *state;
	struct rtmp_peer pub;
	struct peer p;
	const uint8_t *at;

	node_set(n, "publish.hold", "0");
	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_gop(&pub, 700, true);
	rtmp_peer_taken(n, 5);
	peer_open(&p, n, 1);
	peer_send(&p, request, strlen(request));
	node_until(n, node_count(n, CTR_VIEWERS_FLV) == 1);
	rtmp_peer_gop(&pub, 780, false);
	rtmp_peer_close(&pub);
	node_until(n, node_count(n, CTR_PUBLISHERS) == 0);
	node_pass_ms(n, 3100); /* publish.hold */
	node_until(n, node_count(n, CTR_PUBLISHERS) == 0);
	node_pass_ms(n, 200);
	peer_until_eof(&p);
	assert_memory_equal(p.in, "HTTP/1.1 200 OK\r\n", 17);
	at = memmem(p.in, p.in_n, "\r\n\r\n", 4);
	assert_non_null(at);
	assert_null(memmem(p.in, (size_t)(at - p.in), "\r\nContent-Length", 16));
	assert_null(memmem(p.in, (size_t)(at - p.in), "\r\nContent-Range", 15));
	assert_non_null(memmem(p.in, (size_t)(at - p.in), "X-Accel-Buffering: no", 21));
	at += 4;
	assert_memory_equal(at, "FLV\x01\x05\0\0\0\x09\0\0\0\0", FLV_HEADER_BYTES);
	at += FLV_HEADER_BYTES;
	expect_tag(&at, MSG_VIDEO, 700, avc_header, sizeof(avc_header));
	expect_tag(&at, MSG_AUDIO, 700, aac_header, sizeof(aac_header));
	expect_tag(&at, MSG_VIDEO, 700, avc_key, sizeof(avc_key));
	expect_tag(&at, MSG_AUDIO, 710, aac_frame, sizeof(aac_frame));
	expect_tag(&at, MSG_VIDEO, 740, avc_inter, sizeof(avc_inter));
	expect_tag(&at, MSG_VIDEO, 780, avc_key, sizeof(avc_key));
	expect_tag(&at, MSG_AUDIO, 790, aac_frame, sizeof(aac_frame));
	expect_tag(&at, MSG_VIDEO, 820, avc_inter, sizeof(avc_inter));
	assert_ptr_equal(at, p.in + p.in_n);
	assert_int_equal(node_closes(n, REASON_STREAM_ENDED), 1);
	peer_close(&p);
}

static void test_M10_the_file_header_promises_what_there_is(void **state)
{
	static const char request[] = "GET /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n";
	struct node *n = *state;
	struct rtmp_peer pub;
	struct peer p;
	const uint8_t *at;

	rtmp_peer_publish(&pub, n, "a");
	rtmp_peer_msg(&pub, MSG_AUDIO, 1, 0, aac_header, sizeof(aac_header));
	rtmp_peer_msg(&pub, MSG_AUDIO, 1, 10, aac_frame, sizeof(aac_frame));
	rtmp_peer_taken(n, 2);
	peer_open(&p, n, 1);
	peer_send(&p, request, strlen(request));
	node_until(n, (peer_take(&p), at = memmem(p.in, p.in_n, "FLV\x01", 4)));
	assert_int_equal(at[4], 4);
	peer_close(&p);
	rtmp_peer_close(&pub);
}

static void test_viewers_of_one_stream_are_bounded(void **state)
{
	static const char request[] = "GET /live/a.flv HTTP/1.1\r\nHost: h\r\n\r\n";
	struct node *n = *state;
	struct rtmp_peer pub;
	struct peer p;

	node_set(n, "limits.viewers_per_stream", "1");
	rtmp_peer_publish(&pub, n, "a");
	peer_open(&p, n, 1);
	peer_send(&p, request, strlen(request));
	node_until(n, node_count(n, CTR_VIEWERS_FLV) == 1);
	expect_status(n, request, "HTTP/1.1 503 ", REASON_CAP_VIEWERS);
	peer_close(&p);
	node_until(n, node_count(n, CTR_VIEWERS_FLV) == 0);
	rtmp_peer_close(&pub);
}

#define with_node(test) cmocka_unit_test_setup_teardown(test, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_node(test_H5_an_unknown_stream_is_404_at_once),
		with_node(test_H13_bad_requests_have_clear_answers),
		with_node(test_H13_a_slow_request_has_a_deadline),
		with_node(test_H13_a_request_in_single_bytes),
		with_node(test_H2_preflight),
		with_node(test_H2_cors_can_be_off),
		with_node(test_H1_head_makes_no_viewer),
		with_node(test_H3_H4_H7_a_live_answer_and_its_first_bytes),
		with_node(test_M10_the_file_header_promises_what_there_is),
		with_node(test_viewers_of_one_stream_are_bounded),
	};

	return cmocka_run_group_tests_name("session/http_server", tests, NULL, NULL);
}
