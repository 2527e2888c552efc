/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include "core/fanout.h"

#define MESSAGE 1000u
#define SLOT	((uint64_t)FANOUT_SLOT_US)

struct stage {
	struct bench b;
	struct stream *stream;
	struct core *core;
	int64_t ts_ms;
};

struct spectator {
	struct viewer v;
	uint64_t bytes; /* of the send in flight */
	unsigned sends, placed, firsts, reached, overs;
	enum reason why;
	bool hold;	       /* answers placed() with true */
	struct viewer *victim; /* removed from inside the next send */
	bool leave_when_over;
};

static struct spectator *of(struct viewer *v)
{
	return container_of(v, struct spectator, v);
}

static void on_send(struct viewer *v, const struct slice *s, unsigned n)
{
	struct viewer *victim = of(v)->victim;

	of(v)->sends++;
	of(v)->bytes = s[0].n + (n == 2 ? s[1].n : 0);
	of(v)->victim = NULL;
	if (victim)
		viewer_remove(victim);
}

static bool on_placed(struct viewer *v, const struct wlog_key *key, bool first, uint64_t skipped)
{
	of(v)->placed++;
	of(v)->firsts += first;
	return of(v)->hold;
}

static void on_reached(struct viewer *v)
{
	of(v)->reached++;
}

static void on_over(struct viewer *v, enum reason why)
{
	of(v)->overs++;
	of(v)->why = why;
	if (of(v)->leave_when_over)
		viewer_remove(v);
}

static const struct viewer_ops ops = {on_send, on_placed, on_reached, on_over};

/* n pictures; the first may be a key frame. */
static void feed(struct stage *s, unsigned n, bool key, size_t bytes)
{
	struct test_msg t;

	while (n--) {
		struct msg *m = test_picture(&t, s->ts_ms, key, bytes);

		assert_int_equal(stream_append(s->stream, s->core, m), 0);
		key = false;
		s->ts_ms += 40;
	}
	stream_flush(s->stream, s->core);
}

static void up(struct stage *s)
{
	struct test_msg t;

	memset(s, 0, sizeof(*s));
	bench_up(&s->b, (struct bench_options){1, 2, 8 << 20, 65536});
	s->core = &s->b.core[0];
	bench_turn(&s->b, SLOT);
	assert_int_equal(stream_publish(s->b.engine.registry, s->core, "d/a/n", false, &s->stream),
			 0);
	assert_int_equal(stream_append(s->stream, s->core, test_video_header(&t, 0, 1)), 0);
	feed(s, 1, true, MESSAGE);
}

static void down(struct stage *s)
{
	bench_down(&s->b);
}

static void join(struct stage *s, struct spectator *p, enum tick_class tick)
{
	p->v.stream = s->stream;
	p->v.ops = &ops;
	p->v.core = s->core;
	p->v.shm = shm_audience_of(s->b.engine.shm, s->stream->shm, 0);
	cursor_init(&p->v.cursor, s->stream->log[WIRE_RTMP], 0);
	assert_int_equal(viewer_add(&p->v, tick), 0);
}

/* Everything in flight is accepted. */
static void accept_all(struct spectator *p)
{
	if (p->v.busy)
		viewer_sent(&p->v, (uint32_t)p->bytes);
}

static void turns(struct stage *s, unsigned slots)
{
	while (slots--)
		bench_turn(&s->b, SLOT);
}

static void test_a_joiner_is_served_at_once(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_NORMAL);
	assert_int_equal(p.firsts, 1);
	assert_int_equal(p.sends, 1);
	assert_int_equal(p.bytes, wlog_head(p.v.cursor.log) - p.v.cursor.sent);
	assert_int_equal(bench_counter(&s.b, CTR_JOINS), 1);
	down(&s);
}

static void test_viewers_are_spread_over_the_slots_of_their_tick(void **state)
{
	static struct spectator p[100];
	struct stage s;
	unsigned before = 0, after = 0;

	memset(p, 0, sizeof(p));
	up(&s);
	for (unsigned i = 0; i < array_len(p); i++) {
		join(&s, &p[i], TICK_NORMAL);
		accept_all(&p[i]);
		before += p[i].sends;
	}
	feed(&s, 1, false, MESSAGE);
	for (unsigned slot = 0; slot < 10; slot++) {
		turns(&s, 1);
		after = 0;
		for (unsigned i = 0; i < array_len(p); i++)
			after += p[i].sends;
		assert_int_equal(after - before, 10 * (slot + 1));
	}
	down(&s);
}

static void test_a_viewer_gets_one_send_per_tick_with_all_there_is(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_NORMAL);
	accept_all(&p);
	for (unsigned i = 1; i <= 20; i++) {
		feed(&s, 3, false, MESSAGE);
		turns(&s, 10);
		assert_int_equal(p.sends, 1 + i);
		assert_true(p.bytes > 3 * MESSAGE);
		accept_all(&p);
	}
	down(&s);
}

static void test_nothing_is_sent_while_a_send_is_in_flight(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_LOW);
	feed(&s, 5, false, MESSAGE);
	turns(&s, 30);
	assert_int_equal(p.sends, 1);
	accept_all(&p);
	turns(&s, 2);
	assert_int_equal(p.sends, 2);
	down(&s);
}

static void test_who_is_behind_catches_up_in_bounded_steps(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	feed(&s, 600, false, 4000);
	join(&s, &p, TICK_NORMAL);
	for (unsigned tick = 1; tick <= 3; tick++) {
		for (int i = 0; i < 20; i++)
			accept_all(&p);
		assert_int_equal(p.sends, tick * FANOUT_CATCH_UP);
		assert_int_equal(p.bytes, FANOUT_SEND_MAX);
		turns(&s, 10);
	}
	down(&s);
}

static void test_a_short_send_waits_for_the_next_tick(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	feed(&s, 600, false, 4000);
	join(&s, &p, TICK_NORMAL);
	viewer_sent(&p.v, 1000);
	assert_int_equal(p.sends, 1);
	turns(&s, 10);
	assert_int_equal(p.sends, 2);
	down(&s);
}

static void test_a_full_window_waits_for_room_and_stalls_out(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_NORMAL);
	viewer_blocked(&p.v, 0);
	turns(&s, 100);
	assert_int_equal(p.sends, 1);
	viewer_kick(&p.v);
	assert_int_equal(p.sends, 2);
	viewer_blocked(&p.v, 0);
	turns(&s, 20000 / 5);
	assert_int_equal(p.overs, 0);
	p.leave_when_over = true;
	turns(&s, 20);
	assert_int_equal(p.overs, 1);
	assert_int_equal(p.why, REASON_SEND_STALLED);
	down(&s);
}

static void test_room_for_a_part_goes_on_when_there_is_more(void **state)
{
	struct spectator p = {0};
	struct stage s;
	uint64_t at;

	up(&s);
	feed(&s, 600, false, 4000);
	join(&s, &p, TICK_NORMAL);
	at = p.v.cursor.sent;
	viewer_blocked(&p.v, 1000);
	assert_int_equal(p.v.cursor.sent, at + 1000);
	/* Not at the tick, but as soon as there is room. */
	turns(&s, 100);
	assert_int_equal(p.sends, 1);
	viewer_kick(&p.v);
	assert_int_equal(p.sends, 2);
	down(&s);
}

static void test_private_bytes_go_first(void **state)
{
	struct spectator p = {.hold = true};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_NORMAL);
	turns(&s, 30);
	assert_int_equal(p.placed, 1);
	assert_int_equal(p.sends, 0);
	viewer_kick(&p.v);
	assert_int_equal(p.sends, 1);
	down(&s);
}

static void test_pause_lets_private_bytes_in_between(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_NORMAL);
	viewer_sent(&p.v, 10);
	viewer_pause(&p.v);
	assert_int_equal(p.reached, 0);
	accept_all(&p);
	assert_int_equal(p.reached, 1);
	feed(&s, 2, false, MESSAGE);
	turns(&s, 20);
	assert_int_equal(p.sends, 2);
	viewer_resume(&p.v, false);
	assert_int_equal(p.sends, 3);
	accept_all(&p);
	assert_int_equal(cursor_behind(&p.v.cursor), 0);
	viewer_pause(&p.v); /* at the head: at once */
	assert_int_equal(p.reached, 2);
	down(&s);
}

static void test_H8_who_skips_again_and_again_is_over(void **state)
{
	struct spectator p = {0};
	struct stage s;
	unsigned rounds;

	up(&s);
	s.b.conf.play_max_skips = 3;
	join(&s, &p, TICK_NORMAL);
	for (rounds = 0; rounds < 20 && !p.overs; rounds++) {
		accept_all(&p);
		feed(&s, 2, false, MESSAGE);
		turns(&s, 9000 / 5);
		feed(&s, 1, true, MESSAGE);
		if (p.v.busy)
			viewer_sent(&p.v, 10);
		turns(&s, 10);
		accept_all(&p); /* the rest of that picture; then it jumps */
	}
	assert_int_equal(p.why, REASON_TOO_SLOW);
	assert_int_equal(p.placed - p.firsts, 4);
	assert_int_equal(bench_counter(&s.b, CTR_SKIPS), 4);
	down(&s);
}

static void test_the_end_comes_after_the_last_byte(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	feed(&s, 40, false, 4000);
	stream_get(s.stream);
	join(&s, &p, TICK_NORMAL);
	stream_end(s.stream, s.core, REASON_UNPUBLISHED);
	turns(&s, 20);
	assert_int_equal(p.overs, 0);
	while (cursor_behind(&p.v.cursor)) {
		accept_all(&p);
		turns(&s, 1);
		assert_true(!p.overs || !cursor_behind(&p.v.cursor));
	}
	accept_all(&p);
	turns(&s, 10);
	assert_true(p.overs > 0);
	assert_int_equal(p.why, REASON_STREAM_ENDED);
	viewer_remove(&p.v);
	stream_put(s.stream, s.core);
	turns(&s, 20);
	down(&s);
}

static void test_over_never_comes_from_inside_the_owners_call(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	stream_get(s.stream);
	stream_end(s.stream, s.core, REASON_UNPUBLISHED);
	wlog_drop_keys(s.stream->log[WIRE_RTMP]);
	join(&s, &p, TICK_NORMAL);
	viewer_kick(&p.v);
	viewer_pause(&p.v);
	viewer_resume(&p.v, true);
	assert_int_equal(p.overs, 0);
	turns(&s, 10);
	assert_int_equal(p.overs, 1);
	down(&s);
}

static void test_a_paused_viewer_of_an_ended_stream_goes_in_the_end(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_NORMAL);
	accept_all(&p);
	viewer_pause(&p.v);
	feed(&s, 3, false, MESSAGE);
	stream_get(s.stream);
	stream_end(s.stream, s.core, REASON_UNPUBLISHED);
	turns(&s, 100);
	assert_int_equal(p.overs, 0); /* it may still want the rest */
	turns(&s, 20000 / 5 + 20);
	assert_true(p.overs > 0);
	down(&s);
}

static void test_anybody_may_go_while_a_slot_is_served(void **state)
{
	static struct spectator p[64];
	struct stage s;
	unsigned left, sends;

	srand(11);
	for (unsigned round = 0; round < 50; round++) {
		memset(p, 0, sizeof(p));
		up(&s);
		s.b.conf.tick_low = 5; /* one slot: all of them in one array */
		fanout_fini(s.core);
		assert_int_equal(fanout_init(s.core), 0);
		for (unsigned i = 0; i < array_len(p); i++) {
			join(&s, &p[i], TICK_LOW);
			accept_all(&p[i]);
		}
		for (unsigned i = 0; i < array_len(p); i++)
			if (rand() % 2) /* may be itself */
				p[i].victim = &p[(unsigned)rand() % array_len(p)].v;
		feed(&s, 1, false, MESSAGE);
		turns(&s, 1);
		left = sends = 0;
		for (unsigned i = 0; i < array_len(p); i++) {
			left += p[i].v.added;
			sends += p[i].v.added && p[i].sends == 2;
		}
		assert_int_equal(left, sends); /* all who stayed were served, once */
		for (unsigned i = 0; i < array_len(p); i++)
			viewer_remove(&p[i].v);
		down(&s);
	}
}

static void test_a_late_poll_serves_each_slot_once(void **state)
{
	struct spectator p = {0};
	struct stage s;

	up(&s);
	join(&s, &p, TICK_LOW);
	accept_all(&p);
	feed(&s, 1, false, MESSAGE);
	bench_turn(&s.b, 3000000);
	assert_int_equal(p.sends, 2);
	accept_all(&p);
	turns(&s, 1);
	assert_int_equal(p.sends, 2);
	down(&s);
}

static unsigned sends_of(const struct spectator *p, unsigned n)
{
	unsigned sends = 0;

	for (unsigned i = 0; i < n; i++)
		sends += p[i].sends;
	return sends;
}

static void test_a_full_slot_leaves_room_for_what_comes_in(void **state)
{
	enum { VIEWERS = 3 * FANOUT_TURN_SENDS };
	struct spectator *p = calloc(VIEWERS, sizeof(*p));
	struct stage s;
	unsigned before;

	up(&s);
	for (unsigned i = 0; i < VIEWERS; i++) {
		join(&s, &p[i], TICK_LOW);
		accept_all(&p[i]);
	}
	turns(&s, 2);
	before = sends_of(p, VIEWERS);
	feed(&s, 1, true, MESSAGE);
	bench_turn(&s.b, SLOT);
	assert_int_equal(sends_of(p, VIEWERS) - before, FANOUT_TURN_SENDS);
	/* The core does not sleep over the rest, and a tick that is long over does not forget it. */
	assert_true(fanout_next(s.core, s.core->now_us) == s.core->now_us);
	viewer_remove(&p[0].v);
	viewer_remove(&p[VIEWERS - 1].v);
	bench_turn(&s.b, 20 * SLOT);
	for (unsigned i = 0; i < VIEWERS / FANOUT_TURN_SENDS; i++)
		bench_turn(&s.b, 0);
	for (unsigned i = 1; i < VIEWERS - 1; i++)
		assert_int_equal(p[i].sends, 2);
	assert_true(fanout_next(s.core, s.core->now_us) > s.core->now_us);
	down(&s);
	free(p);
}

static void test_the_core_sleeps_until_the_next_slot_with_viewers(void **state)
{
	struct spectator p = {0};
	struct stage s;
	uint64_t next;

	up(&s);
	turns(&s, 1);
	assert_true(fanout_next(s.core, s.core->now_us) == UINT64_MAX);
	join(&s, &p, TICK_BULK);
	accept_all(&p);
	feed(&s, 1, false, MESSAGE);
	next = fanout_next(s.core, s.core->now_us);
	assert_in_range(next, s.core->now_us, s.core->now_us + 30 * SLOT);
	bench_turn(&s.b, next - s.b.now_us - 1);
	assert_int_equal(p.sends, 1);
	bench_turn(&s.b, 1);
	assert_int_equal(p.sends, 2);
	viewer_remove(&p.v);
	assert_true(fanout_next(s.core, s.core->now_us) == UINT64_MAX);
	down(&s);
}

static void test_tick_classes_have_names(void **state)
{
	assert_int_equal(tick_class_of("low"), TICK_LOW);
	assert_int_equal(tick_class_of("normal"), TICK_NORMAL);
	assert_int_equal(tick_class_of("bulk"), TICK_BULK);
	assert_int_equal(tick_class_of("fast"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_joiner_is_served_at_once),
		cmocka_unit_test(test_viewers_are_spread_over_the_slots_of_their_tick),
		cmocka_unit_test(test_a_viewer_gets_one_send_per_tick_with_all_there_is),
		cmocka_unit_test(test_nothing_is_sent_while_a_send_is_in_flight),
		cmocka_unit_test(test_who_is_behind_catches_up_in_bounded_steps),
		cmocka_unit_test(test_a_short_send_waits_for_the_next_tick),
		cmocka_unit_test(test_a_full_window_waits_for_room_and_stalls_out),
		cmocka_unit_test(test_room_for_a_part_goes_on_when_there_is_more),
		cmocka_unit_test(test_private_bytes_go_first),
		cmocka_unit_test(test_pause_lets_private_bytes_in_between),
		cmocka_unit_test(test_H8_who_skips_again_and_again_is_over),
		cmocka_unit_test(test_the_end_comes_after_the_last_byte),
		cmocka_unit_test(test_over_never_comes_from_inside_the_owners_call),
		cmocka_unit_test(test_a_paused_viewer_of_an_ended_stream_goes_in_the_end),
		cmocka_unit_test(test_anybody_may_go_while_a_slot_is_served),
		cmocka_unit_test(test_a_late_poll_serves_each_slot_once),
		cmocka_unit_test(test_a_full_slot_leaves_room_for_what_comes_in),
		cmocka_unit_test(test_the_core_sleeps_until_the_next_slot_with_viewers),
		cmocka_unit_test(test_tick_classes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
