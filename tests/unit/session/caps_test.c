/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "session/caps.h"

static union net_addr v4(uint32_t host)
{
	union net_addr a = {0};

	a.in.sin_family = AF_INET;
	a.in.sin_addr.s_addr = htonl(host);
	return a;
}

static union net_addr v6(const char *text)
{
	union net_addr a = {0};

	a.in6.sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
	return a;
}

static void test_total_is_bounded_and_given_back(void **state)
{
	union net_addr a = v4(1), b = v4(2);

	assert_int_equal(caps_take(&a, 2, 0), REASON_NONE);
	assert_int_equal(caps_take(&b, 2, 0), REASON_NONE);
	assert_int_equal(caps_take(&a, 2, 0), REASON_CAP_CONNECTIONS);
	caps_give(&b);
	assert_int_equal(caps_take(&a, 2, 0), REASON_NONE);
	caps_give(&a);
	caps_give(&a);
	assert_int_equal(caps_total(), 0);
}

static void test_one_address_is_bounded_and_others_are_not(void **state)
{
	union net_addr a = v4(0x0a000001), b = v4(0x0a000002);

	for (int i = 0; i < 3; i++)
		assert_int_equal(caps_take(&a, 0, 3), REASON_NONE);
	assert_int_equal(caps_take(&a, 0, 3), REASON_CAP_ADDRESS);
	assert_int_equal(caps_take(&b, 0, 3), REASON_NONE);
	for (int i = 0; i < 3; i++)
		caps_give(&a);
	assert_int_equal(caps_take(&a, 0, 3), REASON_NONE);
	caps_give(&a);
	caps_give(&b);
}

static void test_the_port_does_not_matter(void **state)
{
	union net_addr a = v4(7), b = v4(7);

	b.in.sin_port = 99;
	assert_int_equal(caps_take(&a, 0, 1), REASON_NONE);
	assert_int_equal(caps_take(&b, 0, 1), REASON_CAP_ADDRESS);
	caps_give(&a);
}

static void test_ipv6_counts_by_64_bits_and_mapped_ipv4_as_ipv4(void **state)
{
	union net_addr a = v6("2001:db8:1:2::1"), b = v6("2001:db8:1:2:ffff::9");
	union net_addr other = v6("2001:db8:1:3::1");
	union net_addr mapped = v6("::ffff:10.1.2.3"), plain = v4(0x0a010203);

	assert_int_equal(caps_take(&a, 0, 1), REASON_NONE);
	assert_int_equal(caps_take(&b, 0, 1), REASON_CAP_ADDRESS);
	assert_int_equal(caps_take(&other, 0, 1), REASON_NONE);
	assert_int_equal(caps_take(&mapped, 0, 1), REASON_NONE);
	assert_int_equal(caps_take(&plain, 0, 1), REASON_CAP_ADDRESS);
	caps_give(&a);
	caps_give(&other);
	caps_give(&mapped);
}

/* 20,000 addresses in 65,536 cells: one row alone would refuse every fourth, four rows about none. */
static void test_many_addresses_hardly_ever_share(void **state)
{
	unsigned refused = 0;
	const unsigned n = 20000;

	for (unsigned i = 0; i < n; i++) {
		union net_addr a = v4(0x0b000000 + i);

		if (caps_take(&a, 0, 1) != REASON_NONE) {
			refused++;
			assert_int_equal(caps_take(&a, 0, 0), REASON_NONE);
		}
	}
	assert_true(refused < n / 50);
	for (unsigned i = 0; i < n; i++) {
		union net_addr a = v4(0x0b000000 + i);

		caps_give(&a);
	}
	assert_int_equal(caps_total(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_total_is_bounded_and_given_back),
		cmocka_unit_test(test_one_address_is_bounded_and_others_are_not),
		cmocka_unit_test(test_the_port_does_not_matter),
		cmocka_unit_test(test_ipv6_counts_by_64_bits_and_mapped_ipv4_as_ipv4),
		cmocka_unit_test(test_many_addresses_hardly_ever_share),
	};

	return cmocka_run_group_tests_name("session/caps", tests, NULL, NULL);
}
