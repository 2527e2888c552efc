/* SPDX-License-Identifier: Apache-2.0 */
#include "media/proxy.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct proxy_head head;

static struct ip ip(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(&a, text, strlen(text)), 0);
	return a;
}

static void expect(const char *from, uint16_t from_port, const char *to, uint16_t to_port)
{
	struct ip a = ip(from), b = ip(to);

	assert_true(head.known);
	assert_memory_equal(&head.from, &a, sizeof(a));
	assert_memory_equal(&head.to, &b, sizeof(b));
	assert_int_equal(head.from_port, from_port);
	assert_int_equal(head.to_port, to_port);
}

/* Every beginning of it needs more; the whole is taken, whatever follows. */
static void expect_taken(const void *bytes, size_t n)
{
	uint8_t copy[PROXY_V2_MAX + 3];

	for (size_t i = 0; i < n; i++) {
		uint8_t *exact = malloc(i ? i : 1);

		memcpy(exact, bytes, i);
		assert_int_equal(proxy_parse(exact, i, &head), 0);
		free(exact);
	}
	memcpy(copy, bytes, n);
	memset(copy + n, 3, 3);
	assert_int_equal(proxy_parse(copy, n + 3, &head), n);
	assert_int_equal(proxy_parse(copy, n, &head), n);
}

static void expect_malformed(const char *text, size_t n)
{
	if (proxy_parse((const uint8_t *)text, n, &head) != -EINVAL)
		fail_msg("taken: %.*s", (int)n, text);
}

static void test_T1_H12_version_1(void **state)
{
	static const char v4[] = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 1935\r\n";
	static const char v6[] = "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n";
	static const char unknown[] = "PROXY UNKNOWN\r\n";
	static const char unknown_more[] = "PROXY UNKNOWN ffff::1 whatever 1 2\r\n";

	expect_taken(v4, strlen(v4));
	expect("192.0.2.1", 56324, "198.51.100.7", 1935);
	expect_taken(v6, strlen(v6));
	expect("2001:db8::1", 65535, "::1", 0);
	expect_taken(unknown, strlen(unknown));
	assert_false(head.known);
	expect_taken(unknown_more, strlen(unknown_more));
	assert_false(head.known);
}

static void test_T1_H12_version_1_malformed(void **state)
{
	static const char *const bad[] = {
		"POST / HTTP/1.1\r\n",
		"PROXX",
		"\x03",
		"PROXY\r\n",
		"PROXY TCP4\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 1 2 \r\n",
		"PROXY TCP4  192.0.2.1 198.51.100.7 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 65536 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 01 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 -1 2\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n",
		"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
		"PROXY \r\n",
	};
	char longest[PROXY_V1_MAX + 1];

	for (unsigned i = 0; i < array_len(bad); i++)
		expect_malformed(bad[i], strlen(bad[i]));
	/* 107 bytes with the line's end are the most there may be. */
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_parse((uint8_t *)longest, PROXY_V1_MAX - 1, &head), 0);
	expect_malformed(longest, PROXY_V1_MAX);
	memcpy(longest + PROXY_V1_MAX - 2, "\r\n", 2);
	assert_int_equal(proxy_parse((uint8_t *)longest, PROXY_V1_MAX, &head), PROXY_V1_MAX);
}

static size_t v2(uint8_t *dst, uint8_t command, uint8_t family, const char *rest, size_t n)
{
	struct wr w = wr_of(dst, PROXY_V2_MAX + 64);

	wr_bytes(&w, SIGNATURE, 12);
	wr_u8(&w, command);
	wr_u8(&w, family);
	wr_be16(&w, (uint16_t)n);
	wr_bytes(&w, rest, n);
	assert_false(w.bad);
	return wr_len(&w);
}

static void test_T1_H12_version_2(void **state)
{
	static const char v4[] = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x07\x8f";
	static const char v6[] = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
				 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xff\xff\0\0";
	static const char with_tlv[] = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x07\x8f"
				       "\x04\x00\x03xyz";
	static char unix_names[216];
	uint8_t b[PROXY_V2_MAX + 64];

	expect_taken(b, v2(b, 0x21, 0x11, v4, 12));
	expect("192.0.2.1", 56324, "198.51.100.7", 1935);
	expect_taken(b, v2(b, 0x21, 0x21, v6, 36));
	expect("2001:db8::1", 65535, "::1", 0);
	expect_taken(b, v2(b, 0x21, 0x11, with_tlv, 18));
	expect("192.0.2.1", 56324, "198.51.100.7", 1935);
	/* LOCAL: a health check of the balancer itself, with or without addresses. */
	expect_taken(b, v2(b, 0x20, 0x11, v4, 12));
	assert_false(head.known);
	expect_taken(b, v2(b, 0x20, 0x00, "", 0));
	assert_false(head.known);
	expect_taken(b, v2(b, 0x21, 0x00, "", 0));
	assert_false(head.known);
	expect_taken(b, v2(b, 0x21, 0x31, unix_names, sizeof(unix_names)));
	assert_false(head.known);
}

static void test_T1_H12_version_2_malformed(void **state)
{
	static char much[PROXY_V2_MAX];
	uint8_t b[PROXY_V2_MAX + 64];
	size_t n;

	n = v2(b, 0x11, 0x11, much, 12); /* version 1 in binary */
	expect_malformed((char *)b, n);
	n = v2(b, 0x22, 0x11, much, 12); /* no such command */
	expect_malformed((char *)b, n);
	n = v2(b, 0x21, 0x11, much, 11); /* shorter than its addresses */
	expect_malformed((char *)b, n);
	n = v2(b, 0x21, 0x21, much, 35);
	expect_malformed((char *)b, n);
	n = v2(b, 0x21, 0x11, much, 12);
	b[11] ^= 1;
	expect_malformed((char *)b, 12);
	n = v2(b, 0x21, 0x11, much, PROXY_V2_MAX - 16);
	assert_int_equal(proxy_parse(b, n, &head), PROXY_V2_MAX);
	n = v2(b, 0x21, 0x11, much, PROXY_V2_MAX - 15);
	expect_malformed((char *)b, 16); /* refused before it is here */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T1_H12_version_1),
		cmocka_unit_test(test_T1_H12_version_1_malformed),
		cmocka_unit_test(test_T1_H12_version_2),
		cmocka_unit_test(test_T1_H12_version_2_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
