/* SPDX-License-Identifier: Apache-2.0 */
#include "media/http_in.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/check.h"

/* From memory of exactly that size, so that a sanitizer sees a read beyond it. */
static int parse_n(int (*parse)(const uint8_t *, size_t, struct http_head *), const char *text,
		   size_t n, struct http_head *head)
{
	uint8_t *copy = malloc(n + !n);
	int took;

	memcpy(copy, text, n);
	took = parse(copy, n, head);
	free(copy);
	return took;
}

static int parse_request(const char *text, struct http_head *head)
{
	return http_request_parse((const uint8_t *)text, strlen(text), head);
}

static int parse_response(const char *text, struct http_head *head)
{
	return http_response_parse((const uint8_t *)text, strlen(text), head);
}

static void assert_slice(struct slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static const char request[] = "GET /live/cam.flv?token=a HTTP/1.1\r\n"
			      "Host: play.example.com:8080\r\n"
			      "User-Agent:  Lavf/59.27.100 \t\r\n"
			      "accept: */*\r\n"
			      "X-Empty:\r\n"
			      "Connection: keep-alive, Upgrade\r\n"
			      "\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\n"
			       "Content-Type: video/x-flv\r\n"
			       "Transfer-Encoding: chunked\r\n"
			       "Connection: close\r\n"
			       "\r\n";

static void test_request(void **state)
{
	struct http_head h;

	assert_int_equal(parse_request(request, &h), strlen(request));
	assert_int_equal(h.method, HTTP_GET);
	assert_slice(h.method_text, "GET");
	assert_slice(h.target, "/live/cam.flv?token=a");
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.headers_n, 5);
	assert_slice(http_header_get(&h, "HOST"), "play.example.com:8080");
	assert_slice(http_header_get(&h, "user-agent"), "Lavf/59.27.100");
	assert_slice(http_header_get(&h, "x-empty"), "");
	assert_non_null(http_header_get(&h, "x-empty").p);
	assert_null(http_header_get(&h, "range").p);
	assert_int_equal(h.content_length, -1);
	assert_false(h.close || h.chunked);
}

static void test_response(void **state)
{
	struct http_head h;

	assert_int_equal(parse_response(response, &h), strlen(response));
	assert_int_equal(h.status, 200);
	assert_true(h.chunked && h.close);
	assert_int_equal(h.content_length, -1);
	assert_true(parse_response("HTTP/1.0 404\r\nContent-Length: 12\r\n\r\n", &h) > 0);
	assert_int_equal(h.status, 404);
	assert_int_equal(h.content_length, 12);
	assert_true(h.close);
}

static void test_H13_a_head_is_complete_or_it_is_not(void **state)
{
	struct http_head h;

	for (size_t n = 0; n < strlen(request); n++)
		assert_int_equal(parse_n(http_request_parse, request, n, &h), 0);
	for (size_t n = 0; n < strlen(response); n++)
		assert_int_equal(parse_n(http_response_parse, response, n, &h), 0);
}

static void test_bytes_after_the_head_are_not_taken(void **state)
{
	char two[2 * sizeof(request)];
	struct http_head h;

	strcpy(two, request);
	strcat(two, request);
	assert_int_equal(parse_request(two, &h), strlen(request));
}

static void test_methods_and_forms_of_targets(void **state)
{
	static const struct {
		const char *text, *target;
		enum http_method method;
	} cases[] = {
		{"HEAD / HTTP/1.1\r\n\r\n", "/", HTTP_HEAD},
		{"OPTIONS * HTTP/1.1\r\n\r\n", "*", HTTP_OPTIONS},
		{"POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "/x", HTTP_POST},
		{"get / HTTP/1.1\r\n\r\n", "/", HTTP_OTHER},
		{"PROPFIND / HTTP/1.1\r\n\r\n", "/", HTTP_OTHER},
		{"GET http://h/a HTTP/1.1\r\n\r\n", "http://h/a", HTTP_GET},
		{"GET /\xe4\xb8\xad HTTP/1.1\r\n\r\n", "/\xe4\xb8\xad", HTTP_GET},
		{"\r\nGET / HTTP/1.1\r\n\r\n", "/", HTTP_GET},
		{"GET / HTTP/1.1\n\n", "/", HTTP_GET},
	};
	struct http_head h;

	for (unsigned i = 0; i < array_len(cases); i++) {
		assert_int_equal(parse_request(cases[i].text, &h), strlen(cases[i].text));
		assert_int_equal(h.method, cases[i].method);
		assert_slice(h.target, cases[i].target);
	}
}

static void test_H3_who_closes_the_connection(void **state)
{
	static const struct {
		const char *text;
		bool close;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", false},
		{"GET / HTTP/1.0\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false},
	};
	struct http_head h;

	for (unsigned i = 0; i < array_len(cases); i++) {
		assert_true(parse_request(cases[i].text, &h) > 0);
		assert_int_equal(h.close, cases[i].close);
	}
}

static void test_H13_malformed_requests(void **state)
{
	static const char *const bad[] = {
		"GET /\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"GET / HTTP/1.10\r\n\r\n",
		"GET / http/1.1\r\n\r\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1 \r\n\r\n",
		"GET /a b HTTP/1.1\r\n\r\n",
		"GET /a\tb HTTP/1.1\r\n\r\n",
		"G@T / HTTP/1.1\r\n\r\n",
		" GET / HTTP/1.1\r\n\r\n",
		"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\n",
		"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
		"GET / HTTP/1.1\r\nHost\r\n\r\n",
		"GET / HTTP/1.1\r\n: h\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\r\n\r\n",
		"GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 0x0\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: +0\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length:\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	struct http_head h;

	for (unsigned i = 0; i < array_len(bad); i++) {
		if (parse_request(bad[i], &h) != -EINVAL)
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(parse_n(http_request_parse, "GET /\0 HTTP/1.1\r\n\r\n", 19, &h), -EINVAL);
}

static void test_malformed_responses(void **state)
{
	static const char *const bad[] = {
		"ICY 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 600 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"<html>\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	struct http_head h;

	for (unsigned i = 0; i < array_len(bad); i++) {
		if (parse_response(bad[i], &h) != -EINVAL)
			fail_msg("%s", bad[i]);
	}
}

static void test_H13_too_many_headers(void **state)
{
	char text[64 + 8 * HTTP_HEADERS_MAX];
	struct http_head h;

	for (unsigned n = HTTP_HEADERS_MAX; n <= HTTP_HEADERS_MAX + 1; n++) {
		strcpy(text, "GET / HTTP/1.1\r\n");
		for (unsigned i = 0; i < n; i++)
			strcat(text, "A: b\r\n");
		strcat(text, "\r\n");
		if (n == HTTP_HEADERS_MAX)
			assert_int_equal(parse_request(text, &h), strlen(text));
		else
			assert_int_equal(parse_request(text, &h), -EINVAL);
	}
}

/* Feeds text in pieces of 1..max bytes; body gets what came out. Bytes taken, or -EINVAL. */
static int unchunk(const char *text, size_t n, unsigned max, char *body, bool *end)
{
	struct http_chunked c;
	size_t off = 0, body_n = 0;

	http_chunked_init(&c);
	*end = false;
	while (off < n && !*end) {
		size_t piece = 1 + (size_t)rand() % max;
		struct slice run;
		int took;

		piece = min_of(piece, n - off);
		took = http_chunked_feed(&c, (const uint8_t *)text + off, piece, &run, end);
		if (took < 0)
			return took;
		assert_in_range(took, 1, piece);
		memcpy(body + body_n, run.p, run.n);
		body_n += run.n;
		off += (size_t)took;
	}
	body[body_n] = '\0';
	return (int)off;
}

static void test_chunked_in_pieces(void **state)
{
	static const char text[] = "5\r\nhello\r\n1;ext=\"v\"\r\n,\r\n00B  \r\n wide world\r\n"
				   "0\r\nTrailer: x\r\nOther: y\r\n\r\nmore";
	size_t whole = strlen(text) - strlen("more");
	char body[sizeof(text)];
	bool end;

	srand(11);
	for (int round = 0; round < 300; round++) {
		int took = unchunk(text, strlen(text), round < 2 ? 1 : 1 + round % 40, body, &end);

		assert_int_equal(took, whole);
		assert_true(end);
		assert_string_equal(body, "hello, wide world");
	}
}

static void test_chunked_lines_may_end_in_lf(void **state)
{
	char body[32];
	bool end;

	assert_int_equal(unchunk("3\nabc\n0\n\n", 9, 9, body, &end), 9);
	assert_true(end);
	assert_string_equal(body, "abc");
}

static void test_chunked_malformed(void **state)
{
	static const char *const bad[] = {"\r\n",    "x\r\n",	     "-1\r\n",
					  "1\r\nab", "1\r\na\r\r\n", "1000000000000000\r\n",
					  ";\r\n"};
	struct http_chunked c;
	struct slice run;
	char body[32];
	bool end;

	for (unsigned i = 0; i < array_len(bad); i++) {
		if (unchunk(bad[i], strlen(bad[i]), 1, body, &end) != -EINVAL)
			fail_msg("%s", bad[i]);
	}
	/* nothing is taken after the end */
	http_chunked_init(&c);
	assert_int_equal(http_chunked_feed(&c, (const uint8_t *)"0\r\n\r\n", 5, &run, &end), 5);
	assert_true(end);
	assert_int_equal(http_chunked_feed(&c, (const uint8_t *)"0", 1, &run, &end), -EINVAL);
}

static void test_H13_chunked_framing_is_bounded(void **state)
{
	static const char *const begins[] = {"1;", "0\r\n"};

	for (unsigned i = 0; i < array_len(begins); i++) {
		struct http_chunked c;
		struct slice run;
		bool end;
		int n = 0;

		http_chunked_init(&c);
		http_chunked_feed(&c, (const uint8_t *)begins[i], strlen(begins[i]), &run, &end);
		while (http_chunked_feed(&c, (const uint8_t *)"a", 1, &run, &end) == 1)
			assert_true(++n < 10000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_H13_a_head_is_complete_or_it_is_not),
		cmocka_unit_test(test_bytes_after_the_head_are_not_taken),
		cmocka_unit_test(test_methods_and_forms_of_targets),
		cmocka_unit_test(test_H3_who_closes_the_connection),
		cmocka_unit_test(test_H13_malformed_requests),
		cmocka_unit_test(test_malformed_responses),
		cmocka_unit_test(test_H13_too_many_headers),
		cmocka_unit_test(test_chunked_in_pieces),
		cmocka_unit_test(test_chunked_lines_may_end_in_lf),
		cmocka_unit_test(test_chunked_malformed),
		cmocka_unit_test(test_H13_chunked_framing_is_bounded),
	};

	return cmocka_run_group_tests_name("media/http_in", tests, NULL, NULL);
}
