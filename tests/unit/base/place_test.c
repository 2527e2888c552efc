/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/place.h"

static struct place got[PLACES_MAX];
static char bad[64];

static int parse(const char *text)
{
	return places_parse(got, text, bad, sizeof(bad));
}

static void kinds_ranges_and_ports_are_read(void **state)
{
	const uint8_t net[] = {203, 0, 113, 0};
	struct ip ip = ip_of_v4(net), v6;

	assert_int_equal(
		parse(" rtmp=203.0.113.0/24:1935  https=[2001:db8::/32]:443 http=10.1.2.3:80 "), 3);
	assert_int_equal(got[0].kind, PLACE_RTMP);
	assert_memory_equal(&got[0].range.net, &ip, sizeof(ip));
	assert_int_equal(got[0].range.bits, 96 + 24);
	assert_int_equal(got[0].port, 1935);
	assert_int_equal(ip_parse(&v6, "2001:db8::", 10), 0);
	assert_int_equal(got[1].kind, PLACE_HTTPS);
	assert_memory_equal(&got[1].range.net, &v6, sizeof(v6));
	assert_int_equal(got[1].range.bits, 32);
	assert_int_equal(got[2].range.bits, 128);
	assert_int_equal(parse(""), 0);
	assert_int_equal(parse("rtmps=0.0.0.0/0:443"), 1);
	assert_int_equal(got[0].range.bits, 96);
	assert_string_equal(place_kind_name(got[0].kind), "rtmps");
}

static void what_is_none_is_named(void **state)
{
	static const char *const wrong[] = {
		"rtmp",
		"rtmp=",
		"rtmp=10.0.0.0/8",
		"10.0.0.0/8:1935",
		"udp=10.0.0.0/8:53",
		"rtmp=10.0.0.0/33:1935",
		"rtmp=2001:db8::/32:1935",
		"rtmp=[10.0.0.0/8]:1935",
		"rtmp=10.0.0.0/8:0",
		"rtmp=10.0.0.0/8:65536",
		"rtmp=10.0.0.0/8:80x",
		"rtmp=:80",
		"rtmp=[]:80",
		"=10.0.0.0/8:80",
		"a:b=c",
	};
	char text[128];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(text, sizeof(text), "rtmp=10.0.0.1:1 %s", wrong[i]);
		assert_int_equal(parse(text), -EINVAL);
		assert_string_equal(bad, wrong[i]);
	}
}

static void there_are_not_too_many(void **state)
{
	char text[PLACES_MAX * 16 + 32] = "";

	for (unsigned i = 0; i < PLACES_MAX; i++)
		strcat(text, "rtmp=10.0.0.1:1 ");
	assert_int_equal(parse(text), PLACES_MAX);
	strcat(text, "http=10.0.0.2:2");
	assert_int_equal(parse(text), -E2BIG);
	assert_string_equal(bad, "http=10.0.0.2:2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_ranges_and_ports_are_read),
		cmocka_unit_test(what_is_none_is_named),
		cmocka_unit_test(there_are_not_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
