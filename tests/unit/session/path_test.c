/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/path.h"

static void test_a_note_says_slot_generation_and_role(void **state)
{
	for (uint32_t slot = 0; slot < 1u << 20; slot += 0x1f357) {
		for (unsigned role = ROLE_PUBLISH; role < SHM_ROLES; role++) {
			uint32_t note = path_note_of(slot, 2 * slot + 1, (enum shm_role)role);
			struct path_note n = path_note_read(note);

			assert_true(note);
			assert_int_equal(n.slot, slot);
			assert_int_equal(n.gen, path_note_gen(2 * slot + 1));
			assert_int_equal(n.role, role);
		}
	}
}

static void test_the_next_owner_of_a_slot_has_another_note(void **state)
{
	/* A slot is free at even generations. */
	assert_true(path_note_of(7, 1, ROLE_FLV) != path_note_of(7, 3, ROLE_FLV));
	assert_true(path_note_of(7, 1, ROLE_FLV) != path_note_of(7, 1, ROLE_RTMP));
	assert_true(path_note_of(7, 1, ROLE_FLV) != path_note_of(8, 1, ROLE_FLV));
}

static void test_buckets(void **state)
{
	assert_int_equal(shm_bucket(0, 10), 0);
	assert_int_equal(shm_bucket(1023, 10), 0);
	assert_int_equal(shm_bucket(1024, 10), 1);
	assert_int_equal(shm_bucket(2047, 10), 1);
	assert_int_equal(shm_bucket(2048, 10), 2);
	assert_int_equal(shm_bucket(UINT64_MAX, 10), SHM_HIST_BUCKETS - 1);
	assert_int_equal(shm_ratio_bucket(100, 0), 0);
	assert_int_equal(shm_ratio_bucket(1000, 1), 1);
	assert_int_equal(shm_ratio_bucket(100, 1), 3);
	assert_int_equal(shm_ratio_bucket(100, 2), 4);
	assert_int_equal(shm_ratio_bucket(10, 10), SHM_RATIO_BUCKETS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_note_says_slot_generation_and_role),
		cmocka_unit_test(test_the_next_owner_of_a_slot_has_another_note),
		cmocka_unit_test(test_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
