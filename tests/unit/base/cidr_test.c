/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cidr.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static struct ip ip(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(&a, text, strlen(text)), 0);
	return a;
}

static bool holds(const char *range, const char *address)
{
	struct cidr c;
	struct ip a = ip(address);

	assert_int_equal(cidr_parse(&c, range, strlen(range)), 0);
	return cidr_holds(&c, &a);
}

static void test_addresses_as_the_system_reads_them(void **state)
{
	static const char *const good[] = {
		"::",
		"::1",
		"1::",
		"fe80::1",
		"1:2:3:4:5:6:7:8",
		"2001:DB8::a:0",
		"::ffff:10.1.2.3",
		"1:2:3:4:5:6:1.2.3.4",
		"::1.2.3.4",
		"1:2:3:4:5:6:7::",
		"::2:3:4:5:6:7:8",
	};

	for (unsigned i = 0; i < array_len(good); i++) {
		struct ip a = ip(good[i]);
		uint8_t system[16];

		assert_int_equal(inet_pton(AF_INET6, good[i], system), 1);
		assert_memory_equal(a.b, system, 16);
	}
	for (unsigned i = 0; i < 1000; i++) {
		char text[INET6_ADDRSTRLEN];
		uint8_t b[16];
		struct ip a;

		for (unsigned k = 0; k < 16; k++)
			b[k] = rand() % 3 ? 0 : (uint8_t)rand();
		a = ip(inet_ntop(AF_INET6, b, text, sizeof(text)));
		assert_memory_equal(a.b, b, 16);
		a = ip(inet_ntop(AF_INET, b, text, sizeof(text)));
		assert_memory_equal(a.b + 12, b, 4);
		assert_true(ip_is_v4(&a));
	}
}

static void test_what_is_no_address(void **state)
{
	static const char *const bad[] = {
		"",
		"1",
		"1.2.3",
		"1.2.3.4.5",
		"1.2.3.256",
		"01.2.3.4",
		"1.2.3.4 ",
		"0x1.2.3.4",
		":",
		":::",
		"1::2::3",
		"1:2:3:4:5:6:7",
		"12345::",
		"1:2:3:4:5:6:7:8:9",
		"1::2:3:4:5:6:7:8",
		"fe80::1%eth0",
		"[::1]",
		"g::",
		"1.2.3.4::",
		"::1.2.3",
		"1:",
		":1",
		"-1.2.3.4",
		"1..2.3",
	};
	struct ip a;

	for (unsigned i = 0; i < array_len(bad); i++) {
		if (!ip_parse(&a, bad[i], strlen(bad[i])))
			fail_msg("\"%s\" was taken", bad[i]);
	}
	/* Not a byte beyond n is looked at. */
	assert_int_equal(ip_parse(&a, "1.2.3.45", 7), 0);
	assert_int_equal(a.b[15], 4);
}

static void test_U7_ranges_hold_every_spelling_of_their_addresses(void **state)
{
	assert_true(holds("10.0.0.0/8", "10.255.1.2"));
	assert_true(holds("10.0.0.0/8", "::ffff:10.255.1.2"));
	assert_true(holds("10.0.0.0/8", "::ffff:0aff:0102"));
	assert_true(holds("::ffff:10.0.0.0/104", "10.1.1.1"));
	assert_true(holds("10.9.9.9/8", "10.1.1.1"));
	assert_false(holds("10.0.0.0/8", "11.0.0.0"));
	assert_true(holds("192.168.4.0/23", "192.168.5.255"));
	assert_false(holds("192.168.4.0/23", "192.168.6.0"));
	assert_true(holds("127.0.0.1", "127.0.0.1"));
	assert_false(holds("127.0.0.1", "127.0.0.2"));
	assert_true(holds("0.0.0.0/0", "8.8.8.8"));
	assert_false(holds("0.0.0.0/0", "::1"));
	assert_true(holds("::/0", "::1"));
	assert_false(holds("::/0", "8.8.8.8"));
	assert_true(holds("fc00::/7", "fdff::1"));
	assert_false(holds("fc00::/7", "fe00::1"));
	assert_true(holds("::1", "::1"));
	assert_true(holds("2001:db8::/127", "2001:db8::1"));
	assert_false(holds("2001:db8::/127", "2001:db8::2"));
}

static void test_what_is_no_range(void **state)
{
	static const char *const bad[] = {"",	      "/8",	     "10.0.0.0/",   "10.0.0.0/33",
					  "::/129",   "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8",
					  "10.0.0/8", "host/8",	     "10.0.0.0/999"};
	struct cidr c;

	for (unsigned i = 0; i < array_len(bad); i++) {
		if (!cidr_parse(&c, bad[i], strlen(bad[i])))
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void test_sets(void **state)
{
	struct cidr_set s;
	struct ip a = ip("10.1.2.3"), b = ip("::1"), other = ip("192.0.2.1");
	char bad[32] = "", many[CIDR_RANGES_MAX * 4 + 8] = "";

	assert_int_equal(cidr_set_parse(&s, "", bad, sizeof(bad)), 0);
	assert_false(cidr_set_holds(&s, &a));
	assert_int_equal(cidr_set_parse(&s, " 10.0.0.0/8, ::1,,\t127.0.0.0/8 ", bad, sizeof(bad)),
			 0);
	assert_int_equal(s.n, 3);
	assert_true(cidr_set_holds(&s, &a));
	assert_true(cidr_set_holds(&s, &b));
	assert_false(cidr_set_holds(&s, &other));
	assert_int_equal(cidr_set_parse(&s, "10.0.0.0/8 lan ::1", bad, sizeof(bad)), -EINVAL);
	assert_string_equal(bad, "lan");
	assert_int_equal(s.n, 0);
	for (unsigned i = 0; i < CIDR_RANGES_MAX; i++)
		strcat(many, "::1 ");
	assert_int_equal(cidr_set_parse(&s, many, bad, sizeof(bad)), 0);
	strcat(many, "::2");
	assert_int_equal(cidr_set_parse(&s, many, bad, sizeof(bad)), -E2BIG);
	assert_string_equal(bad, "::2");
}

static void test_loopback_in_every_spelling(void **state)
{
	static const char *const ours[] = {"127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"};
	static const char *const others[] = {"128.0.0.1", "::", "::2", "0.0.0.0",
					     "::ffff:10.0.0.1"};
	struct ip ip;

	for (size_t i = 0; i < array_len(ours); i++) {
		assert_int_equal(ip_parse(&ip, ours[i], strlen(ours[i])), 0);
		assert_true(ip_is_loopback(&ip));
	}
	for (size_t i = 0; i < array_len(others); i++) {
		assert_int_equal(ip_parse(&ip, others[i], strlen(others[i])), 0);
		assert_false(ip_is_loopback(&ip));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_as_the_system_reads_them),
		cmocka_unit_test(test_what_is_no_address),
		cmocka_unit_test(test_U7_ranges_hold_every_spelling_of_their_addresses),
		cmocka_unit_test(test_what_is_no_range),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_loopback_in_every_spelling),
	};

	srand(7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
