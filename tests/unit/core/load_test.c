/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include "base/log.h"
#include "core/fanout.h"
#include "core/load.h"

static void up(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	bench_up(b, (struct bench_options){1, 4, 1 << 20, 16384});
	b->conf.overload_stretch = 80;
	b->conf.overload_refuse = 95;
	bench_turn(b, 2000000);
}

/* One second in which the core was that busy. */
static unsigned after(struct bench *b, unsigned percent)
{
	core_count(&b->core[0], CTR_BUSY_US, percent * 10000);
	bench_turn(b, 1000000);
	return b->core[0].load;
}

static void test_ticks_stretch_before_anybody_is_refused(void **state)
{
	struct bench b;

	up(&b);
	assert_int_equal(after(&b, 79), LOAD_FINE);
	assert_int_equal(after(&b, 99), LOAD_HIGH);
	assert_int_equal(after(&b, 99), LOAD_FULL);
	bench_down(&b);
}

static void test_it_ends_well_below_where_it_began(void **state)
{
	struct bench b;

	up(&b);
	after(&b, 99);
	assert_int_equal(after(&b, 99), LOAD_FULL);
	assert_int_equal(after(&b, 90), LOAD_FULL);
	assert_int_equal(after(&b, 84), LOAD_HIGH);
	assert_int_equal(after(&b, 75), LOAD_HIGH);
	assert_int_equal(after(&b, 69), LOAD_FINE);
	bench_down(&b);
}

static void test_a_limit_of_0_is_none(void **state)
{
	struct bench b;

	up(&b);
	b.conf.overload_refuse = 0;
	after(&b, 100);
	assert_int_equal(after(&b, 100), LOAD_HIGH);
	b.conf.overload_stretch = 0;
	assert_int_equal(after(&b, 100), LOAD_FINE);
	bench_down(&b);
}

static void test_a_moment_is_not_judged(void **state)
{
	struct bench b;

	up(&b);
	core_count(&b.core[0], CTR_BUSY_US, 900000);
	bench_turn(&b, 900000);
	assert_int_equal(b.core[0].load, LOAD_FINE);
	bench_turn(&b, 300000);
	assert_int_equal(b.core[0].load, LOAD_FINE); /* 900 of 1200 ms */
	bench_down(&b);
}

/* ---- what ticks do ---- */

struct seat {
	struct viewer viewer;
	unsigned served;
};

static void on_send(struct viewer *v, const struct slice *s, unsigned n)
{
	container_of(v, struct seat, viewer)->served++;
	viewer_sent(v, v->asked);
}

static bool on_placed(struct viewer *v, const struct wlog_key *key, bool first, uint64_t skipped)
{
	return false;
}

static void on_over(struct viewer *v, enum reason why)
{
	fail();
}

static const struct viewer_ops ops = {.send = on_send, .placed = on_placed, .over = on_over};

/* How often each of 20 viewers is served in 300 ms in which there is always something new. */
static void served(struct bench *b, enum tick_class tick, enum load load, unsigned want)
{
	static struct seat seat[20];
	struct core *c = &b->core[0];
	struct test_msg t;
	struct stream *s;

	memset(seat, 0, sizeof(seat));
	assert_int_equal(stream_publish(b->engine.registry, c, "d/a/n", false, &s), 0);
	stream_append(s, c, test_audio_header(&t, 0, 1));
	stream_append(s, c, test_sound(&t, 0, 100));
	stream_flush(s, c);
	for (unsigned i = 0; i < array_len(seat); i++) {
		seat[i].viewer = (struct viewer){
			.stream = stream_get(s),
			.ops = &ops,
			.core = c,
			.shm = shm_audience_of(b->engine.shm, s->shm, 0),
		};
		cursor_init(&seat[i].viewer.cursor, s->log[WIRE_RTMP], 0);
		assert_int_equal(viewer_add(&seat[i].viewer, tick), 0);
		seat[i].served = 0;
	}
	c->load = (uint8_t)load;
	c->load_at_us = b->now_us; /* not judged meanwhile */
	for (unsigned ms = 0; ms < 300; ms += 5) {
		stream_append(s, c, test_sound(&t, ms, 100));
		stream_flush(s, c);
		bench_turn(b, 5000);
	}
	for (unsigned i = 0; i < array_len(seat); i++) {
		assert_int_equal(seat[i].served, want);
		viewer_remove(&seat[i].viewer);
		stream_put(s, c);
	}
	stream_end(s, c, REASON_UNPUBLISHED);
	for (int i = 0; i < 4; i++)
		bench_turn(b, 10000);
	c->load = LOAD_FINE;
}

static void test_every_viewer_is_served_at_its_stretched_tick(void **state)
{
	struct bench b;

	up(&b);
	served(&b, TICK_LOW, LOAD_FINE, 30);
	served(&b, TICK_LOW, LOAD_HIGH, 6);
	served(&b, TICK_NORMAL, LOAD_FINE, 6);
	served(&b, TICK_NORMAL, LOAD_FULL, 2);
	served(&b, TICK_BULK, LOAD_FINE, 2);
	served(&b, TICK_BULK, LOAD_HIGH, 2);
	bench_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticks_stretch_before_anybody_is_refused),
		cmocka_unit_test(test_it_ends_well_below_where_it_began),
		cmocka_unit_test(test_a_limit_of_0_is_none),
		cmocka_unit_test(test_a_moment_is_not_judged),
		cmocka_unit_test(test_every_viewer_is_served_at_its_stretched_tick),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests_name("core/load", tests, NULL, NULL);
}
