/* SPDX-License-Identifier: Apache-2.0 */
#include "media/ws.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* ---- handshake ---- */

static const char *shake(const char *fields, struct ws_answer *out, unsigned *status)
{
	static char text[1024];
	static struct http_head head;

	snprintf(text, sizeof(text), "GET /live/a.flv HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
	assert_true(http_request_parse((const uint8_t *)text, strlen(text), &head) > 0);
	assert_true(ws_wanted(&head));
	return ws_handshake(&head, out, status);
}

#define KEY	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void test_the_handshake_of_rfc_6455(void **state)
{
	struct ws_answer a;
	unsigned status;

	assert_null(
		shake("Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY VERSION, &a, &status));
	assert_string_equal(a.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_null(a.protocol.p);
}

static void test_H9_connection_keep_alive_and_upgrade_in_any_case(void **state)
{
	struct ws_answer a;
	unsigned status;

	assert_null(shake("upgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\n" KEY VERSION,
			  &a, &status));
	assert_null(shake("Upgrade: h2c , websocket\r\nConnection: keep-alive\r\n"
			  "Connection:upgrade\r\n" KEY VERSION,
			  &a, &status));
}

static void test_H9_compression_is_not_agreed_to_and_a_protocol_is_chosen(void **state)
{
	struct ws_answer a;
	unsigned status;

	assert_null(shake("Upgrade: websocket\r\nConnection: Upgrade\r\n"
			  "Sec-WebSocket-Extensions: permessage-deflate\r\n"
			  "Sec-WebSocket-Protocol: flv, other\r\n" KEY VERSION,
			  &a, &status));
	assert_int_equal(a.protocol.n, 3);
	assert_memory_equal(a.protocol.p, "flv", 3);
	assert_null(shake("Upgrade: websocket\r\nConnection: Upgrade\r\n"
			  "Sec-WebSocket-Protocol: a b\r\n" KEY VERSION,
			  &a, &status));
	assert_null(a.protocol.p);
}

static void test_handshakes_that_are_refused(void **state)
{
	struct ws_answer a;
	unsigned status;

	assert_non_null(shake("Upgrade: websocket\r\n" KEY VERSION, &a, &status));
	assert_int_equal(status, 400);
	assert_non_null(shake("Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY, &a, &status));
	assert_int_equal(status, 426);
	assert_non_null(shake("Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY
			      "Sec-WebSocket-Version: 8\r\n",
			      &a, &status));
	assert_int_equal(status, 426);
	assert_non_null(
		shake("Upgrade: websocket\r\nConnection: Upgrade\r\n" VERSION, &a, &status));
	assert_int_equal(status, 400);
	assert_non_null(shake("Upgrade: websocket\r\nConnection: Upgrade\r\n" VERSION
			      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n",
			      &a, &status));
	assert_non_null(shake("Upgrade: websocket\r\nConnection: Upgrade\r\n" VERSION
			      "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\n",
			      &a, &status));
}

/* ---- writing ---- */

static void test_heads_have_the_shortest_length(void **state)
{
	static const struct {
		uint64_t n;
		size_t size;
		uint8_t head[WS_HEAD_MAX];
	} cases[] = {
		{0, 2, {0x82, 0}},
		{125, 2, {0x82, 125}},
		{126, 4, {0x82, 126, 0, 126}},
		{65535, 4, {0x82, 126, 0xff, 0xff}},
		{65536, 10, {0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	};
	uint8_t head[WS_HEAD_MAX];

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_int_equal(ws_head_size(cases[i].n), cases[i].size);
		assert_int_equal(ws_head(head, WS_BINARY, cases[i].n), cases[i].size);
		assert_memory_equal(head, cases[i].head, cases[i].size);
	}
}

static void test_a_close_frame_has_its_code(void **state)
{
	uint8_t bytes[8];
	struct wr w = wr_of(bytes, sizeof(bytes));

	ws_close(&w.sink, WS_NORMAL);
	assert_int_equal(wr_len(&w), 4);
	assert_memory_equal(bytes, "\x88\x02\x03\xe8", 4);
}

/* ---- reading ---- */

/* Appends a client's frame: the first byte as it is, masked. */
static size_t client(uint8_t *to, uint8_t first, const void *p, size_t n)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t at = ws_head(to, WS_BINARY, n);

	to[0] = first;
	to[1] |= 0x80;
	memcpy(to + at, mask, 4);
	at += 4;
	for (size_t i = 0; i < n; i++)
		to[at + i] = ((const uint8_t *)p)[i] ^ mask[i & 3];
	return at + n;
}

/* Feeds in pieces of 1..piece; the control frames that came, as text. Returns 0 or the error. */
static int feed(const uint8_t *p, size_t n, size_t piece, char *said, size_t room)
{
	struct ws_event e;
	struct ws_in in;

	ws_in_init(&in);
	said[0] = '\0';
	for (size_t off = 0; off < n;) {
		size_t most = piece > 1 ? 1 + (size_t)rand() % piece : 1;
		int r = ws_in_feed(&in, p + off, min_of(most, n - off), &e);
		size_t len = strlen(said);

		if (r < 0)
			return r;
		assert_true(r > 0 && (size_t)r <= min_of(most, n - off));
		off += (size_t)r;
		if (e.opcode != WS_CONTINUATION)
			snprintf(said + len, room - len, "%x:%.*s:%u ", e.opcode, (int)e.payload.n,
				 (const char *)e.payload.p, e.code);
	}
	return 0;
}

static void test_H9_client_frames_however_they_are_cut(void **state)
{
	static uint8_t bytes[70000], big[30000];
	char said[256];
	size_t n = 0;

	n += client(bytes + n, 0x89, "hello", 5);
	n += client(bytes + n, 0x81, "text is dropped", 15);
	n += client(bytes + n, 0x02, big, sizeof(big)); /* a fragmented message... */
	n += client(bytes + n, 0x89, "", 0);		/* ...with a ping inside */
	n += client(bytes + n, 0x00, big, 300);
	n += client(bytes + n, 0x80, "end", 3);
	n += client(bytes + n, 0x8a, "pong", 4);
	n += client(bytes + n, 0x88,
		    "\x03\xe8"
		    "bye",
		    5);
	n += client(bytes + n, 0x88, "", 0);
	srand(1);
	for (size_t piece = 1; piece < 100000; piece = piece * 3 + 1) {
		assert_int_equal(feed(bytes, n, piece, said, sizeof(said)), 0);
		assert_string_equal(said, "9:hello:0 9::0 a:pong:0 8:\x03\xe8"
					  "bye:1000 8::1005 ");
	}
}

static void test_frames_that_are_refused(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[16];
		size_t n;
	} cases[] = {
		{"no mask", {0x81, 0x01}, 2},
		{"reserved bit, as compression would set it", {0xc1, 0x81}, 2},
		{"unknown data opcode", {0x83, 0x81}, 2},
		{"unknown control opcode", {0x8b, 0x81}, 2},
		{"continuation of nothing", {0x80, 0x81}, 2},
		{"fragmented ping", {0x09, 0x81}, 2},
		{"ping too long", {0x89, 0xfe}, 2},
		{"16-bit length that fits in 7", {0x82, 0xfe, 0, 125, 0, 0, 0, 0}, 8},
		{"64-bit length that fits in 16",
		 {0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0},
		 14},
		{"negative length", {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14},
		{"close with half a code", {0x88, 0x81, 0, 0, 0, 0, 3}, 7},
		{"close with a code that is never sent", {0x88, 0x82, 0, 0, 0, 0, 3, 0xed}, 8},
		{"a new message inside another", {0x01, 0x80, 0, 0, 0, 0, 0x81, 0x80}, 8},
	};
	char said[64];

	for (size_t i = 0; i < array_len(cases); i++) {
		if (feed(cases[i].bytes, cases[i].n, 1, said, sizeof(said)) !=
		    -REASON_BAD_WEBSOCKET)
			fail_msg("taken: %s", cases[i].what);
	}
}

static void test_data_of_a_client_has_a_cap(void **state)
{
	static uint8_t bytes[80000], big[WS_DROPPED_MAX];
	char said[64];
	size_t n = client(bytes, 0x82, big, sizeof(big));

	assert_int_equal(feed(bytes, n, 5000, said, sizeof(said)), 0);
	bytes[0] = 0x02;
	n += client(bytes + n, 0x80, big, 1);
	assert_int_equal(feed(bytes, n, 5000, said, sizeof(said)), -REASON_MESSAGE_TOO_BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_handshake_of_rfc_6455),
		cmocka_unit_test(test_H9_connection_keep_alive_and_upgrade_in_any_case),
		cmocka_unit_test(test_H9_compression_is_not_agreed_to_and_a_protocol_is_chosen),
		cmocka_unit_test(test_handshakes_that_are_refused),
		cmocka_unit_test(test_heads_have_the_shortest_length),
		cmocka_unit_test(test_a_close_frame_has_its_code),
		cmocka_unit_test(test_H9_client_frames_however_they_are_cut),
		cmocka_unit_test(test_frames_that_are_refused),
		cmocka_unit_test(test_data_of_a_client_has_a_cap),
	};

	return cmocka_run_group_tests_name("media/ws", tests, NULL, NULL);
}
