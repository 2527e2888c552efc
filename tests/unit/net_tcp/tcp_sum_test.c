/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#include "base/bytes.h"
#include "net/tcp/tcp_sum.h"

/* The example of RFC 1071, 3: the sum is ddf2. */
static void test_RFC1071_example(void **state)
{
	static const uint8_t b[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	struct sum s = {0};

	sum_add(&s, b, sizeof(b));
	assert_int_equal(sum_fold(&s), 0xddf2);
	assert_int_equal(sum_end(&s), 0x220d);
}

static void test_pieces_of_any_length_sum_like_the_whole(void **state)
{
	uint8_t b[3000];
	unsigned seed = 3;

	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)rand_r(&seed);
	for (int round = 0; round < 300; round++) {
		struct sum whole = {0}, pieces = {0};
		size_t n = (unsigned)rand_r(&seed) % sizeof(b);

		sum_add(&whole, b, n);
		for (size_t at = 0; at < n;) {
			size_t part = (unsigned)rand_r(&seed) % 50;

			part = min_of(part, n - at);
			sum_add(&pieces, b + at, part);
			at += part;
		}
		assert_int_equal(sum_fold(&whole), sum_fold(&pieces));
	}
}

/* Both families by the definition in RFC 9293, 3.1 and RFC 8200, 8.1: a plain loop over words. */
static void test_pseudo_headers_of_both_families(void **state)
{
	static const char *const text[][2] = {{"10.1.2.3", "192.0.2.9"},
					      {"2001:db8::1", "2001:db8:ffff::2"}};

	for (unsigned i = 0; i < 2; i++) {
		struct ip a, b;
		struct sum s = {0};
		uint32_t want = 6 + 1234;

		assert_int_equal(ip_parse(&a, text[i][0], strlen(text[i][0])), 0);
		assert_int_equal(ip_parse(&b, text[i][1], strlen(text[i][1])), 0);
		for (unsigned k = i ? 0 : 12; k < 16; k += 2)
			want += get_be16(a.b + k) + get_be16(b.b + k);
		while (want >> 16)
			want = (want & 0xffff) + (want >> 16);
		sum_pseudo(&s, &a, &b, 6, 1234);
		assert_int_equal(sum_fold(&s), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_RFC1071_example),
		cmocka_unit_test(test_pieces_of_any_length_sum_like_the_whole),
		cmocka_unit_test(test_pseudo_headers_of_both_families),
	};

	return cmocka_run_group_tests_name("tcp_sum", tests, NULL, NULL);
}
