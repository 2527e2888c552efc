/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#include "net/tcp/tcp_table.h"
#include "net/tcp/tcp_tw.h"

static bool finds(const struct tcp_table *t, uint32_t hash, uint32_t item)
{
	uint32_t at = UINT32_MAX, i;

	while ((i = tcp_table_next(t, hash, &at)) != UINT32_MAX)
		if (i == item)
			return true;
	return false;
}

/* Hashes that collide much, against a plain array. */
static void test_any_adds_and_removals_find_what_is_there(void **state)
{
	enum { ITEMS = 500 };
	static struct tcp_slot slots[2048];
	uint32_t hash[ITEMS];
	bool in[ITEMS] = {false};
	struct tcp_table t;
	unsigned seed = 6;

	assert_int_equal(tcp_table_slots(ITEMS), 1024);
	tcp_table_init(&t, slots, 1024);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = (unsigned)rand_r(&seed) % ITEMS;

		if (in[i]) {
			tcp_table_del(&t, hash[i], i);
		} else {
			hash[i] = (unsigned)rand_r(&seed) % 60 + (rand_r(&seed) & 1 ? 1000 : 0);
			tcp_table_add(&t, hash[i], i);
		}
		in[i] = !in[i];
		i = (unsigned)rand_r(&seed) % ITEMS;
		if (in[i])
			assert_true(finds(&t, hash[i], i));
	}
	for (uint32_t i = 0; i < ITEMS; i++) {
		if (in[i]) {
			assert_true(finds(&t, hash[i], i));
			tcp_table_del(&t, hash[i], i);
		}
		assert_false(in[i] && finds(&t, hash[i], i));
	}
	for (unsigned i = 0; i < 1024; i++)
		assert_int_equal(slots[i].item, 0);
}

static struct tcp_tw entry(uint16_t rport)
{
	struct tcp_tw w = {.rport = rport, .lport = 1935, .snd_nxt = 1, .rcv_nxt = 2};

	w.remote.b[15] = 9;
	return w;
}

static void test_TIME_WAIT_lasts_its_time_across_the_wrap_of_its_clock(void **state)
{
	static struct tcp_tw mem[16];
	struct tcp_tw w = entry(4000);
	struct tcp_tws t;
	uint32_t now = 65530;

	tcp_tws_init(&t, mem, 16, 60);
	assert_false(tcp_tws_add(&t, 5, &w, now));
	assert_non_null(tcp_tws_find(&t, 5, &w, now + 59));
	tcp_tw_renew(&t, tcp_tws_find(&t, 5, &w, now + 59), now + 59);
	assert_non_null(tcp_tws_find(&t, 5, &w, now + 100));
	assert_null(tcp_tws_find(&t, 5, &w, now + 119));
	/* Nor does an old entry come back when half a turn has passed. */
	tcp_tws_add(&t, 5, &w, now);
	assert_null(tcp_tws_find(&t, 5, &w, now + 40000));
}

static void test_a_full_bucket_forgets_the_oldest_and_says_so(void **state)
{
	static struct tcp_tw mem[8];
	struct tcp_tws t;

	tcp_tws_init(&t, mem, 8, 60);
	for (uint16_t i = 1; i <= 9; i++) {
		struct tcp_tw w = entry(i);

		assert_int_equal(tcp_tws_add(&t, 3, &w, 100 + i), i == 9);
	}
	for (uint16_t i = 1; i <= 9; i++) {
		struct tcp_tw w = entry(i);

		assert_int_equal(tcp_tws_find(&t, 3, &w, 110) != NULL, i != 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_adds_and_removals_find_what_is_there),
		cmocka_unit_test(test_TIME_WAIT_lasts_its_time_across_the_wrap_of_its_clock),
		cmocka_unit_test(test_a_full_bucket_forgets_the_oldest_and_says_so),
	};

	return cmocka_run_group_tests_name("tcp_table", tests, NULL, NULL);
}
