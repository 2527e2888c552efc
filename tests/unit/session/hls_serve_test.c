/* SPDX-License-Identifier: Apache-2.0 */
/* HLS by HTTP: what players get, on connections that are kept. Segments come from the test. */
#include "tests/unit/session/rtmp_peer.h"

#include <stdio.h>
#include <sys/mman.h>

#include "core/hls.h"
#include "session/waiting.h"

#define KEY	  "default/live/a"
#define SECOND	  1000000ull
#define BIG	  3000000u
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

struct world {
	struct node *node;
	struct peer peer;
};

/* ---- the worker's side ---- */

static struct segment *object(struct node *n, char with, size_t bytes)
{
	int fd = memfd_create("segment", MFD_ALLOW_SEALING);
	char *text = malloc(bytes);
	struct segment *s = NULL;

	memset(text, with, bytes);
	assert_int_equal(write(fd, text, bytes), bytes);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(segment_take(&n->engine.hls->store, fd, BIG, 1u << 30, &s), SEGMENT_OK);
	close(fd);
	free(text);
	return s;
}

static void open_stream(struct node *n, bool fmp4, uint32_t part_ms)
{
	const struct hls_open o = {
		.key = KEY, .codecs = "", .fmp4 = fmp4, .target_ms = 2000, .part_ms = part_ms};
	struct hls_fault f;

	assert_int_equal(hls_open(n->engine.hls, &o, n, n->now_us, &f), 0);
}

static void put(struct node *n, struct hls_put p)
{
	struct hls_stream *s = hls_find(n->engine.hls, KEY);
	const struct m3u8 *m = &hls_view(s)->list;
	struct hls_fault f;

	p.m.seq = m->media_seq + m->segs_n;
	assert_int_equal(hls_put(n->engine.hls, s, &p, false, n->now_us, &f), 0);
}

static void put_segment(struct node *n, char with, size_t bytes)
{
	struct hls_put p = {.kind = HLS_SEGMENT, .object = object(n, with, bytes)};

	p.m = (struct m3u8_segment){.duration_us = 2 * SECOND, .independent = true};
	put(n, p);
}

static void put_part(struct node *n, uint32_t part, char with)
{
	struct hls_put p = {.kind = HLS_PART, .part = part, .object = object(n, with, 10)};

	p.m = (struct m3u8_segment){.duration_us = SECOND / 2, .independent = true};
	put(n, p);
}

/* ---- the player's side ---- */

static void changed(struct engine *e, const char *key)
{
	waiting_notify(e, WAITING_FOR_SEGMENT, key);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->node = node_new();
	w->node->engine.hls->changed = changed;
	peer_open(&w->peer, w->node, 1);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	peer_close(&w->peer);
	node_free(w->node);
	free(w);
	return 0;
}

static void say(struct peer *p, const char *request)
{
	peer_send(p, request, strlen(request));
}

/* The next answer's head, which is cut off; *body and *n are what follows it by Content-Length. */
static char *answer(struct peer *p, bool head_only, const char **body, size_t *n)
{
	char *head = NULL, *end = NULL, *length;

	node_until(p->node, (peer_take(p), p->in[p->in_n] = 0, head = (char *)p->in + p->read_n,
			     end = strstr(head, "\r\n\r\n")));
	*end = '\0';
	length = strstr(head, "\r\nContent-Length:");
	*n = length && !head_only ? strtoul(length + 17, NULL, 10) : 0;
	p->read_n = (size_t)(end + 4 - (char *)p->in);
	node_until(p->node, (peer_take(p), p->in_n >= p->read_n + *n));
	head = (char *)p->in + (head - (char *)p->in);
	*body = (char *)p->in + p->read_n;
	p->read_n += *n;
	return (char *)p->in + (size_t)(head - (char *)p->in);
}

static void expect(struct peer *p, const char *request, const char *status, const char *line,
		   const char *text)
{
	const char *body;
	size_t n;
	char *head;

	say(p, request);
	head = answer(p, !strncmp(request, "HEAD", 4), &body, &n);
	assert_memory_equal(head + 9, status, 3);
	if (*line && !strstr(head, line))
		fail_msg("no %s in %s", line, head);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(body, text, n);
}

static void test_a_connection_is_kept_for_playlist_and_segments(void **state)
{
	struct world *w = *state;
	const char *body;
	size_t n;

	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', 4);
	put_segment(w->node, 'y', BIG);
	say(&w->peer, GET("/live/a.m3u8"));
	answer(&w->peer, false, &body, &n);
	assert_memory_equal(body, "#EXTM3U\n", 8);
	expect(&w->peer, GET("/live/a/0.ts"), "200", "\r\nContent-Type: video/mp2t\r\n", "xxxx");
	say(&w->peer, GET("/live/a/1.ts"));
	answer(&w->peer, false, &body, &n);
	assert_int_equal(n, BIG);
	assert_true(body[0] == 'y' && body[BIG - 1] == 'y');
	expect(&w->peer, GET("/live/a/0.ts"), "200", "\r\nConnection: keep-alive", "xxxx");
	assert_int_equal(node_count(w->node, CTR_HLS_OBJECTS), 3);
	assert_int_equal(node_count(w->node, CTR_HLS_PLAYLISTS), 1);
	assert_true(node_count(w->node, CTR_HLS_BYTES) > BIG);
	assert_int_equal(node_count(w->node, CTR_ACCEPTS), 1);
}

static void test_requests_ahead_of_their_answers_are_answered_in_order(void **state)
{
	struct world *w = *state;
	const char *body;
	size_t n;

	open_stream(w->node, false, 0);
	for (char c = 'a'; c < 'e'; c++)
		put_segment(w->node, c, 200000);
	say(&w->peer, GET("/live/a/0.ts") GET("/live/a/1.ts") GET("/live/a/9.ts")
			      GET("/live/a/2.ts") "GET /live/a");
	for (unsigned i = 0; i < 4; i++) {
		char *head = answer(&w->peer, false, &body, &n);

		assert_memory_equal(head + 9, i == 2 ? "404" : "200", 3);
		if (i != 2)
			assert_int_equal(body[n - 1], "abxc"[i]);
	}
	expect(&w->peer,
	       "/3.ts HTTP/1.1\r\nHost: h\r\nConnection: close\r\nRange: bytes=-2\r\n\r\n", "206",
	       "\r\nConnection: close", "dd");
	peer_until_eof(&w->peer);
	node_until(w->node, node_closes(w->node, REASON_ANSWERED) == 1);
}

static void test_more_requests_ahead_than_fit_end_the_connection(void **state)
{
	struct world *w = *state;

	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', BIG);
	for (unsigned i = 0; i < 300; i++)
		say(&w->peer, GET("/live/a/0.ts"));
	peer_until_eof(&w->peer);
	assert_int_equal(node_closes(w->node, REASON_PIPELINE_FULL), 1);
}

static void test_H1_head_ranges_and_conditions(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->peer;
	char request[300], *head, *tag;
	const char *body;
	size_t n;

	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', 100);
	expect(p, "HEAD /live/a/0.ts HTTP/1.1\r\nHost: h\r\n\r\n", "200", "\r\nContent-Length: 100",
	       "");
	expect(p, "HEAD /live/a.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n", "200", "mpegurl\r\n", "");
	expect(p, "GET /live/a/0.ts HTTP/1.1\r\nHost: h\r\nRange: bytes=98-\r\n\r\n", "206",
	       "\r\nContent-Range: bytes 98-99/100\r\n", "xx");
	expect(p, "GET /live/a/0.ts HTTP/1.1\r\nHost: h\r\nRange: bytes=100-\r\n\r\n", "416",
	       "\r\nContent-Range: bytes */100\r\n", "");
	expect(p,
	       "GET /live/a/0.ts HTTP/1.1\r\nHost: h\r\nRange: bytes=9-9\r\nIf-Range: \"z\"\r\n\r\n",
	       "200", "\r\nAccept-Ranges: bytes\r\n",
	       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	       "xxxxxxxxxxxx");
	say(p, GET("/live/a/0.ts"));
	head = answer(p, false, &body, &n);
	tag = strstr(head, "\r\nETag: ") + 8;
	snprintf(request, sizeof(request),
		 "GET /live/a/0.ts HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"q\", %.*s\r\n\r\n",
		 (int)strcspn(tag, "\r"), tag);
	expect(p, request, "304", "\r\nETag: ", "");
	expect(p, GET("/live/a/0.ts?again"), "200", "\r\nETag: ",
	       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	       "xxxxxxxxxxxx");
}

static void test_L5_L6_what_may_be_cached_and_what_is_gone(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->peer;
	const char *body;
	size_t n;

	node_set(w->node, "hls.keep", "0");
	open_stream(w->node, false, 0);
	for (unsigned i = 0; i < 20; i++) {
		w->node->now_us += 2 * SECOND;
		put_segment(w->node, 'x', 1);
	}
	say(p, GET("/live/a.m3u8"));
	assert_non_null(
		strstr(answer(p, false, &body, &n), "\r\nCache-Control: public, max-age=1\r\n"));
	expect(p, GET("/live/a/19.ts"), "200",
	       "\r\nCache-Control: public, max-age=31536000, immutable\r\n", "x");
	say(p, GET("/live/a/0.ts"));
	assert_memory_equal(answer(p, false, &body, &n) + 9, "410", 3);
	say(p, GET("/live/a/20.ts"));
	assert_non_null(strstr(answer(p, false, &body, &n), "404 Not Found\r\n"));
	say(p, GET("/live/none.m3u8"));
	assert_non_null(strstr(answer(p, false, &body, &n), "\r\nCache-Control: no-store\r\n"));
	say(p, GET("/live/a/19.m4s"));
	assert_memory_equal(answer(p, false, &body, &n) + 9, "404", 3);
	assert_int_equal(node_count(w->node, CTR_HLS_NOT_FOUND), 4);
}

static void test_H2_a_browser_may_ask_from_another_page(void **state)
{
	struct world *w = *state;

	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', 1);
	expect(&w->peer, GET("/live/a/0.ts"), "200", "\r\nAccess-Control-Allow-Origin: *\r\n", "x");
	expect(&w->peer, "OPTIONS /live/a/0.ts HTTP/1.1\r\nHost: h\r\n\r\n", "204",
	       "\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n", "");
	/* On the same connection, as browsers do it. */
	expect(&w->peer, GET("/live/a/0.ts"), "200", "\r\nConnection: keep-alive\r\n", "x");
}

/* ---- holding ---- */

static bool nothing_came(struct world *w)
{
	for (unsigned i = 0; i < 5; i++)
		node_turn(w->node);
	peer_take(&w->peer);
	return w->peer.in_n == w->peer.read_n;
}

static void test_L8_the_first_request_waits_for_the_first_segment(void **state)
{
	struct world *w = *state;
	struct rtmp_peer publisher;
	const char *body;
	size_t n;

	rtmp_peer_publish(&publisher, w->node, "a");
	say(&w->peer, GET("/live/a.m3u8"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	open_stream(w->node, false, 0);
	assert_true(nothing_came(w));
	assert_int_equal(node_count(w->node, CTR_HLS_HOLDING), 1);
	put_segment(w->node, 'x', 1);
	assert_memory_equal(answer(&w->peer, false, &body, &n) + 9, "200", 3);
	assert_int_equal(node_count(w->node, CTR_HLS_HELD), 1);
	assert_int_equal(node_count(w->node, CTR_HLS_HOLDING), 0);
	rtmp_peer_close(&publisher);
}

static void test_L8_but_not_for_ever(void **state)
{
	struct world *w = *state;
	struct rtmp_peer publisher;
	const char *body;
	size_t n;
	char *head;

	rtmp_peer_publish(&publisher, w->node, "a");
	say(&w->peer, GET("/live/a.m3u8") GET("/live/none.m3u8"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	node_pass_ms(w->node, 8100);
	head = answer(&w->peer, false, &body, &n);
	assert_memory_equal(head + 9, "404", 3);
	assert_non_null(strstr(head, "\r\nRetry-After: "));
	assert_memory_equal(answer(&w->peer, false, &body, &n) + 9, "404", 3);
	assert_int_equal(node_count(w->node, CTR_HLS_LATE), 1);
	rtmp_peer_close(&publisher);
}

static void test_L11_a_blocking_reload_waits_for_its_part(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->peer;
	const char *body;
	size_t n;

	open_stream(w->node, false, 500);
	put_segment(w->node, 'x', 1);
	say(p, GET("/live/a.m3u8?_HLS_msn=1&_HLS_part=1"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	put_part(w->node, 0, 'p');
	assert_true(nothing_came(w));
	put_part(w->node, 1, 'q');
	assert_non_null(strstr(answer(p, false, &body, &n), "max-age=12\r\n"));
	assert_non_null(memmem(body, n, "\"a/1.1.ts\"", 10));
	/* Beyond a segment's last part is the first one of the next. */
	put_segment(w->node, 'y', 1);
	say(p, GET("/live/a.m3u8?_HLS_msn=1&_HLS_part=2"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	put_part(w->node, 0, 'r');
	answer(p, false, &body, &n);
	assert_non_null(memmem(body, n, "\"a/2.0.ts\"", 10));
	say(p, GET("/live/a.m3u8?_HLS_msn=4"));
	assert_memory_equal(answer(p, false, &body, &n) + 9, "400", 3);
	say(p, GET("/live/a.m3u8?_HLS_part=4"));
	assert_memory_equal(answer(p, false, &body, &n) + 9, "400", 3);
	say(p, GET("/live/a.m3u8?_HLS_msn=3"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	node_pass_ms(w->node, 6100);
	assert_memory_equal(answer(p, false, &body, &n) + 9, "503", 3);
}

static void test_L11_a_hinted_part_waits_until_it_is_made(void **state)
{
	struct world *w = *state;

	open_stream(w->node, false, 500);
	put_segment(w->node, 'x', 1);
	say(&w->peer, GET("/live/a/1.0.ts"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	put_part(w->node, 0, 'p');
	expect(&w->peer, "", "200", "\r\nContent-Type: video/mp2t\r\n", "pppppppppp");
	say(&w->peer, GET("/live/a/1.1.ts"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	put_segment(w->node, 'y', 1);
	expect(&w->peer, "", "404", "", "no such stream is live (interop H5)\n");
}

static void test_a_player_that_leaves_while_it_is_held_leaves_nothing(void **state)
{
	struct world *w = *state;

	open_stream(w->node, false, 0);
	say(&w->peer, GET("/live/a.m3u8"));
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 1);
	close(w->peer.fd);
	node_until(w->node, node_count(w->node, CTR_HLS_HOLDING) == 0);
	w->peer.fd = dup(0);
	put_segment(w->node, 'x', 1);
	node_turn(w->node);
}

/* ---- slow clients ---- */

static void test_H8_a_client_that_takes_nothing_is_closed(void **state)
{
	struct world *w = *state;

	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', BIG);
	for (unsigned i = 0; i < 5; i++)
		say(&w->peer, GET("/live/a/0.ts"));
	node_until(w->node, node_count(w->node, CTR_SENDS_BLOCKED) > 0);
	node_pass_ms(w->node, 41000);
	node_until(w->node, node_closes(w->node, REASON_SEND_STALLED) == 1);
}

static void test_idle_connections_end(void **state)
{
	struct world *w = *state;

	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', 1);
	expect(&w->peer, GET("/live/a/0.ts"), "200", "", "x");
	node_pass_ms(w->node, 60000);
	expect(&w->peer, GET("/live/a/0.ts"), "200", "", "x");
	node_pass_ms(w->node, 76000);
	peer_until_eof(&w->peer);
	assert_int_equal(node_closes(w->node, REASON_IDLE_TIMEOUT), 1);
}

/* ---- identities ---- */

static void test_L7_viewers_with_an_identity_are_counted(void **state)
{
	struct world *w = *state;
	struct rtmp_peer publisher;
	char request[200], *uri;
	const char *body;
	size_t n;

	node_set(w->node, "hls.viewer", "full");
	rtmp_peer_publish(&publisher, w->node, "a");
	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', 1);
	say(&w->peer, GET("/live/a.m3u8?k=v"));
	assert_non_null(strstr(answer(&w->peer, false, &body, &n), "no-store"));
	uri = memmem(body, n, "\na.m3u8?k=v&hls_viewer=", 23);
	assert_non_null(uri);
	assert_int_equal(node_count(w->node, CTR_VIEWERS_HLS), 1);
	snprintf(request, sizeof(request), "GET /live/%.*s HTTP/1.1\r\nHost: h\r\n\r\n",
		 (int)strcspn(uri + 1, "\n"), uri + 1);
	say(&w->peer, request);
	answer(&w->peer, false, &body, &n);
	assert_non_null(memmem(body, n, "\na/0.ts?k=v&hls_viewer=", 23));
	assert_int_equal(node_count(w->node, CTR_VIEWERS_HLS), 1);
	node_pass_ms(w->node, 8000);
	assert_int_equal(node_count(w->node, CTR_VIEWERS_HLS), 0);
	rtmp_peer_close(&publisher);
}

static void test_switched_off(void **state)
{
	struct world *w = *state;
	const char *body;
	size_t n;

	node_set(w->node, "hls.mode", "off");
	open_stream(w->node, false, 0);
	put_segment(w->node, 'x', 1);
	say(&w->peer, GET("/live/a.m3u8"));
	assert_memory_equal(answer(&w->peer, false, &body, &n) + 9, "404", 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_connection_is_kept_for_playlist_and_segments),
		T(test_requests_ahead_of_their_answers_are_answered_in_order),
		T(test_more_requests_ahead_than_fit_end_the_connection),
		T(test_H1_head_ranges_and_conditions),
		T(test_L5_L6_what_may_be_cached_and_what_is_gone),
		T(test_H2_a_browser_may_ask_from_another_page),
		T(test_L8_the_first_request_waits_for_the_first_segment),
		T(test_L8_but_not_for_ever),
		T(test_L11_a_blocking_reload_waits_for_its_part),
		T(test_L11_a_hinted_part_waits_until_it_is_made),
		T(test_a_player_that_leaves_while_it_is_held_leaves_nothing),
		T(test_H8_a_client_that_takes_nothing_is_closed),
		T(test_idle_connections_end),
		T(test_L7_viewers_with_an_identity_are_counted),
		T(test_switched_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
