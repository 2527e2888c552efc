/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/controlplane/shm_writer.h"

static void test_sums_over_cores(void **state)
{
	struct shm_stream_view v;
	struct writer w;
	struct shm *s;
	uint32_t slot;

	begin(&w);
	shm_add(&core_at(&w, 0)->ctr[CTR_ACCEPTS], 3);
	shm_add(&core_at(&w, 1)->ctr[CTR_ACCEPTS], 4);
	shm_add(&core_at(&w, 1)->closes[REASON_KICKED], 2);
	go_live(&w, 1, "default/live/a");
	shm_add(&audience_at(&w, 1, 0)->viewers_rtmp, 5);
	shm_add(&audience_at(&w, 1, 1)->viewers_rtmp, 6);
	shm_add(&audience_at(&w, 1, 1)->viewers_flv, 7);
	s = attach(&w);
	assert_int_equal(shm_total(s, CTR_ACCEPTS), 7);
	assert_int_equal(shm_counter(s, 1, CTR_ACCEPTS), 4);
	assert_int_equal(shm_closes(s, REASON_KICKED), 2);
	assert_true(shm_stream_find(s, "default/live/a", &v, &slot));
	assert_int_equal(slot, 1);
	assert_int_equal(v.viewers_rtmp, 11);
	assert_int_equal(v.viewers_flv, 7);
	assert_false(shm_stream_find(s, "default/live/b", &v, &slot));
	shm_detach(s);
	end(&w);
}

static void test_rates_over_the_time_between_samples(void **state)
{
	struct shm_stream_view v;
	struct writer w;
	struct shm *s;

	begin(&w);
	go_live(&w, 0, "a/b/c");
	shm_set(&stream_at(&w, 0)->bytes_in, 1000000);
	s = attach(&w);
	shm_sample(s, 10 * S_US);
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 0);
	shm_add(&stream_at(&w, 0)->bytes_in, 250000);
	shm_add(&audience_at(&w, 0, 1)->bytes_out, 500000);
	shm_add(&core_at(&w, 0)->ctr[CTR_BYTES_OUT], 125000);
	shm_add(&core_at(&w, 1)->ctr[CTR_BUSY_US], S_US / 2);
	shm_sample(s, 12 * S_US);
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 1000000);
	assert_int_equal(v.out_bps, 2000000);
	assert_int_equal(shm_out_bps(s), 500000);
	assert_true(shm_busy_share(s, 0) == 0);
	assert_true(shm_busy_share(s, 1) == 0.25);
	shm_detach(s);
	end(&w);
}

static void test_a_slot_with_a_new_owner_has_no_rate_of_the_old(void **state)
{
	struct shm_stream_view v;
	struct writer w;
	struct shm *s;

	begin(&w);
	go_live(&w, 0, "a/b/c");
	s = attach(&w);
	shm_sample(s, 1 * S_US);
	shm_add(&stream_at(&w, 0)->bytes_in, 1000);
	shm_sample(s, 2 * S_US);
	shm_add(&stream_at(&w, 0)->gen, 1);
	assert_false(shm_stream_at(s, 0, &v));
	go_live(&w, 0, "d/e/f");
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 0);
	shm_sample(s, 3 * S_US);
	assert_true(shm_stream_at(s, 0, &v));
	assert_int_equal(v.in_bps, 0);
	shm_detach(s);
	end(&w);
}

static void test_a_relay_is_found_by_slot_and_id(void **state)
{
	struct shm_relay_view v;
	struct writer w;
	struct shm *s;

	begin(&w);
	strcpy(relay_at(&w, 1)->id, "x:in");
	shm_add(&relay_at(&w, 1)->gen, 1);
	s = attach(&w);
	shm_sample(s, 1 * S_US);
	shm_add(&relay_at(&w, 1)->bytes, 125);
	shm_sample(s, 2 * S_US);
	assert_true(shm_relay_at(s, 1, "x:in", &v));
	assert_int_equal(v.bps, 1000);
	assert_false(shm_relay_at(s, 1, "y:in", &v));
	assert_false(shm_relay_at(s, 0, "x:in", &v));
	assert_false(shm_relay_at(s, RELAYS, "x:in", &v));
	shm_detach(s);
	end(&w);
}

static void test_a_head_that_lies_is_refused(void **state)
{
	struct writer w;
	struct shm_head good;

	begin(&w);
	good = *w.head;
#define LIE(change)                      \
	do {                             \
		*w.head = good;          \
		w.head->change;          \
		assert_null(attach(&w)); \
	} while (0)
	LIE(magic = 1);
	LIE(version = SHM_VERSION + 1);
	LIE(counters = CTR_MAX + 1);
	LIE(reasons = REASON_MAX - 1);
	LIE(cores = 100000);
	LIE(cores = CORES + 1);
	LIE(streams = UINT32_MAX);
	LIE(relays = RELAYS + 1);
	LIE(core_bytes = 8);
	LIE(core_bytes = UINT32_MAX);
	LIE(stream_slot_bytes = sizeof(struct shm_stream));
	LIE(relay_bytes = 0);
	LIE(audience_bytes = 8);
	LIE(stream_off = UINT64_MAX - 7);
	LIE(relay_off = good.relay_off + 4);
	LIE(total_bytes = good.total_bytes + 8);
#undef LIE
	*w.head = good;
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_over_cores),
		cmocka_unit_test(test_rates_over_the_time_between_samples),
		cmocka_unit_test(test_a_slot_with_a_new_owner_has_no_rate_of_the_old),
		cmocka_unit_test(test_a_relay_is_found_by_slot_and_id),
		cmocka_unit_test(test_a_head_that_lies_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
