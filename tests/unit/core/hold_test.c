/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/core/fixture.h"

#include "core/cursor.h"
#include "core/stream_writer.h"

/* A stream with a first publisher on core 0, and a viewer that is up to date. */
struct held {
	struct bench b;
	struct stream *s;
	struct cursor viewer;
	struct test_msg t;
};

static void put(struct held *h, unsigned core, const struct msg *m)
{
	h->b.core[core].now_us = h->b.now_us;
	assert_int_equal(stream_append(h->s, &h->b.core[core], m), 0);
	stream_flush(h->s, &h->b.core[core]);
}

static void up(struct held *h)
{
	memset(h, 0, sizeof(*h));
	bench_up(&h->b, (struct bench_options){2, 8, 8 << 20, 16384});
	bench_turn(&h->b, 1000);
	assert_int_equal(stream_publish(h->b.engine.registry, &h->b.core[0], "d/a/n", false, &h->s),
			 0);
	put(h, 0, test_video_header(&h->t, 0, 1));
	put(h, 0, test_audio_header(&h->t, 0, 1));
	put(h, 0, test_picture(&h->t, 0, true, 500));
	cursor_init(&h->viewer, h->s->log[WIRE_RTMP], 0);
}

static void down(struct held *h)
{
	for (int i = 0; i < 8; i++)
		bench_turn(&h->b, 10000);
	bench_down(&h->b);
}

/* Bytes that the viewer has not had yet. */
static uint64_t news(struct held *h)
{
	struct wlog_key key;
	uint64_t skipped, n;

	while (cursor_settle(&h->viewer, h->b.now_us, 1000000000, &key, &skipped) == CURSOR_JOINED)
		;
	n = cursor_behind(&h->viewer);
	cursor_advance(&h->viewer, n);
	return n;
}

static unsigned kept(const struct held *h, uint8_t type)
{
	const struct stream_headers *headers = stream_headers(h->s);
	unsigned n = 0;

	for (unsigned i = 0; i < headers->n; i++)
		n += headers->msg[i].type == type;
	return n;
}

static void test_H6_a_held_stream_is_live_until_its_time_is_over(void **state)
{
	struct held h;

	up(&h);
	stream_hold(h.s, &h.b.core[0], REASON_PEER_RESET, 1000);
	stream_get(h.s);
	bench_turn(&h.b, 900000);
	assert_true(stream_is_live(h.s) && stream_is_held(h.s));
	assert_int_equal(registry_count(h.b.engine.registry), 1);
	bench_turn(&h.b, 200000);
	assert_false(stream_is_live(h.s));
	assert_int_equal(atomic_load(&h.s->end_reason), REASON_PEER_RESET);
	assert_int_equal(registry_count(h.b.engine.registry), 0);
	stream_put(h.s, &h.b.core[1]);
	down(&h);
}

static void test_H6_the_next_publisher_goes_on_from_another_core(void **state)
{
	struct held h;
	int claim;

	up(&h);
	assert_true(news(&h) > 0);
	stream_hold(h.s, &h.b.core[0], REASON_PEER_RESET, 1000);
	stream_hand_over(h.s, &h.b.core[0], &h.b.core[1], &claim);
	assert_int_equal(h.s->home, 1);
	assert_ptr_equal(h.s->claim, &claim);
	stream_resume(h.s, &h.b.core[1]);
	bench_turn(&h.b, 2000000); /* nothing is left of the hold */
	assert_true(stream_is_live(h.s) && !stream_is_held(h.s));
	put(&h, 1, test_video_header(&h.t, 70000, 1));
	put(&h, 1, test_picture(&h.t, 70040, true, 500));
	assert_true(news(&h) > 0);
	assert_int_equal(shm_get(&h.b.core[0].ctr->ctr[CTR_LOG_BLOCKS]), 0);
	assert_int_equal(shm_get(&h.b.core[1].ctr->ctr[CTR_LOG_BLOCKS]), 1);
	stream_end(h.s, &h.b.core[1], REASON_UNPUBLISHED);
	for (int i = 0; i < 8; i++)
		bench_turn(&h.b, 10000);
	assert_int_equal(bench_counter(&h.b, CTR_LOG_BLOCKS), 0);
	down(&h);
}

static struct wlog *opened;

static void note_log(struct mail *m, struct core *core)
{
	struct stream_open *open = container_of(m, struct stream_open, mail);

	assert_int_equal(core->id, 0);
	opened = open->stream->log[WIRE_FLV];
}

static void test_H6_a_log_asked_for_at_the_old_home_is_made_at_the_new_one(void **state)
{
	static struct stream_open open;
	struct held h;

	up(&h);
	stream_hold(h.s, &h.b.core[0], REASON_PEER_RESET, 1000);
	stream_hand_over(h.s, &h.b.core[0], &h.b.core[1], NULL);
	stream_resume(h.s, &h.b.core[1]);
	/* Asked before it moved again. */
	open.mail.run = note_log;
	assert_null(stream_log(h.s, &h.b.core[0], WIRE_FLV, &open));
	stream_hold(h.s, &h.b.core[1], REASON_PEER_RESET, 1000);
	stream_hand_over(h.s, &h.b.core[1], &h.b.core[0], NULL);
	stream_resume(h.s, &h.b.core[0]);
	for (int i = 0; i < 3; i++)
		bench_turn(&h.b, 1000);
	assert_non_null(opened);
	stream_end(h.s, &h.b.core[0], REASON_UNPUBLISHED);
	down(&h);
}

static void test_H6_known_headers_are_not_sent_again_changed_ones_are(void **state)
{
	struct held h;
	uint64_t picture;

	up(&h);
	news(&h);
	put(&h, 0, test_picture(&h.t, 40, true, 500));
	picture = news(&h);
	for (uint8_t version = 1; version <= 2; version++) {
		stream_hold(h.s, &h.b.core[0], REASON_PEER_RESET, 1000);
		stream_resume(h.s, &h.b.core[0]);
		put(&h, 0, test_video_header(&h.t, 0, version));
		put(&h, 0, test_audio_header(&h.t, 0, 1));
		assert_int_equal(news(&h) > 0, version == 2);
		put(&h, 0, test_picture(&h.t, 0, false, 500)); /* no key frame yet */
		assert_int_equal(news(&h), 0);
		put(&h, 0, test_picture(&h.t, 40, true, 500));
		assert_int_equal(news(&h), picture);
	}
	/* Later repeats are the encoder's business (M7). */
	put(&h, 0, test_video_header(&h.t, 80, 2));
	assert_true(news(&h) > 0);
	stream_end(h.s, &h.b.core[0], REASON_UNPUBLISHED);
	down(&h);
}

static void test_M9_headers_of_the_publisher_before_are_gone_with_the_first_key_frame(void **state)
{
	struct held h;

	up(&h);
	assert_int_equal(kept(&h, MSG_AUDIO), 1);
	stream_hold(h.s, &h.b.core[0], REASON_PEER_RESET, 1000);
	stream_resume(h.s, &h.b.core[0]);
	/* What needs a header waits for this publisher's own. */
	put(&h, 0, test_picture(&h.t, 0, true, 500));
	assert_int_equal(bench_counter(&h.b, CTR_MESSAGES_DROPPED), 1);
	put(&h, 0, test_video_header(&h.t, 40, 1));
	put(&h, 0, test_picture(&h.t, 40, true, 500));
	assert_int_equal(kept(&h, MSG_AUDIO), 0);
	assert_int_equal(kept(&h, MSG_VIDEO), 1);
	stream_end(h.s, &h.b.core[0], REASON_UNPUBLISHED);
	down(&h);
}

static void test_H6_the_time_line_goes_on_whatever_clock_comes_next(void **state)
{
	struct held h;
	struct wlog_key key;
	int64_t last_ms = 0;

	up(&h);
	for (int i = 0; i < 5; i++) {
		stream_hold(h.s, &h.b.core[i & 1], REASON_PEER_RESET, 1000);
		stream_hand_over(h.s, &h.b.core[i & 1], &h.b.core[(i + 1) & 1], NULL);
		bench_turn(&h.b, 500000);
		stream_resume(h.s, &h.b.core[(i + 1) & 1]);
		put(&h, (i + 1) & 1, test_video_header(&h.t, 0, 1));
		put(&h, (i + 1) & 1, test_picture(&h.t, i & 1 ? 0 : 86400000, true, 500));
		assert_true(wlog_newest_key(h.s->log[WIRE_RTMP], &key));
		assert_in_range(key.ts_ms, last_ms + 1, last_ms + 1000);
		last_ms = key.ts_ms;
	}
	stream_end(h.s, &h.b.core[1], REASON_UNPUBLISHED);
	down(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_H6_a_held_stream_is_live_until_its_time_is_over),
		cmocka_unit_test(test_H6_the_next_publisher_goes_on_from_another_core),
		cmocka_unit_test(test_H6_a_log_asked_for_at_the_old_home_is_made_at_the_new_one),
		cmocka_unit_test(test_H6_known_headers_are_not_sent_again_changed_ones_are),
		cmocka_unit_test(
			test_M9_headers_of_the_publisher_before_are_gone_with_the_first_key_frame),
		cmocka_unit_test(test_H6_the_time_line_goes_on_whatever_clock_comes_next),
	};

	return cmocka_run_group_tests_name("core/hold", tests, NULL, NULL);
}
