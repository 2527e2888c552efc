/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/publish_codes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void refusals_have_the_field_s_codes(void **state)
{
	assert_int_equal(publish_code("bad_name", true), 401);
	assert_int_equal(publish_code("auth_mismatch", true), 403);
	assert_int_equal(publish_code("forbidden", true), 403);
	assert_int_equal(publish_code("domain_disabled", true), 403);
	assert_int_equal(publish_code("no_memory", true), 500);
	assert_int_equal(publish_code("stream_busy", true), 501);
	assert_int_equal(publish_code("remote_unanswered", true), 502);
}

static void only_an_end_without_data_counts(void **state)
{
	assert_int_equal(publish_code("media_timeout", false), 3);
	assert_int_equal(publish_code("first_media_timeout", false), 3);
	assert_int_equal(publish_code("unpublished", false), 0);
	assert_int_equal(publish_code("switched", false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_have_the_field_s_codes),
		cmocka_unit_test(only_an_end_without_data_counts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
