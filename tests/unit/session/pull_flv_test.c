/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP-FLV pulls: statuses, redirects, bodies, users and passwords. */
#include "tests/unit/session/leg_peers.h"

#include "media/flv.h"
#include "media/http_in.h"

static void take_head(struct peer *p, struct http_head *h)
{
	int r = 0;

	node_until(p->node, (peer_take(p), r = http_request_parse(p->in, p->in_n, h)) != 0);
	assert_true(r > 0);
}

static void take_request(struct peer *p, char *target, size_t n)
{
	struct http_head h;

	take_head(p, &h);
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
	answer_with(&at, target, sizeof(target), "HTTP/1.1 307 x\r\nLocation: ./../d/3\r\n\r\n");
	assert_string_equal(target, "/d/2?q");
	answer_with(&at, target, sizeof(target),
		    "HTTP/1.1 301 x\r\nLocation: HTTP://127.0.0.1:%u/x/../1\r\n\r\n", at.port);
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

static void test_a_redirect_to_another_scheme_is_refused(void **state)
{
	struct node *n = *state;
	struct remote at;
	char target[64];

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/0", at.port);
	answer_with(&at, target, sizeof(target),
		    "HTTP/1.1 302 x\r\nLocation: rtmp://127.0.0.1/x?token=secret\r\n\r\n");
	leg_fails(n, false, "a", REASON_BAD_URL);
	assert_non_null(strstr(leg_text(n, false, "a", "detail"), "rtmp://127.0.0.1/x?token=***"));
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

static void redirect_once(struct node *n, struct remote *at, const char *fmt, ...)
{
	char target[64], location[256], answer[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(location, sizeof(location), fmt, ap);
	va_end(ap);
	snprintf(answer, sizeof(answer), "HTTP/1.1 302 x\r\nLocation: %s\r\n\r\n", location);
	leg_to(n, false, "a", "live/a", "http://127.0.0.1:%u/0", at->port);
	answer_with(at, target, sizeof(target), "%s", answer);
}

static void test_U7_a_redirect_to_a_denied_address_is_not_followed(void **state)
{
	struct node *n = *state;
	struct remote at;

	remote_open(&at, n);
	node_set(n, "relay.deny", "127.0.0.2");
	redirect_once(n, &at, "http://127.0.0.2:%u/1", at.port);
	leg_fails(n, false, "a", REASON_ADDRESS_DENIED);
	remote_close(&at);
}

static void test_P7_a_redirect_to_the_own_stream_is_not_followed(void **state)
{
	struct node *n = *state;
	struct remote at;

	remote_open(&at, n);
	node_set(n, "http.listen", "0.0.0.0:8080");
	redirect_once(n, &at, "http://127.0.0.1:8080/live/a.flv");
	leg_fails(n, false, "a", REASON_BAD_URL);
	assert_string_equal(leg_text(n, false, "a", "detail"), "pulls from itself");
	remote_close(&at);
}

static void test_a_redirect_from_http_to_https_is_followed(void **state)
{
	struct node *n = *state;
	struct remote at;
	struct peer p;

	remote_open(&at, n);
	redirect_once(n, &at, "https://127.0.0.1:%u/1", at.port);
	remote_accept(&at, &p);
	node_until(n, (peer_take(&p), p.in_n > 0));
	assert_int_equal(p.in[0], 0x16);
	peer_close(&p);
	leg_fails(n, false, "a", REASON_TLS_HANDSHAKE);
	remote_close(&at);
}

static void test_user_and_password_are_sent_as_basic_authorization(void **state)
{
	struct node *n = *state;
	struct remote at;
	struct http_head h;
	struct slice value;
	struct peer p;

	remote_open(&at, n);
	leg_to(n, false, "a", "live/a", "http://Aladdin:open%%20sesame@127.0.0.1:%u/x", at.port);
	remote_accept(&at, &p);
	take_head(&p, &h);
	value = http_header_get(&h, "Authorization");
	assert_int_equal(value.n, 34);
	assert_memory_equal(value.p, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", 34);
	value = http_header_get(&h, "Host");
	assert_null(memchr(value.p, '@', value.n));
	peer_close(&p);
	remote_close(&at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, relay_setup, relay_teardown)
		T(test_http_statuses_have_their_reasons),
		T(test_redirects_are_followed_and_a_loop_is_seen),
		T(test_more_than_five_redirects_are_too_many),
		T(test_a_redirect_to_another_scheme_is_refused),
		T(test_a_chunked_answer_after_a_100_runs_and_its_last_chunk_ends_it),
		T(test_a_close_delimited_answer_runs_until_the_server_closes),
		T(test_what_is_no_flv_and_a_head_without_end_break_the_protocol),
		T(test_U7_a_redirect_to_a_denied_address_is_not_followed),
		T(test_P7_a_redirect_to_the_own_stream_is_not_followed),
		T(test_a_redirect_from_http_to_https_is_followed),
		T(test_user_and_password_are_sent_as_basic_authorization),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
