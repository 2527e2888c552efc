/* SPDX-License-Identifier: Apache-2.0 */
/* One time line across files, loops and jumps (interop M23). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/worker/pace.h"
#include "controlplane/worker/splice.h"

#define MS	 1000
#define FRAME	 (40 * MS)
#define AAC	 23220
#define FRAMES	 75
#define AUDIO_N	 130
#define FIRST_US 5000000 /* sources begin anywhere */

struct out {
	struct splice line;
	int64_t first[TRACKS], last[TRACKS];
};

static void put(struct out *o, enum track_kind kind, int64_t dts, int64_t delay, int64_t duration)
{
	struct unit u = {
		.kind = kind, .dts_us = dts, .pts_us = dts + delay, .duration_us = duration};

	if (!splice_place(&o->line, &u))
		return;
	assert_true(u.dts_us > o->last[kind]);
	assert_true(u.pts_us >= u.dts_us);
	if (o->first[kind] < 0)
		o->first[kind] = u.dts_us;
	o->last[kind] = u.dts_us;
}

/* A file of 75 frames and so many AAC frames. */
static void play(struct out *o, int64_t start, int64_t delay, unsigned audio_n)
{
	struct splice_item item = {start, start + delay, audio_n ? start : SPLICE_NONE, FRAME};

	splice_begin(&o->line, &item);
	o->first[TRACK_VIDEO] = o->first[TRACK_AUDIO] = -1;
	for (unsigned i = 0; i < FRAMES; i++)
		put(o, TRACK_VIDEO, start + i * FRAME, delay, FRAME);
	for (unsigned i = 0; i < audio_n; i++)
		put(o, TRACK_AUDIO, start + i * AAC, 0, AAC);
}

static void begin(struct out *o)
{
	*o = (struct out){.last = {-1, -1}};
	splice_init(&o->line);
}

static void test_M23_a_line_begins_at_0(void **state)
{
	struct out o;

	begin(&o);
	play(&o, FIRST_US, 0, AUDIO_N);
	assert_int_equal(o.first[TRACK_VIDEO], 0);
	assert_int_equal(o.first[TRACK_AUDIO], 0);
}

static void test_M23_a_loop_goes_on_one_frame_later(void **state)
{
	struct out o;

	begin(&o);
	play(&o, FIRST_US, 0, AUDIO_N - 4);
	for (int round = 1; round < 100; round++) {
		int64_t end = o.last[TRACK_VIDEO];

		play(&o, FIRST_US, 0, AUDIO_N - 4);
		assert_int_equal(o.first[TRACK_VIDEO], end + FRAME);
	}
}

static void test_M23_audio_that_is_longer_moves_the_video_by_whole_frames(void **state)
{
	struct out o;
	int64_t video, audio;

	begin(&o);
	play(&o, FIRST_US, 0, AUDIO_N + 10);
	video = o.last[TRACK_VIDEO];
	audio = o.last[TRACK_AUDIO] + AAC;
	play(&o, 0, 0, AUDIO_N);
	assert_true(o.first[TRACK_AUDIO] >= audio - AAC && o.first[TRACK_AUDIO] < audio + FRAME);
	assert_int_equal((o.first[TRACK_VIDEO] - video) % FRAME, 0);
}

static void test_M23_a_file_without_reordering_waits_until_the_last_picture_was_shown(void **state)
{
	struct out o;
	int64_t end;

	begin(&o);
	play(&o, FIRST_US, 2 * FRAME, 0);
	end = o.last[TRACK_VIDEO];
	play(&o, FIRST_US, 0, 0);
	assert_int_equal(o.first[TRACK_VIDEO], end + 3 * FRAME);
}

static void test_M23_a_file_with_reordering_leaves_no_hole_in_what_is_shown(void **state)
{
	struct splice_item item = {0, 2 * FRAME, SPLICE_NONE, FRAME};
	struct unit u = {.kind = TRACK_VIDEO, .dts_us = 0, .pts_us = 2 * FRAME};
	struct out o;

	begin(&o);
	play(&o, FIRST_US, 0, 0);
	splice_begin(&o.line, &item);
	assert_true(splice_place(&o.line, &u));
	assert_int_equal(u.pts_us, FRAMES * FRAME);
	assert_true(u.dts_us > (FRAMES - 1) * FRAME && u.dts_us < u.pts_us);
}

static void test_M23_priming_at_a_seam_is_left_out_and_loops_do_not_drift(void **state)
{
	struct out o;

	begin(&o);
	/* Its audio ends 20 ms after its last picture. */
	play(&o, 0, 0, AUDIO_N);
	for (int round = 1; round < 1000; round++)
		play(&o, 0, 0, AUDIO_N);
	assert_int_equal(o.last[TRACK_VIDEO], (1000ll * FRAMES - 1) * FRAME);
}

/*
 * A film with an I or P picture and two B pictures after it in decoding order, left at every place:
 * what was shown is whole, the sound ends with it, and the next film begins right there.
 */
struct cut {
	struct out o;
	bool shown[FRAMES + 4];
	unsigned pictures;
	bool ended;
};

static void cut_put(struct cut *c, enum track_kind kind, int64_t dts, int64_t pts, bool leave)
{
	struct unit u = {.kind = kind,
			 .dts_us = dts,
			 .pts_us = pts,
			 .duration_us = kind == TRACK_VIDEO ? FRAME : AAC};
	enum splice_finish how;

	if (!leave) {
		assert_true(splice_place(&c->o.line, &u));
		how = SPLICE_PLACED;
	} else {
		how = splice_finish(&c->o.line, &u);
	}
	c->ended = how == SPLICE_ENDED;
	if (how == SPLICE_PLACED && kind == TRACK_VIDEO) {
		c->shown[u.pts_us / FRAME] = true;
		c->pictures++;
	}
}

/* The i-th picture in decoding order is shown as number: 2, 5, 3, 4, 8, 6, 7 ... */
static int64_t shown_as(unsigned i)
{
	return i % 3 == 1 ? i + 4 : i ? i + 1 : 2;
}

static void leave_at(struct cut *c, unsigned at, bool sound)
{
	struct splice_item item = {0, 2 * FRAME, sound ? 0 : SPLICE_NONE, FRAME};
	int64_t heard = 0;

	*c = (struct cut){0};
	begin(&c->o);
	splice_begin(&c->o.line, &item);
	for (unsigned i = 0; i < FRAMES && !c->ended; i++) {
		for (; sound && heard <= i * FRAME && !c->ended; heard += AAC)
			cut_put(c, TRACK_AUDIO, heard, heard, i >= at);
		if (!c->ended)
			cut_put(c, TRACK_VIDEO, i * FRAME, shown_as(i) * FRAME, i >= at);
	}
}

static void test_M23_an_item_that_is_left_anywhere_leaves_no_hole(void **state)
{
	struct cut c;

	for (unsigned at = 1; at < FRAMES - 8; at++) {
		for (int sound = 0; sound < 2; sound++) {
			const struct splice *line = &c.o.line;

			leave_at(&c, at, sound);
			assert_true(c.ended);
			assert_in_range(c.pictures, at, at + 2);
			for (unsigned n = 0; n < c.pictures; n++)
				assert_true(c.shown[n + 2]);
			assert_int_equal(line->track[TRACK_VIDEO].pts_end_us,
					 (c.pictures + 2) * FRAME);
			if (sound)
				assert_in_range(line->track[TRACK_AUDIO].end_us,
						line->track[TRACK_VIDEO].pts_end_us - AAC,
						line->track[TRACK_VIDEO].pts_end_us + AAC);
		}
	}
}

static void test_M23_sound_alone_is_left_at_once(void **state)
{
	struct splice_item item = {SPLICE_NONE, SPLICE_NONE, 0, 0};
	struct unit u = {.kind = TRACK_AUDIO, .dts_us = AAC, .pts_us = AAC, .duration_us = AAC};
	struct out o;

	begin(&o);
	splice_begin(&o.line, &item);
	put(&o, TRACK_AUDIO, 0, 0, AAC);
	assert_int_equal(splice_finish(&o.line, &u), SPLICE_ENDED);
}

static void test_a_jump_of_the_source_is_closed(void **state)
{
	struct out o;
	int64_t end;

	begin(&o);
	play(&o, FIRST_US, 0, 0);
	end = o.last[TRACK_VIDEO];
	put(&o, TRACK_VIDEO, 26ll * 3600 * 1000000, 0, FRAME);
	assert_int_equal(o.last[TRACK_VIDEO], end + FRAME);
	put(&o, TRACK_VIDEO, 26ll * 3600 * 1000000 + FRAME, 0, FRAME);
	assert_int_equal(o.last[TRACK_VIDEO], end + 2 * FRAME);
	put(&o, TRACK_VIDEO, 0, 0, FRAME);
	assert_int_equal(o.last[TRACK_VIDEO], end + 3 * FRAME);
}

static void test_times_that_stand_still_grow_all_the_same(void **state)
{
	struct out o;

	begin(&o);
	play(&o, 0, 0, 0);
	for (int i = 0; i < 50; i++)
		put(&o, TRACK_VIDEO, 1000000, 0, 0);
}

static void test_the_output_never_ends(void **state)
{
	struct out o;

	begin(&o);
	/* More than 32 bits of milliseconds: 50 days, a file of half an hour at a time. */
	for (int i = 0; i < 2400; i++) {
		struct splice_item item = {0, 0, SPLICE_NONE, FRAME};

		splice_begin(&o.line, &item);
		for (int64_t t = 0; t <= 1800; t += 9)
			put(&o, TRACK_VIDEO, t * 1000000, 0, FRAME);
	}
	assert_true(o.last[TRACK_VIDEO] / 1000 > UINT32_MAX);
}

static void test_M23_a_late_source_is_not_followed_by_a_burst(void **state)
{
	struct pace p = {0};
	uint64_t now = 1000000000;

	assert_int_equal(pace_due_us(&p, 0, now), now);
	assert_int_equal(pace_due_us(&p, FRAME, now), now + FRAME);
	/* A little late: caught up with. */
	assert_int_equal(pace_due_us(&p, 2 * FRAME, now + 1000000), now + 2 * FRAME);
	/* Very late: from here on in real time again. */
	now += 60000000;
	assert_int_equal(pace_due_us(&p, 3 * FRAME, now), now);
	assert_int_equal(pace_due_us(&p, 4 * FRAME, now), now + FRAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M23_a_line_begins_at_0),
		cmocka_unit_test(test_M23_a_loop_goes_on_one_frame_later),
		cmocka_unit_test(test_M23_audio_that_is_longer_moves_the_video_by_whole_frames),
		cmocka_unit_test(
			test_M23_a_file_without_reordering_waits_until_the_last_picture_was_shown),
		cmocka_unit_test(test_M23_a_file_with_reordering_leaves_no_hole_in_what_is_shown),
		cmocka_unit_test(test_M23_priming_at_a_seam_is_left_out_and_loops_do_not_drift),
		cmocka_unit_test(test_M23_an_item_that_is_left_anywhere_leaves_no_hole),
		cmocka_unit_test(test_M23_sound_alone_is_left_at_once),
		cmocka_unit_test(test_a_jump_of_the_source_is_closed),
		cmocka_unit_test(test_times_that_stand_still_grow_all_the_same),
		cmocka_unit_test(test_the_output_never_ends),
		cmocka_unit_test(test_M23_a_late_source_is_not_followed_by_a_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
