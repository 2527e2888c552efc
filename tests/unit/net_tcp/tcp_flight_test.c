/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#include "net/tcp/seq.h"
#include "net/tcp/tcp_flight.h"

static uint8_t memory[2 * TCP_BLOCK_BYTES] __attribute__((aligned(64)));
static struct tcp_blocks blocks;
static struct tcp_flight f;

static void begin(uint32_t nblocks)
{
	tcp_blocks_init(&blocks, memory, nblocks);
	tcp_flight_init(&f, 1000);
}

static void send(uint32_t n, uint32_t at_us)
{
	struct tcp_piece p = {.sent_us = at_us};

	tcp_flight_sent(&f, n, &p);
	tcp_flight_check(&f);
}

static void test_a_cumulative_ACK_times_the_newest_piece_it_covers(void **state)
{
	struct tcp_delivery d = {0};

	begin(1);
	send(100, 10);
	send(100, 50);
	tcp_flight_ack(&f, 1150, 90, &d);
	tcp_flight_check(&f);
	assert_int_equal(d.bytes, 150);
	assert_int_equal(d.acked, 150);
	assert_true(d.rtt_ok);
	assert_int_equal(d.rtt_us, 40);
	assert_int_equal(tcp_flight_pipe(&f), 50);
}

static void test_RFC2018_a_SACK_block_cuts_and_neighbours_join(void **state)
{
	struct tcp_delivery d = {0};

	begin(1);
	send(1000, 10);
	assert_true(tcp_flight_grow(&f, &blocks));
	tcp_flight_sack(&f, 1200, 1300, 20, &d);
	tcp_flight_sack(&f, 1400, 1500, 20, &d);
	tcp_flight_check(&f);
	assert_int_equal(f.n, 5);
	assert_int_equal(f.sacked, 200);
	tcp_flight_sack(&f, 1100, 1500, 20, &d);
	tcp_flight_check(&f);
	assert_int_equal(f.n, 3);
	assert_int_equal(d.bytes, 400);
	assert_int_equal(tcp_flight_pipe(&f), 600);
	/* What lies outside, or is empty, is nobody's. */
	tcp_flight_sack(&f, 1900, 2001, 20, &d);
	tcp_flight_sack(&f, 1950, 1940, 20, &d);
	assert_int_equal(d.bytes, 400);
}

static void test_lost_bytes_leave_again_without_an_RTT(void **state)
{
	struct tcp_delivery d = {0};
	struct tcp_piece p = {.sent_us = 500};
	uint32_t start, n;

	begin(1);
	send(1000, 10);
	tcp_flight_grow(&f, &blocks);
	tcp_flight_sack(&f, 1600, 2000, 20, &d);
	tcp_flight_lose(&f, 0);
	assert_int_equal(tcp_flight_pipe(&f), 0);
	assert_true(tcp_flight_next_lost(&f, &start, &n));
	assert_int_equal(start, 1000);
	assert_int_equal(n, 600);
	tcp_flight_resent(&f, 1000, 200, &p);
	tcp_flight_check(&f);
	assert_int_equal(f.lost, 400);
	assert_int_equal(tcp_flight_pipe(&f), 200);
	memset(&d, 0, sizeof(d));
	tcp_flight_ack(&f, 1200, 900, &d);
	assert_true(d.any && !d.rtt_ok);
	assert_int_equal(d.newest.sent_us, 500);
}

static void test_a_late_first_transmission_is_seen_as_reordering(void **state)
{
	struct tcp_delivery d = {0};

	begin(1);
	send(100, 10);
	send(100, 20);
	tcp_flight_grow(&f, &blocks);
	tcp_flight_sack(&f, 1100, 1200, 50, &d);
	assert_false(d.reordered);
	tcp_flight_ack(&f, 1200, 60, &d);
	assert_true(d.reordered);
}

static void test_RFC2018_8_a_peer_that_reneges_is_forgotten(void **state)
{
	struct tcp_delivery d = {0};

	begin(1);
	send(1000, 10);
	tcp_flight_grow(&f, &blocks);
	tcp_flight_sack(&f, 1000, 1500, 20, &d);
	tcp_flight_lose_all(&f, true);
	tcp_flight_check(&f);
	assert_int_equal(f.lost, 1000);
	assert_int_equal(f.sacked, 0);
	tcp_flight_unlose(&f);
	tcp_flight_check(&f);
	assert_int_equal(tcp_flight_pipe(&f), 1000);
}

static void test_a_block_goes_back_when_three_pieces_are_enough(void **state)
{
	struct tcp_delivery d = {0};

	begin(1);
	for (uint32_t i = 0; i < 3; i++)
		send(100, i);
	tcp_flight_grow(&f, &blocks);
	for (uint32_t i = 3; i < 9; i++)
		send(100, i);
	assert_int_equal(f.n, 9);
	tcp_flight_shrink(&f, &blocks);
	assert_int_equal(blocks.used, 1);
	tcp_flight_ack(&f, 1650, 50, &d);
	tcp_flight_shrink(&f, &blocks);
	tcp_flight_check(&f);
	assert_int_equal(blocks.used, 0);
}

static void test_with_more_holes_than_places_the_first_hole_can_still_be_repaired(void **state)
{
	struct tcp_piece again = {.sent_us = 2000};
	struct tcp_delivery d = {0};
	uint32_t start, n;

	begin(1);
	tcp_flight_grow(&f, &blocks);
	for (uint32_t i = 0; i < 1000; i++)
		send(100, i);
	for (uint32_t i = 1; i < 1000; i += 2)
		tcp_flight_sack(&f, 1000 + 100 * i, 1100 + 100 * i, 1500, &d);
	tcp_flight_check(&f);
	assert_true(f.sacked >= 5000);
	tcp_flight_lose_all(&f, false);
	assert_int_equal(tcp_flight_pipe(&f), 0);
	assert_true(tcp_flight_next_lost(&f, &start, &n));
	assert_int_equal(start, 1000);
	tcp_flight_resent(&f, start, 50, &again);
	tcp_flight_check(&f);
	/* 50 bytes are on the way, and nothing else is taken for it. */
	assert_int_equal(tcp_flight_pipe(&f), 50);
}

/*
 * Random operations, with and without room, against one byte of state per sequence number. With
 * room the two agree; without, sacked and lost never claim more than what happened.
 */
static void test_any_operations_agree_with_a_byte_by_byte_scoreboard(void **state)
{
	enum { FREE, SACKED, LOST };
	static uint8_t model[400000];
	unsigned seed = 8;

	for (int room = 0; room < 2; room++) {
		uint32_t una = 0, nxt = 0, base = 0xfffffc00u;

		tcp_blocks_init(&blocks, memory, 1);
		tcp_flight_init(&f, base);
		memset(model, 0, sizeof(model));
		if (room)
			tcp_flight_grow(&f, &blocks);
		for (uint32_t t = 0; nxt < sizeof(model) - 3000; t++) {
			struct tcp_piece p = {.sent_us = t};
			struct tcp_delivery d = {0};
			uint32_t a, b, n, sacked = 0, lost = 0;

			if (nxt - una < 3000)
				tcp_flight_sent(&f, n = 1 + (unsigned)rand_r(&seed) % 500, &p),
					nxt += n;
			a = una + (unsigned)rand_r(&seed) % (nxt - una);
			b = a + 1 + (unsigned)rand_r(&seed) % (nxt - a);
			switch (rand_r(&seed) % 5) {
			case 0:
				if (f.n > 30 || rand_r(&seed) % 4 == 0) {
					tcp_flight_ack(&f, base + b, t, &d);
					assert_int_equal(d.acked, b - una);
					una = b;
				}
				break;
			case 1:
			case 2:
				tcp_flight_sack(&f, base + a, base + min_of(b, a + 200), t, &d);
				if (room)
					memset(model + a, SACKED, min_of(b, a + 200) - a);
				break;
			case 3:
				if (!room)
					break;
				tcp_flight_lose_all(&f, false);
				for (uint32_t i = una; i < nxt; i++)
					if (model[i] == FREE)
						model[i] = LOST;
				break;
			default:
				if (!tcp_flight_next_lost(&f, &a, &n))
					break;
				n = 1 + (unsigned)rand_r(&seed) % n;
				tcp_flight_resent(&f, a, n, &p);
				if (room)
					memset(model + (a - base), FREE, n);
			}
			tcp_flight_check(&f);
			if (!room || f.n > 70)
				continue;
			for (uint32_t i = una; i < nxt; i++) {
				sacked += model[i] == SACKED;
				lost += model[i] == LOST;
			}
			assert_int_equal(f.sacked, sacked);
			assert_int_equal(f.lost, lost);
		}
		tcp_flight_fini(&f, &blocks);
		assert_int_equal(blocks.used, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cumulative_ACK_times_the_newest_piece_it_covers),
		cmocka_unit_test(test_RFC2018_a_SACK_block_cuts_and_neighbours_join),
		cmocka_unit_test(test_lost_bytes_leave_again_without_an_RTT),
		cmocka_unit_test(test_a_late_first_transmission_is_seen_as_reordering),
		cmocka_unit_test(test_RFC2018_8_a_peer_that_reneges_is_forgotten),
		cmocka_unit_test(test_a_block_goes_back_when_three_pieces_are_enough),
		cmocka_unit_test(
			test_with_more_holes_than_places_the_first_hole_can_still_be_repaired),
		cmocka_unit_test(test_any_operations_agree_with_a_byte_by_byte_scoreboard),
	};

	return cmocka_run_group_tests_name("tcp_flight", tests, NULL, NULL);
}
