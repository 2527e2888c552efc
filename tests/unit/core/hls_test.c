/* SPDX-License-Identifier: Apache-2.0 */
/* Packaged streams without a network: what becomes of what workers put. */
#include "tests/unit/core/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/log.h"
#include "core/hls.h"

#define SEALS  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define KEY    "default/live/a"
#define SECOND 1000000ull

struct world {
	struct bench bench;
	struct hls *hls;
	struct hls_fault fault;
	uint64_t now_us;
	int owner;
};

static int memfd(size_t n, int seals)
{
	int fd = memfd_create("segment", MFD_ALLOW_SEALING);
	char *bytes = calloc(1, n + 1);

	memset(bytes, 'x', n);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	free(bytes);
	return fd;
}

static struct segment *segment_of(struct world *w, size_t n)
{
	struct segment *s = NULL;
	int fd = memfd(n, SEALS);

	assert_int_equal(segment_take(&w->hls->store, fd, 1u << 30, 1u << 30, &s), SEGMENT_OK);
	close(fd);
	return s;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_init("test", LOG_ERROR);
	bench_up(&w->bench, (struct bench_options){1, 4, 1 << 24, 65536});
	w->hls = hls_new(&w->bench.engine);
	w->now_us = 1000 * SECOND;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	hls_free(w->hls);
	bench_down(&w->bench);
	free(w);
	return 0;
}

/* ---- shorthand ---- */

static int open_as(struct world *w, const void *owner, bool fmp4, uint32_t target_ms,
		   uint32_t part_ms, uint64_t seq, uint64_t disc)
{
	const struct hls_open o = {
		.key = KEY,
		.codecs = "",
		.fmp4 = fmp4,
		.target_ms = target_ms,
		.part_ms = part_ms,
		.media_seq = seq,
		.disc_seq = disc,
	};

	return hls_open(w->hls, &o, owner, w->now_us, &w->fault);
}

static struct hls_stream *stream(struct world *w)
{
	return hls_find(w->hls, KEY);
}

static const struct m3u8 *list(struct world *w)
{
	return &hls_view(stream(w))->list;
}

static int put(struct world *w, struct hls_put p, bool full)
{
	return hls_put(w->hls, stream(w), &p, full, w->now_us, &w->fault);
}

/* One more segment of that length; time goes on by it. */
static int segment_us(struct world *w, uint64_t us)
{
	struct hls_put p = {.kind = HLS_SEGMENT, .object = segment_of(w, 100)};

	p.m = (struct m3u8_segment){
		.seq = list(w)->media_seq + list(w)->segs_n,
		.duration_us = us,
		.init = list(w)->fmp4,
		.independent = true,
	};
	w->now_us += us;
	return put(w, p, false);
}

static void segments(struct world *w, unsigned n)
{
	while (n--)
		assert_int_equal(segment_us(w, 2 * SECOND), 0);
}

static int part(struct world *w, unsigned number, uint64_t us)
{
	struct hls_put p = {.kind = HLS_PART, .part = number, .object = segment_of(w, 10)};

	p.m = (struct m3u8_segment){
		.seq = list(w)->media_seq + list(w)->segs_n,
		.duration_us = us,
		.init = list(w)->fmp4,
	};
	return put(w, p, false);
}

static int init(struct world *w, uint32_t number)
{
	return put(w,
		   (struct hls_put){.kind = HLS_INIT, .number = number, .object = segment_of(w, 5)},
		   false);
}

/* ---- segments ---- */

static void test_only_sealed_memory_is_taken(void **state)
{
	static const int missing[] = {
		0,
		F_SEAL_SHRINK | F_SEAL_GROW,
		F_SEAL_SHRINK | F_SEAL_WRITE,
		F_SEAL_GROW | F_SEAL_WRITE,
	};
	struct segments store = {.used = 0};
	struct segment *s = NULL;
	int fd, ends[2];

	for (size_t i = 0; i < array_len(missing); i++) {
		fd = memfd(10, missing[i]);
		assert_int_equal(segment_take(&store, fd, 100, 1000, &s), SEGMENT_NOT_SEALED);
		close(fd);
	}
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(segment_take(&store, ends[0], 100, 1000, &s), SEGMENT_NOT_SEALED);
	close(ends[0]);
	close(ends[1]);
	fd = memfd(0, SEALS);
	assert_int_equal(segment_take(&store, fd, 100, 1000, &s), SEGMENT_BAD_SIZE);
	close(fd);
	fd = memfd(101, SEALS);
	assert_int_equal(segment_take(&store, fd, 100, 1000, &s), SEGMENT_BAD_SIZE);
	close(fd);
	assert_int_equal(store.used, 0);
}

static void test_a_segment_outlives_its_stream_while_it_is_sent_and_counts_until_then(void **state)
{
	static const size_t sizes[] = {100, 1000000}; /* copied, mapped */
	struct segments store = {.used = 0};

	for (size_t i = 0; i < array_len(sizes); i++) {
		struct segment *s = NULL, *more;
		int fd = memfd(sizes[i], SEALS);

		assert_int_equal(segment_take(&store, fd, 1u << 30, 1100000, &s), SEGMENT_OK);
		assert_int_equal(s->copied, i == 0);
		if (i)
			assert_int_equal(segment_take(&store, fd, 1u << 30, 1100000, &more),
					 SEGMENT_NO_ROOM);
		close(fd);
		segment_get(s);
		segment_put(s);
		segments_settle(&store);
		assert_true(store.used >= sizes[i]);
		assert_int_equal(s->p[sizes[i] - 1], 'x');
		segment_put(s);
		segments_settle(&store);
		assert_int_equal(store.used, 0);
	}
}

/* ---- numbers ---- */

static void test_L1_numbers_are_consecutive_and_never_go_back(void **state)
{
	struct world *w = *state;
	struct hls_put p = {.kind = HLS_SEGMENT, .m = {.seq = 8, .duration_us = SECOND}};

	assert_int_equal(open_as(w, w, false, 2000, 0, 7, 3), 0);
	assert_int_equal(put(w, p, true), -EINVAL);
	assert_string_equal(w->fault.field, "seq");
	assert_int_equal(w->fault.media_seq, 7);
	segments(w, 20);
	assert_int_equal(list(w)->media_seq + list(w)->segs_n, 27);
	assert_int_equal(list(w)->segs_n, 6);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 2000, 0, 26, 0), -EINVAL);
	assert_string_equal(w->fault.code, "conflict");
	assert_int_equal(w->fault.media_seq, 27);
	assert_int_equal(open_as(w, w, false, 2000, 0, 27, 0), 0);
	assert_int_equal(list(w)->segs_n, 6);
	assert_int_equal(list(w)->media_seq, 21);
}

static void test_L2_a_restart_is_a_discontinuity_and_its_number_stays_when_it_leaves(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 3);
	assert_int_equal(hls_discontinuities(hls_view(stream(w))), 0);
	hls_disown(w->hls, w, w->now_us);
	assert_false(hls_view(stream(w))->open);
	assert_int_equal(open_as(w, w, false, 2000, 0, 3, 0), 0);
	segments(w, 3);
	assert_true(list(w)->seg[3].discontinuity);
	assert_false(list(w)->seg[2].discontinuity || list(w)->seg[4].discontinuity);
	assert_int_equal(list(w)->disc_seq, 0);
	assert_int_equal(hls_discontinuities(hls_view(stream(w))), 1);
	segments(w, 3);
	assert_int_equal(list(w)->media_seq, 3);
	assert_int_equal(list(w)->disc_seq, 0);
	segments(w, 1);
	assert_int_equal(list(w)->disc_seq, 1);
	assert_int_equal(hls_discontinuities(hls_view(stream(w))), 1);
}

static void test_L1_L2_a_new_data_plane_goes_on_with_what_it_is_told(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, false, 2000, 0, 500, 4), 0);
	segments(w, 1);
	assert_int_equal(list(w)->media_seq, 500);
	assert_int_equal(list(w)->disc_seq, 4);
	assert_true(list(w)->seg[0].discontinuity);
}

static void test_a_worker_that_skips_numbers_makes_gaps_or_a_new_beginning(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 4);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 2000, 0, 6, 0), 0);
	assert_int_equal(list(w)->segs_n, 6);
	assert_true(list(w)->seg[4].gap && list(w)->seg[5].gap);
	segments(w, 1);
	assert_true(list(w)->seg[list(w)->segs_n - 1].discontinuity);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 2000, 0, 1000, 0), 0);
	assert_int_equal(list(w)->segs_n, 0);
	segments(w, 1);
	assert_int_equal(list(w)->media_seq, 1000);
	assert_int_equal(hls_discontinuities(hls_view(stream(w))), 2);
}

static void test_one_owner_at_a_time(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	assert_int_equal(open_as(w, &w->owner, false, 2000, 0, 0, 0), -EINVAL);
	assert_string_equal(w->fault.code, "conflict");
	hls_disown(w->hls, &w->owner, w->now_us);
	assert_true(hls_view(stream(w))->open);
	hls_disown(w->hls, w, w->now_us);
	assert_int_equal(open_as(w, &w->owner, false, 2000, 0, 0, 0), 0);
}

/* ---- durations ---- */

static void test_L3_the_target_duration_is_a_true_bound_and_never_gets_shorter(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, false, 3999, 0, 0, 0), 0);
	assert_int_equal(list(w)->target_s, 4);
	assert_int_equal(segment_us(w, 4499999), 0);
	assert_int_equal(segment_us(w, 4500000), -EINVAL);
	assert_string_equal(w->fault.field, "duration_us");
	assert_int_equal(list(w)->segs_n, 1);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 2000, 0, 1, 0), 0);
	assert_int_equal(list(w)->target_s, 4);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 6000, 0, 1, 0), 0);
	assert_int_equal(list(w)->target_s, 6);
}

static void test_a_playlist_of_short_segments_lasts_three_target_durations(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, false, 4000, 0, 0, 0), 0);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(segment_us(w, SECOND), 0);
		assert_true(i < 12 || m3u8_duration_us(list(w)) >= 12 * SECOND);
	}
	assert_int_equal(list(w)->segs_n, 12);
}

static void test_L5_a_segment_stays_a_playlist_and_its_own_length_after_it_left(void **state)
{
	struct world *w = *state;
	struct segment *object;

	w->bench.conf.hls_keep = 0;
	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 7); /* 0 has just left */
	assert_int_equal(list(w)->media_seq, 1);
	segments(w, 7); /* and a target duration for caches */
	assert_non_null(hls_view_segment(hls_view(stream(w)), 0, &object));
	segments(w, 1);
	assert_null(hls_view_segment(hls_view(stream(w)), 0, &object));
	assert_non_null(hls_view_segment(hls_view(stream(w)), 1, &object));
	w->bench.conf.hls_keep = 20;
	segments(w, 18);
	assert_int_equal(hls_view(stream(w))->segs_n, 26);
}

static bool has_object(struct world *w, uint64_t seq)
{
	struct segment *object = NULL;

	return hls_view_segment(hls_view(stream(w)), seq, &object) && object;
}

static void test_L5_the_longest_playlist_counts_not_the_present_one(void **state)
{
	struct world *w = *state;

	w->bench.conf.hls_keep = 0;
	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 6);
	hls_close(w->hls, stream(w), w->now_us);
	/* Another container begins with an empty playlist. */
	assert_int_equal(open_as(w, w, true, 2000, 0, 6, 0), 0);
	assert_int_equal(init(w, 1), 0);
	for (unsigned i = 0; i < 7; i++) {
		segments(w, 1);
		assert_true(has_object(w, 0) && has_object(w, 5));
	}
	segments(w, 1);
	assert_false(has_object(w, 0));
}

static void test_L5_numbers_that_are_left_out_take_nothing_away(void **state)
{
	struct world *w = *state;

	w->bench.conf.hls_keep = 0;
	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 6);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 2000, 0, 500, 0), 0);
	assert_int_equal(list(w)->segs_n, 0);
	assert_int_equal(list(w)->media_seq, 500);
	segments(w, 6);
	assert_true(list(w)->seg[0].discontinuity);
	segments(w, 1);
	assert_true(has_object(w, 0) && has_object(w, 5) && !has_object(w, 6));
	segments(w, 1);
	assert_false(has_object(w, 5));
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 2000, 0, 1u << 30, 0), 0); /* too many */
	segments(w, 1);
	assert_int_equal(hls_view(stream(w))->segs_n, 1);
}

/* ---- what there is no room for ---- */

static void test_a_segment_without_room_is_a_gap_and_its_number_is_used(void **state)
{
	struct world *w = *state;
	struct hls_put p = {.kind = HLS_SEGMENT, .m = {.seq = 1, .duration_us = SECOND}};
	struct segment *object;

	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 1);
	assert_int_equal(put(w, p, true), 0);
	assert_true(list(w)->seg[1].gap);
	assert_non_null(hls_view_segment(hls_view(stream(w)), 1, &object));
	assert_null(object);
	segments(w, 1);
	assert_false(list(w)->seg[2].discontinuity);
}

/* ---- fragmented MP4, keys ---- */

static void test_M8_segments_name_initialisation_sections_that_were_sent(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, true, 2000, 0, 0, 0), 0);
	assert_int_equal(segment_us(w, SECOND), -EINVAL);
	assert_string_equal(w->fault.field, "init");
	assert_int_equal(init(w, 1), 0);
	assert_int_equal(init(w, 1), 0); /* another one by the same name: the newest counts */
	assert_int_equal(segment_us(w, SECOND), 0);
	assert_int_equal(list(w)->seg[0].init, 2);
	assert_non_null(hls_view_init(hls_view(stream(w)), 2));
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(open_as(w, w, false, 2000, 0, 1, 0), 0);
	assert_int_equal(init(w, 2), -EINVAL);
	/* Players cannot go from one container to the other within a playlist. */
	assert_int_equal(list(w)->segs_n, 0);
	segments(w, 1);
	assert_int_equal(list(w)->media_seq, 1);
}

static void test_L9_keys_that_no_segment_needs_go(void **state)
{
	struct world *w = *state;

	w->bench.conf.hls_keep = 0;
	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	for (uint32_t i = 1; i <= 40; i++) {
		struct hls_put key = {.kind = HLS_KEY, .number = i, .object = segment_of(w, 16)};
		struct hls_put p = {.kind = HLS_SEGMENT, .object = segment_of(w, 100)};

		assert_int_equal(put(w, key, false), 0);
		p.m = (struct m3u8_segment){.seq = i - 1, .duration_us = 2 * SECOND, .key = i};
		w->now_us += 2 * SECOND;
		assert_int_equal(put(w, p, false), 0);
	}
	assert_null(hls_view_key(hls_view(stream(w)), 20));
	assert_non_null(hls_view_key(hls_view(stream(w)), 35));
	assert_int_equal(
		put(w, (struct hls_put){.kind = HLS_KEY, .number = 41, .object = segment_of(w, 15)},
		    false),
		-EINVAL);
}

/* ---- parts ---- */

static void test_L11_parts_are_of_the_next_segment_and_in_order(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, true, 1000, 200, 0, 0), 0);
	assert_int_equal(init(w, 1), 0);
	assert_int_equal(part(w, 1, 200000), -EINVAL);
	assert_int_equal(part(w, 0, 200001), -EINVAL);
	assert_int_equal(part(w, 0, 200000), 0);
	assert_int_equal(part(w, 1, 200000), 0);
	assert_int_equal(hls_view_next_parts(hls_view(stream(w))), 2);
	assert_int_equal(list(w)->parts_n, 2);
	assert_int_equal(segment_us(w, 400000), 0);
	assert_int_equal(list(w)->seg[0].parts, 2);
	assert_int_equal(hls_view_next_parts(hls_view(stream(w))), 0);
	assert_int_equal(part(w, 0, 200000), 0);
	assert_non_null(hls_view_part(hls_view(stream(w)), 0, 1));
	assert_non_null(hls_view_part(hls_view(stream(w)), 1, 0));
	assert_null(hls_view_part(hls_view(stream(w)), 1, 1));
}

static void test_L11_parts_are_listed_for_three_target_durations_and_kept_a_while(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, true, 1000, 500, 0, 0), 0);
	assert_int_equal(init(w, 1), 0);
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(part(w, 0, 500000), 0);
		assert_int_equal(part(w, 1, 500000), 0);
		assert_int_equal(segment_us(w, SECOND), 0);
	}
	assert_int_equal(list(w)->parts_n, 6);
	assert_int_equal(list(w)->part[0].seq, 9);
	assert_int_equal(hls_view(stream(w))->parts_n, 10);
}

static void test_parts_of_a_segment_that_never_came_are_a_gap(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, true, 1000, 500, 0, 0), 0);
	assert_int_equal(init(w, 1), 0);
	assert_int_equal(part(w, 0, 500000), 0);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(list(w)->segs_n, 1);
	assert_true(list(w)->seg[0].gap);
	assert_int_equal(open_as(w, w, true, 1000, 500, 0, 0), -EINVAL);
	assert_int_equal(w->fault.media_seq, 1);
	assert_int_equal(open_as(w, w, true, 1000, 500, 1, 0), 0);
	assert_int_equal(init(w, 1), 0);
	assert_int_equal(part(w, 0, 500000), 0);
	assert_true(list(w)->part[list(w)->parts_n - 1].discontinuity);
	assert_int_equal(segment_us(w, 500000), 0);
	assert_true(list(w)->seg[1].discontinuity);
}

static void test_L5_a_restart_takes_nothing_away(void **state)
{
	struct world *w = *state;
	struct segment *object;

	w->bench.conf.hls_window = 12;
	assert_int_equal(open_as(w, w, true, 1000, 500, 0, 0), 0);
	assert_int_equal(init(w, 1), 0);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(segment_us(w, SECOND), 0);
	assert_int_equal(part(w, 0, 500000), 0);
	hls_close(w->hls, stream(w), w->now_us);
	assert_int_equal(list(w)->media_seq, 19); /* 18 has just left, for a gap */
	assert_int_equal(list(w)->seg[11].init, 1);
	assert_int_equal(open_as(w, w, true, 1000, 500, 31, 0), 0);
	assert_int_equal(segment_us(w, SECOND), -EINVAL); /* what the old worker sent is not its */
	assert_int_equal(init(w, 2), 0);
	for (unsigned i = 0; i < 10; i++) {
		struct hls_put p = {.kind = HLS_SEGMENT, .object = segment_of(w, 100)};

		p.m = (struct m3u8_segment){.seq = 31 + i, .duration_us = SECOND, .init = 2};
		w->now_us += SECOND;
		assert_int_equal(put(w, p, false), 0);
		assert_non_null(hls_view_segment(hls_view(stream(w)), 18, &object));
		assert_non_null(object);
		assert_non_null(hls_view_init(hls_view(stream(w)), 1));
	}
}

/* ---- the end ---- */

static void test_an_ended_stream_stays_for_its_viewers_and_then_goes_with_its_memory(void **state)
{
	struct world *w = *state;

	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 6);
	hls_end(w->hls, stream(w), w->now_us);
	assert_true(list(w)->ended);
	hls_settle(w->hls, w->now_us + 60 * SECOND);
	assert_non_null(stream(w));
	hls_settle(w->hls, w->now_us + 90 * SECOND);
	assert_null(stream(w));
	hls_settle(w->hls, w->now_us + 91 * SECOND);
	assert_int_equal(w->hls->store.used, 0);
}

static void test_P6_churn_of_names_returns_to_nothing(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 10000; i++) {
		char key[64];
		struct hls_open o = {.key = key, .codecs = "", .target_ms = 2000};

		snprintf(key, sizeof(key), "default/live/%u", i);
		assert_int_equal(hls_open(w->hls, &o, w, w->now_us, &w->fault), 0);
		hls_close(w->hls, hls_find(w->hls, key), w->now_us);
	}
	hls_settle(w->hls, w->now_us + SECOND);
	hls_settle(w->hls, w->now_us + 2 * SECOND);
	assert_true(TAILQ_EMPTY(&w->hls->streams));
	assert_true(TAILQ_EMPTY(&w->hls->dead));
	assert_null(w->hls->retired);
}

static void test_a_core_that_reads_a_view_keeps_it(void **state)
{
	struct world *w = *state;
	const struct hls_view *v;

	assert_int_equal(open_as(w, w, false, 2000, 0, 0, 0), 0);
	segments(w, 1);
	quiet_wake(&w->bench.quiet, 0);
	v = hls_view(stream(w));
	segments(w, 30);
	hls_settle(w->hls, w->now_us);
	assert_int_equal(v->list.segs_n, 1);
	assert_int_equal(v->seg_object[0]->p[0], 'x');
	quiet_pass(&w->bench.quiet, 0);
	hls_settle(w->hls, w->now_us + SECOND);
	assert_null(w->hls->retired);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_sealed_memory_is_taken),
		cmocka_unit_test(
			test_a_segment_outlives_its_stream_while_it_is_sent_and_counts_until_then),
		T(test_L1_numbers_are_consecutive_and_never_go_back),
		T(test_L2_a_restart_is_a_discontinuity_and_its_number_stays_when_it_leaves),
		T(test_L1_L2_a_new_data_plane_goes_on_with_what_it_is_told),
		T(test_a_worker_that_skips_numbers_makes_gaps_or_a_new_beginning),
		T(test_one_owner_at_a_time),
		T(test_L3_the_target_duration_is_a_true_bound_and_never_gets_shorter),
		T(test_a_playlist_of_short_segments_lasts_three_target_durations),
		T(test_L5_a_segment_stays_a_playlist_and_its_own_length_after_it_left),
		T(test_L5_the_longest_playlist_counts_not_the_present_one),
		T(test_L5_numbers_that_are_left_out_take_nothing_away),
		T(test_a_segment_without_room_is_a_gap_and_its_number_is_used),
		T(test_M8_segments_name_initialisation_sections_that_were_sent),
		T(test_L9_keys_that_no_segment_needs_go),
		T(test_L11_parts_are_of_the_next_segment_and_in_order),
		T(test_L11_parts_are_listed_for_three_target_durations_and_kept_a_while),
		T(test_parts_of_a_segment_that_never_came_are_a_gap),
		T(test_L5_a_restart_takes_nothing_away),
		T(test_an_ended_stream_stays_for_its_viewers_and_then_goes_with_its_memory),
		T(test_P6_churn_of_names_returns_to_nothing),
		T(test_a_core_that_reads_a_view_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
