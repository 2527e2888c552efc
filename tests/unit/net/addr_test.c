/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text, both ways. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "net/net.h"

static void test_read_and_written(void **state)
{
	static const char *const text[][2] = {
		{"127.0.0.1:1935", "127.0.0.1:1935"},
		{"0.0.0.0:0", "0.0.0.0:0"},
		{"255.255.255.255:65535", "255.255.255.255:65535"},
		{"[::1]:80", "[::1]:80"},
		{"[2001:DB8:0:0::7]:8080", "[2001:db8::7]:8080"},
		{":1935", "[::]:1935"},
		{"localhost:8080", "127.0.0.1:8080"},
		{"[::ffff:10.0.0.1]:1", "10.0.0.1:1"},
	};

	for (unsigned i = 0; i < array_len(text); i++) {
		char back[NET_ADDR_TEXT];
		union net_addr a;

		assert_int_equal(net_addr_parse(&a, text[i][0]), 0);
		assert_string_equal(net_addr_text(back, &a), text[i][1]);
	}
}

static void test_nonsense_is_refused_and_changes_nothing(void **state)
{
	static const char *const text[] = {
		"",
		":",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:80x",
		"127.0.0.1: 80",
		"127.0.0:80",
		"256.0.0.1:80",
		"[::1]",
		"[::1:80",
		"::1]:80",
		"[]:80",
		"[:80",
		"[::1]x:80",
		"[127.0.0.1]:80",
		"::1:80",
		"example.com:80",
		"localhost",
		"127.0.0.1:99999999999999999999",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]:80",
		"1111111111111111111111111111111111111111111111111111111111:80",
	};

	for (unsigned i = 0; i < array_len(text); i++) {
		union net_addr a = {.in = {.sin_port = 7}};

		assert_int_equal(net_addr_parse(&a, text[i]), -EINVAL);
		assert_int_equal(a.in.sin_port, 7);
	}
}

static void test_unknown_family_has_a_text_too(void **state)
{
	const union net_addr a = {0};
	char text[NET_ADDR_TEXT];

	assert_string_equal(net_addr_text(text, &a), "unknown");
}

static void test_addresses_as_ranges_see_them_and_back(void **state)
{
	static const struct {
		const char *text, *plain;
	} cases[] = {
		{"10.1.2.3:80", "10.1.2.3:80"},
		{"[::ffff:10.1.2.3]:80", "10.1.2.3:80"},
		{"[2001:db8::1]:1935", "[2001:db8::1]:1935"},
	};

	for (unsigned i = 0; i < array_len(cases); i++) {
		char text[NET_ADDR_TEXT];
		union net_addr a, b;
		struct ip ip;

		assert_int_equal(net_addr_parse(&a, cases[i].text), 0);
		ip = net_addr_ip(&a);
		b = net_addr_of(&ip, i == 2 ? 1935 : 80);
		assert_int_equal(b.sa.sa_family, i == 2 ? AF_INET6 : AF_INET);
		assert_string_equal(net_addr_text(text, &b), cases[i].plain);
	}
}

static void test_own_addresses_are_local_and_others_are_not(void **state)
{
	union net_addr a;

	assert_int_equal(net_addr_parse(&a, "127.0.0.1:1935"), 0);
	assert_true(net_addr_is_local(&a));
	assert_int_equal(net_addr_parse(&a, "127.1.2.3:1"), 0);
	assert_true(net_addr_is_local(&a));
	/* TEST-NET-3 and the documentation prefix are nobody's. */
	assert_int_equal(net_addr_parse(&a, "203.0.113.7:1935"), 0);
	assert_false(net_addr_is_local(&a));
	assert_int_equal(net_addr_parse(&a, "[2001:db8::1]:1935"), 0);
	assert_false(net_addr_is_local(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_and_written),
		cmocka_unit_test(test_nonsense_is_refused_and_changes_nothing),
		cmocka_unit_test(test_unknown_family_has_a_text_too),
		cmocka_unit_test(test_addresses_as_ranges_see_them_and_back),
		cmocka_unit_test(test_own_addresses_are_local_and_others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
