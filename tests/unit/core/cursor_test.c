/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include "core/cursor.h"

#define BLOCK	   4096u
#define MAX_LAG_US 1000000u

struct place {
	struct arena arena;
	struct quiet quiet;
	struct wlog *log;
	struct cursor c;
	uint64_t now_us;
	int64_t ts_ms;
	struct wlog_key key;
	uint64_t skipped;
};

static void up(struct place *p)
{
	memset(p, 0, sizeof(*p));
	assert_int_equal(arena_init(&p->arena, 512 * BLOCK, BLOCK, ARENA_NORMAL), 0);
	quiet_init(&p->quiet, 1);
	p->now_us = 5000000;
	p->log = wlog_new(WIRE_FLV, &p->arena, &p->quiet, 4000000, 1 << 20);
	assert_non_null(p->log);
}

static void down(struct place *p)
{
	wlog_free(p->log);
	arena_fini(&p->arena);
}

/* One message of n wire bytes, 100 ms after the last one. */
static uint64_t add(struct place *p, bool key, size_t n)
{
	uint64_t off = wlog_end(p->log);
	struct test_msg t;

	p->now_us += 100000;
	p->ts_ms += 100;
	if (key)
		wlog_begin_key(p->log, p->ts_ms, p->now_us, 1);
	assert_int_equal(wlog_append(p->log, test_sound(&t, p->ts_ms, n - 15), p->now_us), 0);
	wlog_publish(p->log);
	return off;
}

static enum cursor_event settle(struct place *p)
{
	enum cursor_event e = cursor_settle(&p->c, p->now_us, MAX_LAG_US, &p->key, &p->skipped);

	cursor_check(&p->c);
	return e;
}

/* Sends up to n bytes of the present range. */
static uint64_t take(struct place *p, uint64_t n)
{
	struct slice s[2] = {{NULL, 0}, {NULL, 0}};
	uint64_t bytes;

	if (!cursor_range(&p->c, (uint32_t)n, s))
		return 0;
	bytes = s[0].n + s[1].n;
	cursor_advance(&p->c, bytes);
	return bytes;
}

/* On a key frame with everything sent. */
static void join(struct place *p)
{
	add(p, true, 100);
	cursor_init(&p->c, p->log, 0);
	assert_int_equal(settle(p), CURSOR_JOINED);
	assert_int_equal(settle(p), CURSOR_DATA);
	assert_int_equal(take(p, 1000), 100);
	assert_int_equal(settle(p), CURSOR_NOTHING);
}

static void test_joins_at_the_newest_key_frame(void **state)
{
	struct place p;
	uint64_t off;

	up(&p);
	add(&p, true, 100);
	add(&p, false, 100);
	off = add(&p, true, 100);
	add(&p, false, 50);
	cursor_init(&p.c, p.log, 0);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_int_equal(p.key.off, off);
	assert_int_equal(p.key.ts_ms, 300);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(take(&p, 65536), 150);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	assert_int_equal(p.c.skips, 0);
	down(&p);
}

static void test_waits_where_there_is_no_key_frame_yet(void **state)
{
	struct place p;

	up(&p);
	cursor_init(&p.c, p.log, 0);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	add(&p, false, 100);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	assert_int_equal(cursor_behind(&p.c), 0);
	add(&p, true, 100);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_int_equal(p.c.sent, 100);
	down(&p);
}

static void test_H8_too_old_lands_at_the_boundary_then_skips(void **state)
{
	uint64_t boundary, key;
	struct place p;

	up(&p);
	join(&p);
	add(&p, false, 1000);
	boundary = add(&p, false, 1000);
	assert_int_equal(settle(&p), CURSOR_DATA);
	take(&p, 300); /* in the middle of a message */
	for (int i = 0; i < 12; i++)
		add(&p, false, 500);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(p.c.state, CURSOR_FLOWING); /* nowhere to skip to */
	key = add(&p, true, 700);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(p.c.state, CURSOR_LANDING);
	assert_int_equal(take(&p, 65536), 700); /* what is left of that message, no more */
	assert_int_equal(p.c.sent, boundary);
	key = add(&p, true, 700); /* lands on whatever is newest then */
	assert_int_equal(settle(&p), CURSOR_SKIPPED);
	assert_int_equal(p.c.sent, key);
	assert_int_equal(p.key.off, key);
	assert_int_equal(p.skipped, key - boundary);
	assert_int_equal(p.c.skips, 1);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(take(&p, 65536), 700);
	down(&p);
}

static void test_a_young_lag_does_not_skip(void **state)
{
	struct place p;

	up(&p);
	join(&p);
	add(&p, false, 1000);
	add(&p, true, 1000);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(take(&p, 65536), 2000);
	down(&p);
}

static void test_the_key_frame_as_next_message_is_reached_by_flowing(void **state)
{
	struct place p;

	up(&p);
	join(&p);
	add(&p, false, 1000);
	assert_int_equal(settle(&p), CURSOR_DATA);
	take(&p, 300);
	p.now_us += 2 * MAX_LAG_US;
	add(&p, true, 1000);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(p.c.state, CURSOR_FLOWING);
	assert_int_equal(take(&p, 65536), 1700);
	assert_int_equal(p.c.skips, 0);
	down(&p);
}

static void trim_all(struct place *p)
{
	for (int i = 0; i < 100; i++)
		wlog_trim(p->log, p->now_us);
}

static void test_passed_by_the_tail_between_messages_waits_for_a_key_frame(void **state)
{
	struct place p;
	uint64_t key;

	up(&p);
	join(&p);
	p.now_us += 10000000;
	add(&p, false, 100);
	trim_all(&p);
	assert_true(wlog_tail(p.log) == p.c.sent);
	p.now_us += 10000000;
	add(&p, false, 100);
	trim_all(&p);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	assert_int_equal(p.c.state, CURSOR_WAITING);
	key = add(&p, true, 100);
	assert_int_equal(settle(&p), CURSOR_SKIPPED);
	assert_int_equal(p.c.sent, key);
	down(&p);
}

static void test_passed_by_the_tail_inside_a_message_is_lost(void **state)
{
	struct place p;

	up(&p);
	join(&p);
	add(&p, false, 1000);
	assert_int_equal(settle(&p), CURSOR_DATA);
	take(&p, 500);
	p.now_us += 10000000;
	add(&p, true, 100);
	trim_all(&p);
	assert_int_equal(settle(&p), CURSOR_GONE);
	assert_int_equal(settle(&p), CURSOR_GONE);
	assert_int_equal(take(&p, 100), 0);
	assert_int_equal(cursor_behind(&p.c), 0);
	down(&p);
}

static void test_pause_is_reached_at_the_boundary_and_goes_on_there(void **state)
{
	struct place p;
	uint64_t at;

	up(&p);
	join(&p);
	add(&p, false, 1000);
	at = add(&p, false, 1000);
	assert_int_equal(settle(&p), CURSOR_DATA);
	take(&p, 10);
	cursor_pause(&p.c);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(take(&p, 65536), 990);
	assert_int_equal(settle(&p), CURSOR_REACHED);
	assert_int_equal(p.c.sent, at);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	assert_int_equal(take(&p, 65536), 0);
	assert_int_equal(cursor_behind(&p.c), 1000);
	cursor_resume(&p.c, false);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(take(&p, 65536), 1000);
	cursor_pause(&p.c); /* at the head: at once */
	assert_int_equal(settle(&p), CURSOR_REACHED);
	down(&p);
}

static void test_pause_works_before_the_first_key_frame(void **state)
{
	struct place p;

	up(&p);
	cursor_init(&p.c, p.log, 0);
	cursor_pause(&p.c);
	assert_int_equal(settle(&p), CURSOR_REACHED);
	add(&p, true, 100);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	cursor_resume(&p.c, false);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	down(&p);
}

static void test_a_pause_can_be_taken_back_while_landing(void **state)
{
	struct place p;

	up(&p);
	join(&p);
	add(&p, false, 1000);
	add(&p, false, 1000);
	settle(&p);
	take(&p, 10);
	cursor_pause(&p.c);
	assert_int_equal(settle(&p), CURSOR_DATA);
	cursor_resume(&p.c, false);
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(take(&p, 65536), 1990);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	down(&p);
}

static void test_C14_resume_goes_on_at_the_newest_key_frame(void **state)
{
	struct place p;
	uint64_t key;

	up(&p);
	join(&p);
	cursor_pause(&p.c);
	assert_int_equal(settle(&p), CURSOR_REACHED);
	add(&p, false, 1000);
	cursor_resume(&p.c, true); /* no newer one: nothing is left out, nothing repeated */
	assert_int_equal(settle(&p), CURSOR_DATA);
	assert_int_equal(take(&p, 65536), 1000);
	cursor_pause(&p.c);
	assert_int_equal(settle(&p), CURSOR_REACHED);
	add(&p, false, 1000);
	key = add(&p, true, 1000);
	cursor_resume(&p.c, true);
	assert_int_equal(settle(&p), CURSOR_SKIPPED);
	assert_int_equal(p.c.sent, key);
	assert_int_equal(p.skipped, 1000);
	down(&p);
}

static void test_M8_dropped_key_frames_are_not_joined(void **state)
{
	struct place p;
	uint64_t key;

	up(&p);
	add(&p, true, 100);
	wlog_drop_keys(p.log);
	cursor_init(&p.c, p.log, 0);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	key = add(&p, true, 100);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_int_equal(p.c.sent, key);
	down(&p);
}

static void test_lag_is_the_age_of_the_oldest_byte_not_sent(void **state)
{
	struct place p;

	up(&p);
	join(&p);
	assert_int_equal(cursor_lag_us(&p.c, p.now_us), 0);
	add(&p, false, 100);
	p.now_us += 300000;
	assert_in_range(cursor_lag_us(&p.c, p.now_us), 300000, 300000 + WLOG_MARK_US);
	settle(&p);
	take(&p, 65536);
	assert_int_equal(cursor_lag_us(&p.c, p.now_us), 0);
	down(&p);
}

#define DELAY_US 2000000u

/* n messages of 100 bytes, a key frame every half second. */
static void add_some(struct place *p, unsigned n)
{
	while (n--) {
		add(p, p->ts_ms % 500 == 0, 100);
		wlog_trim(p->log, p->now_us);
	}
}

/* Everything that it may get now; its bytes. */
static uint64_t take_all(struct place *p)
{
	uint64_t n = 0;

	while (settle(p) == CURSOR_DATA)
		n += take(p, 65536);
	return n;
}

static void test_a_delayed_one_joins_that_far_back_and_stays_there(void **state)
{
	struct place p;

	up(&p);
	add_some(&p, 30);
	cursor_init(&p.c, p.log, DELAY_US);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_in_range(p.now_us - p.key.at_us, DELAY_US, DELAY_US + 400000);
	assert_int_equal(p.key.off, 500);
	assert_int_equal(take_all(&p), 400);
	for (int i = 0; i < 50; i++) {
		add_some(&p, 1);
		assert_int_equal(take_all(&p), 100);
		assert_in_range(cursor_lag_us(&p.c, p.now_us), 0, 2 * WLOG_MARK_US);
	}
	assert_int_equal(p.c.skips, 0);
	assert_int_equal(cursor_behind(&p.c), 2100);
	for (int i = 0; i < 41; i++) { /* the stream has ended: its end comes as late */
		assert_int_equal(cursor_behind(&p.c) > 0, true);
		p.now_us += WLOG_MARK_US;
		take_all(&p);
	}
	assert_int_equal(cursor_behind(&p.c), 0);
	assert_int_equal(p.c.skips, 0);
	down(&p);
}

static void test_a_delayed_one_waits_for_a_young_stream_to_get_old(void **state)
{
	struct place p;
	uint64_t begun_us;

	up(&p);
	add_some(&p, 3);
	begun_us = p.now_us - 200000;
	cursor_init(&p.c, p.log, DELAY_US);
	while (settle(&p) == CURSOR_NOTHING)
		add_some(&p, 1);
	assert_int_equal(p.now_us - begun_us, DELAY_US);
	assert_int_equal(p.key.off, 0);
	add_some(&p, 1);
	assert_int_equal(take_all(&p), 100);
	down(&p);
}

static void test_a_delay_beyond_what_is_kept_is_what_is_kept(void **state)
{
	struct place p;

	up(&p);
	add_some(&p, 100);
	cursor_init(&p.c, p.log, 10 * DELAY_US);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_in_range(p.c.delay_us, 2500000, 4000000);
	assert_true(take_all(&p) > 0);
	for (int i = 0; i < 50; i++) {
		add_some(&p, 1);
		assert_int_equal(take_all(&p), 100);
	}
	assert_int_equal(p.c.skips, 0);
	down(&p);
}

static void test_one_that_starts_back_gets_all_from_there_at_once(void **state)
{
	struct place p;

	up(&p);
	add_some(&p, 30);
	cursor_init(&p.c, p.log, 0);
	p.c.start_s = 2;
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_in_range(p.now_us - p.key.at_us, 2000000, 2400000);
	/* It is further back than the greatest lag, and yet does not skip. */
	assert_int_equal(take_all(&p), wlog_head(p.log) - p.key.off);
	for (int i = 0; i < 20; i++) {
		add_some(&p, 1);
		assert_int_equal(take_all(&p), 100);
	}
	assert_int_equal(p.c.skips, 0);
	down(&p);
}

static void test_H8_one_that_starts_back_skips_when_it_falls_behind_that(void **state)
{
	struct place p;

	up(&p);
	add_some(&p, 30);
	cursor_init(&p.c, p.log, 0);
	p.c.start_s = 2;
	assert_int_equal(settle(&p), CURSOR_JOINED);
	add_some(&p, 5);
	assert_int_equal(settle(&p), CURSOR_DATA);
	add_some(&p, 6);
	assert_int_equal(settle(&p), CURSOR_SKIPPED);
	assert_in_range(p.now_us - p.key.at_us, 0, 500000);
	down(&p);
}

static void test_a_young_stream_is_joined_where_it_begins(void **state)
{
	struct place p;

	up(&p);
	add_some(&p, 12);
	cursor_init(&p.c, p.log, 0);
	p.c.start_s = 60;
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_int_equal(p.key.off, 0);
	assert_int_equal(take_all(&p), 1200);
	down(&p);
}

static void test_H8_a_delayed_one_that_is_behind_skips_to_where_it_should_be(void **state)
{
	struct place p;

	up(&p);
	add_some(&p, 30);
	cursor_init(&p.c, p.log, DELAY_US);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	take_all(&p);
	add_some(&p, 9);
	assert_int_not_equal(settle(&p), CURSOR_SKIPPED);
	add_some(&p, 6);
	assert_int_equal(settle(&p), CURSOR_SKIPPED);
	assert_in_range(p.now_us - p.key.at_us, DELAY_US, DELAY_US + 400000);
	down(&p);
}

static void test_M8_a_delayed_one_joins_nothing_from_before_a_change(void **state)
{
	struct place p;

	up(&p);
	add_some(&p, 30);
	wlog_drop_keys(p.log);
	add_some(&p, 10);
	cursor_init(&p.c, p.log, DELAY_US);
	assert_int_equal(settle(&p), CURSOR_NOTHING);
	add_some(&p, 15);
	assert_int_equal(settle(&p), CURSOR_JOINED);
	assert_int_equal(p.key.off, 3000);
	down(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins_at_the_newest_key_frame),
		cmocka_unit_test(test_waits_where_there_is_no_key_frame_yet),
		cmocka_unit_test(test_H8_too_old_lands_at_the_boundary_then_skips),
		cmocka_unit_test(test_a_young_lag_does_not_skip),
		cmocka_unit_test(test_the_key_frame_as_next_message_is_reached_by_flowing),
		cmocka_unit_test(test_passed_by_the_tail_between_messages_waits_for_a_key_frame),
		cmocka_unit_test(test_passed_by_the_tail_inside_a_message_is_lost),
		cmocka_unit_test(test_pause_is_reached_at_the_boundary_and_goes_on_there),
		cmocka_unit_test(test_pause_works_before_the_first_key_frame),
		cmocka_unit_test(test_a_pause_can_be_taken_back_while_landing),
		cmocka_unit_test(test_C14_resume_goes_on_at_the_newest_key_frame),
		cmocka_unit_test(test_M8_dropped_key_frames_are_not_joined),
		cmocka_unit_test(test_one_that_starts_back_gets_all_from_there_at_once),
		cmocka_unit_test(test_H8_one_that_starts_back_skips_when_it_falls_behind_that),
		cmocka_unit_test(test_a_young_stream_is_joined_where_it_begins),
		cmocka_unit_test(test_a_delayed_one_joins_that_far_back_and_stays_there),
		cmocka_unit_test(test_a_delayed_one_waits_for_a_young_stream_to_get_old),
		cmocka_unit_test(test_a_delay_beyond_what_is_kept_is_what_is_kept),
		cmocka_unit_test(test_H8_a_delayed_one_that_is_behind_skips_to_where_it_should_be),
		cmocka_unit_test(test_M8_a_delayed_one_joins_nothing_from_before_a_change),
		cmocka_unit_test(test_lag_is_the_age_of_the_oldest_byte_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
