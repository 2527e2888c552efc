/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include <errno.h>
#include <sys/mman.h>

#include "api/reasons.h"

static void test_layout_is_described_in_the_head(void **state)
{
	struct shm_head *h;
	int fd;

	assert_int_equal(shm_make(3, 5, 2, &h, &fd), 0);
	assert_int_equal(h->magic, SHM_MAGIC);
	assert_int_equal(h->cores, 3);
	assert_int_equal(h->counters, CTR_MAX);
	assert_int_equal(h->reasons, REASON_MAX);
	assert_int_equal((char *)shm_core_of(h, 2) - (char *)h, h->core_off + 2 * h->core_bytes);
	assert_int_equal((char *)shm_stream_of(h, 4) - (char *)h,
			 h->stream_off + 4 * h->stream_slot_bytes);
	assert_int_equal((char *)shm_relay_of(h, 1) - (char *)h, h->relay_off + h->relay_bytes);
	assert_true((char *)(shm_audience_of(h, shm_stream_of(h, 4), 2) + 1) <=
		    (char *)h + h->relay_off);
	assert_true((char *)(shm_relay_of(h, 1) + 1) <= (char *)h + h->total_bytes);
	shm_unmake(h);
	close(fd);
}

static void test_readers_map_it_but_cannot_write(void **state)
{
	struct shm_head *h, *r;
	int fd;

	assert_int_equal(shm_make(1, 1, 1, &h, &fd), 0);
	assert_ptr_equal(mmap(NULL, h->total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
			 MAP_FAILED);
	r = mmap(NULL, h->total_bytes, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(r, MAP_FAILED);
	shm_add(&shm_core_of(h, 0)->ctr[CTR_JOINS], 7);
	assert_int_equal(shm_get(&shm_core_of(r, 0)->ctr[CTR_JOINS]), 7);
	munmap(r, h->total_bytes);
	shm_unmake(h);
	close(fd);
}

static void test_stream_slots_are_odd_while_taken_and_come_back_clean(void **state)
{
	struct shm_head *h;
	unsigned a, b, c;
	int fd;

	assert_int_equal(shm_make(2, 2, 1, &h, &fd), 0);
	assert_int_equal(shm_stream_take(h, "default/live/a", &a), 0);
	assert_int_equal(shm_stream_take(h, "default/live/b", &b), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(shm_stream_take(h, "default/live/c", &c), -ENOSPC);
	assert_string_equal(shm_stream_of(h, a)->name, "default/live/a");
	assert_true(shm_get(&shm_stream_of(h, a)->gen) & 1);
	shm_set(&shm_stream_of(h, a)->bytes_in, 9);
	shm_set(&shm_audience_of(h, shm_stream_of(h, a), 1)->joins, 9);
	shm_stream_give(h, a);
	assert_false(shm_get(&shm_stream_of(h, a)->gen) & 1);
	assert_int_equal(shm_stream_take(h, "default/live/c", &c), 0);
	assert_int_equal(c, a);
	assert_int_equal(shm_get(&shm_stream_of(h, c)->gen), 3);
	assert_int_equal(shm_get(&shm_stream_of(h, c)->bytes_in), 0);
	assert_int_equal(shm_get(&shm_audience_of(h, shm_stream_of(h, c), 1)->joins), 0);
	shm_unmake(h);
	close(fd);
}

static void test_a_slot_is_entered_by_its_generation_only(void **state)
{
	struct shm_head *h;
	struct shm_stream *s;
	unsigned slot;
	uint64_t gen;
	int fd;

	assert_int_equal(shm_make(1, 1, 1, &h, &fd), 0);
	assert_int_equal(shm_stream_take(h, "d/a/x", &slot), 0);
	s = shm_stream_of(h, slot);
	gen = shm_get(&s->gen);
	assert_true(shm_stream_enter(s, gen));
	shm_stream_leave();
	shm_stream_give(h, slot);
	assert_false(shm_stream_enter(s, gen));
	assert_int_equal(shm_stream_take(h, "d/a/y", &slot), 0);
	assert_false(shm_stream_enter(s, gen));
	shm_unmake(h);
	close(fd);
}

static void test_the_slot_that_came_back_last_goes_out_first(void **state)
{
	struct shm_head *h;
	unsigned slot[3], again;
	int fd;

	assert_int_equal(shm_make(1, 1000, 1, &h, &fd), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(shm_stream_take(h, "default/live/a", &slot[i]), 0);
	shm_stream_give(h, slot[0]);
	shm_stream_give(h, slot[2]);
	assert_int_equal(shm_stream_take(h, "default/live/b", &again), 0);
	assert_int_equal(again, slot[2]);
	assert_int_equal(shm_stream_take(h, "default/live/b", &again), 0);
	assert_int_equal(again, slot[0]);
	for (unsigned i = 3; i < 1000; i++)
		assert_int_equal(shm_stream_take(h, "default/live/c", &again), 0);
	assert_int_equal(shm_stream_take(h, "default/live/c", &again), -ENOSPC);
	shm_unmake(h);
	close(fd);
}

static void test_relay_slots_likewise(void **state)
{
	struct shm_head *h;
	unsigned a, b;
	int fd;

	assert_int_equal(shm_make(1, 1, 1, &h, &fd), 0);
	assert_int_equal(shm_relay_take(h, "task:pull", &a), 0);
	assert_int_equal(shm_relay_take(h, "task:push", &b), -ENOSPC);
	assert_string_equal(shm_relay_of(h, a)->id, "task:pull");
	shm_relay_give(h, a);
	assert_int_equal(shm_relay_take(h, "task:push", &b), 0);
	assert_string_equal(shm_relay_of(h, b)->id, "task:push");
	shm_unmake(h);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_is_described_in_the_head),
		cmocka_unit_test(test_readers_map_it_but_cannot_write),
		cmocka_unit_test(test_stream_slots_are_odd_while_taken_and_come_back_clean),
		cmocka_unit_test(test_a_slot_is_entered_by_its_generation_only),
		cmocka_unit_test(test_the_slot_that_came_back_last_goes_out_first),
		cmocka_unit_test(test_relay_slots_likewise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
