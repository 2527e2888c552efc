/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#include <errno.h>

#include "net/tcp/tcp_hdr.h"
#include "net/tcp/tcp_sum.h"

static struct tcp_seg sample(bool v6)
{
	struct tcp_seg g = {
		.sport = 1935,
		.dport = 40000,
		.seq = 0xfffffffe,
		.ack = 0x12345678,
		.flags = TCP_ACK | TCP_PSH,
		.ttl = 64,
		.wnd = 4321,
		.wscale = TCP_NO_WSCALE,
		.has_ts = true,
		.tsval = 99,
		.tsecr = 77,
		.sacks = 3,
		.sack = {{1, 2}, {3, 4}, {0xfffffff0, 5}},
	};
	const char *a = v6 ? "2001:db8::1" : "10.0.0.1", *b = v6 ? "2001:db8::2" : "10.0.0.2";

	must(!ip_parse(&g.src, a, strlen(a)) && !ip_parse(&g.dst, b, strlen(b)));
	return g;
}

/* A whole packet with its checksum; returns its length. */
static size_t build(uint8_t *p, const struct tcp_seg *g, const char *data)
{
	struct sum s = {0};
	size_t n = strlen(data);
	unsigned l3, h = tcp_hdr_write(p, g, (uint32_t)n, 0, &l3);

	memcpy(p + h, data, n);
	sum_pseudo(&s, &g->src, &g->dst, TCP_PROTO, (uint32_t)(h - l3 + n));
	sum_add(&s, p + l3, h - l3 + n);
	put_be16(p + l3 + 16, sum_end(&s));
	return h + n;
}

static void test_what_is_written_is_read_back(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct tcp_seg g = sample(v6), r;
		uint8_t p[256];
		size_t n = build(p, &g, "hello");

		assert_int_equal(tcp_seg_parse(&r, p, n, false), 0);
		assert_memory_equal(&r.src, &g.src, 16);
		assert_memory_equal(&r.dst, &g.dst, 16);
		assert_int_equal(r.seq, g.seq);
		assert_int_equal(r.ack, g.ack);
		assert_int_equal(r.flags, g.flags);
		assert_int_equal(r.wnd, g.wnd);
		assert_true(r.has_ts && r.tsval == 99 && r.tsecr == 77);
		assert_int_equal(r.sacks, 3);
		assert_memory_equal(r.sack, g.sack, sizeof(g.sack[0]) * 3);
		assert_int_equal(r.data.n, 5);
		assert_memory_equal(r.data.p, "hello", 5);
	}
}

static void test_options_of_a_SYN(void **state)
{
	struct tcp_seg g = sample(false), r;
	uint8_t p[256];

	g.flags = TCP_SYN;
	g.mss = 1460;
	g.wscale = 9;
	g.sack_ok = true;
	g.sacks = 0;
	assert_int_equal(tcp_seg_parse(&r, p, build(p, &g, ""), false), 0);
	assert_int_equal(r.mss, 1460);
	assert_int_equal(r.wscale, 9);
	assert_true(r.sack_ok && r.has_ts);
	assert_int_equal(tcp_seg_len(&r), 1);
	/* RFC 7323, 2.3: more than 14 is 14. */
	g.wscale = 200;
	assert_int_equal(tcp_seg_parse(&r, p, build(p, &g, ""), false), 0);
	assert_int_equal(r.wscale, 14);
}

static void test_every_changed_byte_is_found_by_a_checksum_or_is_malformed(void **state)
{
	struct tcp_seg g = sample(false), r;
	uint8_t p[256];
	size_t n = build(p, &g, "payload");

	for (size_t i = 0; i < n; i++) {
		if (i == 6 || i == 7 || i == 9)
			continue; /* a fragment or another protocol is not ours to check */
		for (unsigned bit = 0; bit < 8; bit++) {
			p[i] ^= (uint8_t)(1u << bit);
			assert_true(tcp_seg_parse(&r, p, n, false) < 0);
			p[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_int_equal(tcp_seg_parse(&r, p, n, false), 0);
}

/* In memory of exactly that size, so that sanitizers see a read beyond. */
static void test_a_packet_cut_anywhere_is_refused(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct tcp_seg g = sample(v6), r;
		uint8_t p[256];
		size_t n = build(p, &g, "payload");

		for (size_t i = 0; i < n; i++) {
			uint8_t *cut = malloc(i ? i : 1);

			memcpy(cut, p, i);
			assert_true(tcp_seg_parse(&r, cut, i, true) < 0);
			free(cut);
		}
	}
}

static void test_options_of_any_bytes_are_read_within_bounds(void **state)
{
	struct tcp_seg g = sample(false), r;
	uint8_t p[256];
	unsigned seed = 9;
	size_t n = build(p, &g, "");

	for (int round = 0; round < 20000; round++) {
		for (size_t i = 40; i < n; i++)
			p[i] = (uint8_t)(rand_r(&seed) % (round & 1 ? 12 : 256));
		assert_int_equal(tcp_seg_parse(&r, p, n, true), 0);
		assert_true(r.sacks <= TCP_SACKS);
	}
}

static void test_fragments_and_other_protocols_are_for_others(void **state)
{
	struct tcp_seg g = sample(false), r;
	uint8_t p[256];
	size_t n = build(p, &g, "x");

	p[6] = 0x20; /* more fragments */
	assert_int_equal(tcp_seg_parse(&r, p, n, true), -EPROTONOSUPPORT);
	p[6] = 0x40;
	p[9] = 17;
	assert_int_equal(tcp_seg_parse(&r, p, n, true), -EPROTONOSUPPORT);
}

static void test_IPv6_extension_headers_are_passed_over(void **state)
{
	struct tcp_seg g = sample(true), r;
	uint8_t p[256], q[300];
	size_t n = build(p, &g, "data");

	memcpy(q, p, 40);
	q[6] = 0; /* hop-by-hop, eight bytes of padding */
	put_be16(q + 4, (uint16_t)(n - 40 + 8));
	memcpy(q + 40, (uint8_t[]){6, 0, 1, 4, 0, 0, 0, 0}, 8);
	memcpy(q + 48, p + 40, n - 40);
	assert_int_equal(tcp_seg_parse(&r, q, n + 8, false), 0);
	assert_int_equal(r.data.n, 4);
	q[6] = 44; /* a fragment */
	assert_int_equal(tcp_seg_parse(&r, q, n + 8, false), -EPROTONOSUPPORT);
	q[6] = 0;
	q[41] = 255; /* longer than the packet */
	assert_int_equal(tcp_seg_parse(&r, q, n + 8, false), -EINVAL);
}

static void test_ICMP_quotes_need_eight_bytes_of_TCP(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct tcp_seg g = sample(v6), r;
		size_t head = v6 ? 40 : 20;
		uint8_t p[256];

		build(p, &g, "data");
		assert_int_equal(tcp_quote_parse(&r, p, head + 8), 0);
		assert_int_equal(r.seq, g.seq);
		assert_int_equal(r.sport, g.sport);
		assert_int_equal(tcp_quote_parse(&r, p, head + 7), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_options_of_a_SYN),
		cmocka_unit_test(test_every_changed_byte_is_found_by_a_checksum_or_is_malformed),
		cmocka_unit_test(test_a_packet_cut_anywhere_is_refused),
		cmocka_unit_test(test_options_of_any_bytes_are_read_within_bounds),
		cmocka_unit_test(test_fragments_and_other_protocols_are_for_others),
		cmocka_unit_test(test_IPv6_extension_headers_are_passed_over),
		cmocka_unit_test(test_ICMP_quotes_need_eight_bytes_of_TCP),
	};

	return cmocka_run_group_tests_name("tcp_hdr", tests, NULL, NULL);
}
