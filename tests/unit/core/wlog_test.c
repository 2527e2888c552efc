/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include <errno.h>

#include "core/wlog.h"
#include "media/flv.h"

#define BLOCK	  4096u
#define RETAIN_US 2000000u

struct logs {
	struct arena arena;
	struct quiet quiet;
	struct wlog *log;
	uint64_t now_us;
};

static void up(struct logs *l, uint32_t blocks, uint64_t retain_bytes)
{
	assert_int_equal(arena_init(&l->arena, (size_t)blocks * BLOCK, BLOCK, ARENA_NORMAL), 0);
	quiet_init(&l->quiet, 1);
	quiet_wake(&l->quiet, 0);
	l->now_us = 5000000;
	l->log = wlog_new(WIRE_FLV, &l->arena, &l->quiet, RETAIN_US, retain_bytes);
	assert_non_null(l->log);
}

static void down(struct logs *l)
{
	wlog_check(l->log);
	wlog_free(l->log);
	assert_int_equal(arena_used(&l->arena), 0);
	arena_fini(&l->arena);
}

static int append(struct logs *l, int64_t ts_ms, size_t n)
{
	struct test_msg t;

	return wlog_append(l->log, test_sound(&t, ts_ms, n), l->now_us);
}

static void append_big(struct logs *l, int64_t ts_ms, uint32_t n, int want)
{
	uint8_t *data = malloc(n);
	struct msg m = {.type = MSG_VIDEO, .ts_ms = ts_ms, .len = n, .data = data};

	for (uint32_t i = 0; i < n; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	assert_int_equal(wlog_append(l->log, &m, l->now_us), want);
	free(data);
}

static void test_bytes_are_invisible_until_published(void **state)
{
	struct logs l;

	up(&l, 16, 1 << 20);
	wlog_begin_key(l.log, 40, l.now_us, 3);
	assert_int_equal(append(&l, 40, 100), 0);
	assert_int_equal(wlog_head(l.log), 0);
	assert_false(wlog_newest_key(l.log, &(struct wlog_key){0}));
	wlog_check(l.log);
	wlog_publish(l.log);
	assert_int_equal(wlog_head(l.log), 100 + FLV_TAG_EXTRA);
	down(&l);
}

static void test_the_newest_key_is_found_with_all_it_needs(void **state)
{
	struct wlog_key key;
	struct logs l;

	up(&l, 64, 1 << 20);
	for (int i = 0; i < 10; i++) {
		wlog_begin_key(l.log, 1000 + i, l.now_us + (unsigned)i, 5 + (unsigned)i);
		assert_int_equal(append(&l, 1000 + i, 50), 0);
		assert_int_equal(append(&l, 1000 + i, 70), 0);
		wlog_publish(l.log);
		assert_true(wlog_newest_key(l.log, &key));
		assert_int_equal(key.off, i * (50 + 70 + 2 * FLV_TAG_EXTRA));
		assert_int_equal(key.ts_ms, 1000 + i);
		assert_int_equal(key.at_us, l.now_us + (unsigned)i);
		assert_int_equal(key.headers, 5 + i);
	}
	wlog_drop_keys(l.log);
	assert_false(wlog_newest_key(l.log, &key));
	wlog_begin_key(l.log, 1, 2, 3);
	assert_int_equal(append(&l, 1, 50), 0);
	wlog_drop_keys(l.log); /* one that is not published yet goes too */
	wlog_publish(l.log);
	assert_false(wlog_newest_key(l.log, &key));
	down(&l);
}

static void test_a_message_larger_than_blocks_is_read_back_whole(void **state)
{
	const uint32_t n = 16777215;
	uint8_t *copy = malloc(n);
	struct logs l;

	up(&l, 5000, 1 << 20);
	assert_int_equal(append(&l, 0, 100), 0);
	append_big(&l, 1, n, 0);
	append_big(&l, 2, n, -ENOMEM); /* 5000 blocks are 20 MB */
	assert_int_equal(wlog_tail(l.log), wlog_head(l.log));
	quiet_pass(&l.quiet, 0);
	for (int i = 0; i < 100; i++)
		wlog_trim(l.log, l.now_us);
	append_big(&l, 3, n, 0);
	wlog_publish(l.log);
	log_copy(l.log, wlog_tail(l.log) + FLV_TAG_HEAD, copy, n);
	for (uint32_t i = 0; i < n; i++)
		if (copy[i] != (uint8_t)(i * 7 + i / 4096))
			fail_msg("byte %u differs", i);
	free(copy);
	down(&l);
}

static void test_slices_meet_at_block_edges(void **state)
{
	uint8_t whole[3 * BLOCK], part[3 * BLOCK];
	struct slice s[2];
	struct logs l;

	up(&l, 16, 1 << 20);
	append_big(&l, 0, 3 * BLOCK, 0);
	wlog_publish(l.log);
	log_copy(l.log, 0, whole, sizeof(whole));
	for (uint32_t off = 0; off < 2 * BLOCK; off += 61) {
		unsigned n = wlog_slices(l.log, off, BLOCK, s);
		size_t bytes = s[0].n + (n == 2 ? s[1].n : 0);

		assert_int_equal(bytes, BLOCK);
		memcpy(part, s[0].p, s[0].n);
		if (n == 2)
			memcpy(part + s[0].n, s[1].p, s[1].n);
		assert_memory_equal(part, whole + off, BLOCK);
	}
	assert_int_equal(wlog_slices(l.log, 0, 2 * BLOCK, s), 1);
	assert_int_equal(s[0].n, BLOCK); /* never more than a block's worth */
	down(&l);
}

static void test_tail_moves_by_age_to_message_boundaries(void **state)
{
	struct logs l;

	up(&l, 512, 64 << 20);
	for (int i = 0; i < 500; i++) {
		assert_int_equal(append(&l, i * 10, 300), 0);
		wlog_publish(l.log);
		wlog_trim(l.log, l.now_us);
		quiet_pass(&l.quiet, 0);
		if (i % 16 == 0)
			wlog_check(l.log);
		l.now_us += 10000;
	}
	/* 2 s of 10 ms messages, and at most one mark more */
	assert_in_range(wlog_head(l.log) - wlog_tail(l.log), 199 * 315, 207 * 315);
	assert_in_range(wlog_blocks(l.log), 15, 20);
	l.now_us += RETAIN_US;
	wlog_trim(l.log, l.now_us);
	for (int i = 0; i < 60; i++)
		wlog_trim(l.log, l.now_us);
	assert_int_equal(wlog_tail(l.log), wlog_head(l.log));
	quiet_pass(&l.quiet, 0);
	wlog_trim(l.log, l.now_us);
	assert_in_range(wlog_blocks(l.log), 0, 1);
	assert_int_equal(append(&l, 9000, 300), 0);
	wlog_publish(l.log);
	assert_int_equal(wlog_boundary(l.log, wlog_tail(l.log) + 1), wlog_head(l.log));
	down(&l);
}

static void test_tail_moves_by_size_whatever_the_age(void **state)
{
	struct logs l;

	up(&l, 2048, 1 << 20);
	for (int i = 0; i < 4000; i++) {
		assert_int_equal(append(&l, 0, 2000), 0);
		wlog_publish(l.log);
		wlog_trim(l.log, l.now_us);
		quiet_pass(&l.quiet, 0);
		assert_true(wlog_head(l.log) - wlog_tail(l.log) <= (1 << 20) + 70000);
	}
	assert_in_range(wlog_blocks(l.log), 200, 280);
	down(&l);
}

static void test_what_a_log_holds_says_how_far_back_it_could_reach(void **state)
{
	struct logs l;

	up(&l, 64, 64 * 1024);
	assert_true(wlog_has_room(l.log, 3600000000ull, 0)); /* nothing is known yet */
	for (int i = 0; i < 30; i++) { /* 1150 bytes a second, with the tags around them */
		append(&l, i * 100, 100);
		l.now_us += 100000;
	}
	wlog_publish(l.log);
	assert_true(wlog_has_room(l.log, 30000000, l.now_us));
	assert_false(wlog_has_room(l.log, 80000000, l.now_us));
	down(&l);
}

static void test_one_message_above_the_size_bound_stays(void **state)
{
	struct logs l;

	up(&l, 2048, 1 << 20);
	assert_int_equal(append(&l, 0, 100), 0);
	append_big(&l, 1, 3 << 20, 0);
	wlog_publish(l.log);
	wlog_trim(l.log, l.now_us);
	assert_true(wlog_head(l.log) - wlog_tail(l.log) >= 3 << 20);
	down(&l);
}

static void test_blocks_wait_for_a_quiet_point(void **state)
{
	uint32_t before;
	struct logs l;

	up(&l, 256, 1 << 20);
	for (int i = 0; i < 100; i++)
		assert_int_equal(append(&l, i, 3000), 0);
	wlog_publish(l.log);
	before = wlog_blocks(l.log);
	l.now_us += 2 * RETAIN_US;
	for (int i = 0; i < 50; i++)
		wlog_trim(l.log, l.now_us);
	assert_int_equal(wlog_tail(l.log), wlog_head(l.log));
	assert_int_equal(wlog_blocks(l.log), before);
	quiet_pass(&l.quiet, 0);
	for (int i = 0; i < 50; i++)
		wlog_trim(l.log, l.now_us);
	assert_in_range(wlog_blocks(l.log), 0, 1);
	down(&l);
}

static void test_blocks_wait_for_holds(void **state)
{
	struct logs l;

	up(&l, 256, 1 << 20);
	for (int i = 0; i < 100; i++)
		assert_int_equal(append(&l, i, 3000), 0);
	wlog_publish(l.log);
	assert_false(wlog_is_held(l.log));
	wlog_hold(l.log, 0, 10 * BLOCK + 5);
	assert_true(wlog_is_held(l.log));
	l.now_us += 2 * RETAIN_US;
	for (int i = 0; i < 50; i++) {
		wlog_trim(l.log, l.now_us);
		quiet_pass(&l.quiet, 0);
	}
	assert_int_equal(wlog_blocks(l.log), (wlog_end(l.log) + BLOCK - 1) / BLOCK - 10);
	wlog_hold(l.log, 0, WLOG_NONE);
	for (int i = 0; i < 50; i++) {
		wlog_trim(l.log, l.now_us);
		quiet_pass(&l.quiet, 0);
	}
	assert_in_range(wlog_blocks(l.log), 0, 1);
	down(&l);
}

static void test_an_empty_arena_drops_history_and_nothing_half_written_shows(void **state)
{
	struct wlog_key key;
	struct logs l;
	uint64_t head;

	up(&l, 8, 1 << 20);
	wlog_begin_key(l.log, 0, l.now_us, 1);
	for (int i = 0; i < 7; i++)
		assert_int_equal(append(&l, i, 4000), 0);
	wlog_publish(l.log);
	head = wlog_head(l.log);
	append_big(&l, 8, 3 * BLOCK, -ENOMEM);
	assert_int_equal(wlog_head(l.log), head);
	assert_int_equal(wlog_tail(l.log), head);
	assert_false(wlog_newest_key(l.log, &key));
	wlog_check(l.log);
	append_big(&l, 9, 3 * BLOCK, -ENOMEM); /* no quiet point yet: still none */
	quiet_pass(&l.quiet, 0);
	wlog_trim(l.log, l.now_us);
	wlog_begin_key(l.log, 10, l.now_us, 1);
	append_big(&l, 10, 3 * BLOCK, 0);
	wlog_publish(l.log);
	assert_true(wlog_newest_key(l.log, &key));
	assert_int_equal(key.off, head);
	down(&l);
}

static void test_boundaries_are_found_from_any_byte(void **state)
{
	uint64_t edge[200];
	struct logs l;
	unsigned n = 0;

	srand(7);
	up(&l, 256, 1 << 20);
	while (n < array_len(edge)) {
		edge[n++] = wlog_end(l.log);
		assert_int_equal(append(&l, (int)n * 7, 1 + (size_t)rand() % 3000), 0);
		l.now_us += (unsigned)(rand() % 30000);
	}
	wlog_publish(l.log);
	for (unsigned i = 0, off = 0; off <= wlog_head(l.log); off += 1 + (unsigned)rand() % 40) {
		while (i < n && edge[i] < off)
			i++;
		assert_int_equal(wlog_boundary(l.log, off), i < n ? edge[i] : wlog_head(l.log));
	}
	l.now_us += RETAIN_US - 1000000;
	for (int i = 0; i < 10; i++)
		wlog_trim(l.log, l.now_us);
	assert_true(wlog_tail(l.log) > 0);
	assert_int_equal(wlog_boundary(l.log, wlog_tail(l.log) - 1), WLOG_NONE);
	assert_int_equal(wlog_boundary(l.log, wlog_tail(l.log)), wlog_tail(l.log));
	down(&l);
}

static void test_bytes_have_an_age(void **state)
{
	uint64_t start = 5000000, off[100];
	struct logs l;

	up(&l, 256, 1 << 20);
	assert_int_equal(wlog_time_of(l.log, 0), 0);
	for (int i = 0; i < 100; i++) {
		off[i] = wlog_end(l.log);
		assert_int_equal(append(&l, i, 200), 0);
		l.now_us += 20000;
	}
	wlog_publish(l.log);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t at_us = wlog_time_of(l.log, off[i]);

		assert_in_range(start + i * 20000 - at_us, 0, WLOG_MARK_US);
	}
	down(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_are_invisible_until_published),
		cmocka_unit_test(test_the_newest_key_is_found_with_all_it_needs),
		cmocka_unit_test(test_a_message_larger_than_blocks_is_read_back_whole),
		cmocka_unit_test(test_slices_meet_at_block_edges),
		cmocka_unit_test(test_tail_moves_by_age_to_message_boundaries),
		cmocka_unit_test(test_tail_moves_by_size_whatever_the_age),
		cmocka_unit_test(test_what_a_log_holds_says_how_far_back_it_could_reach),
		cmocka_unit_test(test_one_message_above_the_size_bound_stays),
		cmocka_unit_test(test_blocks_wait_for_a_quiet_point),
		cmocka_unit_test(test_blocks_wait_for_holds),
		cmocka_unit_test(test_an_empty_arena_drops_history_and_nothing_half_written_shows),
		cmocka_unit_test(test_boundaries_are_found_from_any_byte),
		cmocka_unit_test(test_bytes_have_an_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
