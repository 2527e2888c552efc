/* SPDX-License-Identifier: Apache-2.0 */
#include "media/rtmp_hs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/hmac.h>

#include "base/bytes.h"
#include "base/check.h"

#define WHOLE (1 + RTMP_HS_HALF)

/* The published keys, written down a second time so that a slip in one place shows. */
static const char tail[] = "f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae";

struct key {
	uint8_t b[68];
	size_t part, n;
};

static struct key key_of(const char *text)
{
	struct key k = {.part = strlen(text), .n = strlen(text) + 32};

	memcpy(k.b, text, k.part);
	for (size_t i = 0; i < 32; i++) {
		char hex[3] = {tail[2 * i], tail[2 * i + 1], 0};

		k.b[k.part + i] = (uint8_t)strtoul(hex, NULL, 16);
	}
	return k;
}

static struct key player(void)
{
	return key_of("Genuine Adobe Flash Player 001");
}

static struct key server(void)
{
	return key_of("Genuine Adobe Flash Media Server 001");
}

static void hmac(const uint8_t *key, size_t key_n, const uint8_t *p, size_t n, uint8_t out[32])
{
	assert_non_null(HMAC(EVP_sha256(), key, (int)key_n, p, n, out, NULL));
}

static size_t digest_at(const uint8_t *half, int scheme)
{
	size_t base = scheme == 1 ? 8 : 772;

	return base + 4 + (half[base] + half[base + 1] + half[base + 2] + half[base + 3]) % 728;
}

static void digest_of(const uint8_t *half, int scheme, struct key k, uint8_t out[32])
{
	size_t at = digest_at(half, scheme);
	uint8_t rest[RTMP_HS_HALF - 32];

	memcpy(rest, half, at);
	memcpy(rest + at, half + at + 32, sizeof(rest) - at);
	hmac(k.b, k.part, rest, sizeof(rest), out);
}

static bool is_signed(const uint8_t *half, int scheme, struct key k)
{
	uint8_t digest[32];

	digest_of(half, scheme, k, digest);
	return !memcmp(digest, half + digest_at(half, scheme), 32);
}

/* Is `reply` a signed answer to the half that the other side sent? */
static bool answers(const uint8_t *reply, const uint8_t *half, int scheme, struct key k)
{
	uint8_t derived[32], signature[32];

	hmac(k.b, k.n, half + digest_at(half, scheme), 32, derived);
	hmac(derived, 32, reply, RTMP_HS_HALF - 32, signature);
	return !memcmp(signature, reply + RTMP_HS_HALF - 32, 32);
}

static void noise(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

/* C0C1 as a peer sends it; scheme 0: the simple form with version 0. */
static void make_c0c1(uint8_t out[WHOLE], int scheme, uint32_t seed)
{
	noise(out, WHOLE, seed);
	out[0] = 3;
	put_be32(out + 1, seed);
	put_be32(out + 5, scheme ? 0x80000702 : 0);
	if (scheme)
		digest_of(out + 1, scheme, player(), out + 1 + digest_at(out + 1, scheme));
}

static void start_server(struct rtmp_hs *h, uint32_t seed)
{
	uint8_t random[RTMP_HS_HALF];

	noise(random, sizeof(random), seed);
	rtmp_hs_server(h, random, 0x01020304);
	assert_int_equal(h->out_len, 0);
}

static void test_T3_server_answers_in_the_scheme_it_finds(void **state)
{
	uint8_t c[WHOLE];
	struct rtmp_hs h;

	for (int scheme = 1; scheme <= 2; scheme++) {
		/* many seeds: the digest wanders over its whole range */
		for (uint32_t seed = 1; seed < 40; seed++) {
			make_c0c1(c, scheme, seed);
			start_server(&h, seed + 1000);
			assert_int_equal(rtmp_hs_feed(&h, c, WHOLE), WHOLE);
			assert_int_equal(h.scheme, scheme);
			assert_int_equal(h.out_len, RTMP_HS_OUT);
			assert_int_equal(h.out[0], 3);
			assert_int_equal(get_be32(h.out + 1), 0x01020304);
			assert_true(h.out[5] >= 3);
			assert_true(is_signed(h.out + 1, scheme, server()));
			assert_true(answers(h.out + WHOLE, c + 1, scheme, server()));
		}
	}
}

static void test_T3_server_echoes_what_has_no_valid_digest(void **state)
{
	uint8_t c[WHOLE];
	struct rtmp_hs h;

	for (int kind = 0; kind < 3; kind++) {
		make_c0c1(c, kind ? 1 : 0, 7);
		if (kind == 1) /* one wrong bit */
			c[1 + digest_at(c + 1, 1)] ^= 1;
		if (kind == 2) { /* a valid digest, but version 0 says that there is none */
			put_be32(c + 5, 0);
			digest_of(c + 1, 1, player(), c + 1 + digest_at(c + 1, 1));
		}
		start_server(&h, 8);
		assert_int_equal(rtmp_hs_feed(&h, c, WHOLE), WHOLE);
		assert_int_equal(h.scheme, 0);
		assert_int_equal(h.out_len, RTMP_HS_OUT);
		assert_int_equal(h.out[0], 3);
		assert_int_equal(get_be32(h.out + 5), 0);
		assert_memory_equal(h.out + WHOLE, c + 1, RTMP_HS_HALF);
	}
}

static void test_T3_a_bad_c2_changes_nothing(void **state)
{
	uint8_t c[WHOLE], c2[RTMP_HS_HALF];
	struct rtmp_hs h;

	make_c0c1(c, 1, 1);
	start_server(&h, 2);
	rtmp_hs_feed(&h, c, WHOLE);
	h.out_len = 0;
	noise(c2, sizeof(c2), 3);
	assert_int_equal(rtmp_hs_feed(&h, c2, sizeof(c2)), sizeof(c2));
	assert_true(rtmp_hs_done(&h));
	assert_int_equal(h.out_len, 0);
}

static void test_T2_answer_goes_out_with_the_last_byte_of_c1(void **state)
{
	uint8_t c[WHOLE], none[RTMP_HS_HALF] = {0};
	struct rtmp_hs h;

	make_c0c1(c, 2, 5);
	start_server(&h, 6);
	for (size_t i = 0; i < WHOLE; i++) {
		assert_int_equal(h.out_len, 0);
		assert_int_equal(rtmp_hs_feed(&h, c + i, 1), 1);
	}
	assert_int_equal(h.out_len, RTMP_HS_OUT);
	assert_false(rtmp_hs_done(&h));
	h.out_len = 0;
	for (size_t i = 0; i < RTMP_HS_HALF; i++) {
		assert_false(rtmp_hs_done(&h));
		assert_int_equal(rtmp_hs_feed(&h, none + i, 1), 1);
	}
	assert_true(rtmp_hs_done(&h));
	assert_int_equal(h.out_len, 0);
}

static void test_T2_bytes_after_c2_are_left_for_the_chunk_stream(void **state)
{
	uint8_t all[WHOLE + RTMP_HS_HALF + 10] = {0};
	struct rtmp_hs whole, cut;
	unsigned seed = 1;

	make_c0c1(all, 1, 9);
	start_server(&whole, 10);
	assert_int_equal(rtmp_hs_feed(&whole, all, sizeof(all)), sizeof(all) - 10);
	assert_true(rtmp_hs_done(&whole));
	assert_int_equal(rtmp_hs_feed(&whole, all, 10), 0);

	for (int round = 0; round < 50; round++) {
		size_t off = 0;

		start_server(&cut, 10);
		while (!rtmp_hs_done(&cut)) {
			size_t n = 1 + (size_t)rand_r(&seed) % 700;
			int taken = rtmp_hs_feed(&cut, all + off, min_of(n, sizeof(all) - off));

			assert_true(taken > 0);
			off += (size_t)taken;
		}
		assert_int_equal(off, sizeof(all) - 10);
		assert_memory_equal(cut.out, whole.out, RTMP_HS_OUT);
	}
}

static void test_T1_first_byte_must_be_three(void **state)
{
	struct rtmp_hs h;

	for (unsigned b = 0; b < 256; b++) {
		uint8_t first = (uint8_t)b;

		start_server(&h, 1);
		assert_int_equal(rtmp_hs_feed(&h, &first, 1), b == 3 ? 1 : -REASON_NOT_RTMP);
		assert_int_equal(h.out_len, 0);
	}
	assert_int_equal(rtmp_hs_feed(&h, NULL, 0), 0);
}

/* Both of our sides against each other, in pieces of `piece` bytes. */
static void converse(bool digest, size_t piece, struct rtmp_hs *c, struct rtmp_hs *s)
{
	uint8_t random[RTMP_HS_HALF], up[2 * RTMP_HS_OUT], down[2 * RTMP_HS_OUT];
	size_t up_n = 0, down_n = 0, up_off = 0, down_off = 0;

	noise(random, sizeof(random), 21);
	rtmp_hs_client(c, random, 77, digest);
	assert_int_equal(c->out_len, WHOLE);
	start_server(s, 22);
	while (!rtmp_hs_done(c) || !rtmp_hs_done(s)) {
		memcpy(up + up_n, c->out, c->out_len);
		up_n += c->out_len;
		c->out_len = 0;
		up_off += (size_t)rtmp_hs_feed(s, up + up_off, min_of(piece, up_n - up_off));
		memcpy(down + down_n, s->out, s->out_len);
		down_n += s->out_len;
		s->out_len = 0;
		down_off +=
			(size_t)rtmp_hs_feed(c, down + down_off, min_of(piece, down_n - down_off));
	}
	assert_int_equal(up_off, WHOLE + RTMP_HS_HALF);
	assert_int_equal(down_off, RTMP_HS_OUT);
	assert_int_equal(get_be32(up + 1), 77);
	if (digest) {
		assert_true(is_signed(up + 1, 1, player()));
		assert_true(answers(up + WHOLE, down + 1, 1, player()));
	} else {
		assert_int_equal(get_be32(up + 5), 0);
		assert_memory_equal(up + WHOLE, down + 1, RTMP_HS_HALF);
	}
}

static void test_T3_client_and_server_agree(void **state)
{
	static const size_t pieces[] = {1, 100, 1536, 1537, 3073};
	struct rtmp_hs c, s;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		converse(true, pieces[i], &c, &s);
		assert_int_equal(c.scheme, 1);
		assert_int_equal(s.scheme, 1);
		converse(false, pieces[i], &c, &s);
		assert_int_equal(c.scheme, 0);
		assert_int_equal(s.scheme, 0);
	}
}

static void test_T3_client_takes_a_server_that_only_echoes(void **state)
{
	uint8_t random[RTMP_HS_HALF], s0s1s2[RTMP_HS_OUT];
	struct rtmp_hs h;

	noise(random, sizeof(random), 1);
	rtmp_hs_client(&h, random, 0, true);
	noise(s0s1s2, sizeof(s0s1s2), 2);
	s0s1s2[0] = 3;
	h.out_len = 0;
	assert_int_equal(rtmp_hs_feed(&h, s0s1s2, sizeof(s0s1s2)), sizeof(s0s1s2));
	assert_true(rtmp_hs_done(&h));
	assert_int_equal(h.scheme, 0);
	assert_int_equal(h.out_len, RTMP_HS_HALF);
	assert_memory_equal(h.out, s0s1s2 + 1, RTMP_HS_HALF);
}

static void test_T1_guesses(void **state)
{
	static const struct {
		const char *bytes, *name;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", "http"},
		{"POST /open/1", "http"},
		{"PUT /", "http"},
		{"PRI * HTTP/2.0\r\n", "http"},
		{"PROXY TCP4 1.2.3.4", "proxy-v1"},
		{"PRO", "proxy-v1"},
		{"\r\n\r\n", "proxy-v2"},
		{"\r", "proxy-v2"},
		{"\x16\x03\x01", "tls"},
		{"\x16", "tls"},
		{"\x06", "rtmpe"},
		{"\x08xx", "rtmpe"},
		{"\x16\x07", "unknown"},
		{"hello", "unknown"},
		{"", "unknown"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
			rtmp_hs_guess((const uint8_t *)cases[i].bytes, strlen(cases[i].bytes)),
			cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T1_first_byte_must_be_three),
		cmocka_unit_test(test_T1_guesses),
		cmocka_unit_test(test_T2_answer_goes_out_with_the_last_byte_of_c1),
		cmocka_unit_test(test_T2_bytes_after_c2_are_left_for_the_chunk_stream),
		cmocka_unit_test(test_T3_server_answers_in_the_scheme_it_finds),
		cmocka_unit_test(test_T3_server_echoes_what_has_no_valid_digest),
		cmocka_unit_test(test_T3_a_bad_c2_changes_nothing),
		cmocka_unit_test(test_T3_client_and_server_agree),
		cmocka_unit_test(test_T3_client_takes_a_server_that_only_echoes),
	};

	return cmocka_run_group_tests_name("rtmp_hs", tests, NULL, NULL);
}
