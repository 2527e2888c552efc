/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a packaged stream is cut into segments and parts.
 *
 * Video cuts at its key frames: at the first one after the wished length, or before it where the
 * next one would come too late. No segment is longer than what the playlist's target duration
 * allows for (interop L3; a duration is rounded there): then the cut comes without a key frame.
 * Without video any frame of audio will do. A hole in the time line ends a segment at its last
 * frame. Parts end before the frame that would make them too long.
 * Threads: pure, one owner. Times are microseconds of one growing time line.
 */
#ifndef WORKER_CUT_H
#define WORKER_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/worker/unit.h"

enum cut_turn {
	CUT_NOT,
	CUT_PART,
	CUT_SEGMENT,
	CUT_HOLE, /* a segment too, and what follows is a discontinuity */
};

struct cut {
	int64_t segment_us, part_us, limit_us;
	bool video;
	bool open;
	int64_t soon_us; /* until there every key frame cuts: somebody waits for segments */
	int64_t start_us, part_start_us; /* of what is open */
	int64_t end_us;			 /* where the last turn ended it */
	int64_t last_us[TRACKS], step_us[TRACKS];
	int64_t key_us, gop_us; /* last key frame; distance of the last two, 0: not known */
};

/*
 * The target duration, in whole seconds, that holds for a stream whose key frames are gop_us apart
 * (0: not known): the wished length, or the GOP up to three times that.
 */
int64_t cut_target_us(int64_t segment_us, int64_t gop_us);
/* The longest that a segment may be under that target. */
int64_t cut_limit_us(int64_t target_us);
/* part_us 0: no parts. No segment is longer than limit_us. */
void cut_init(struct cut *c, bool video, int64_t segment_us, int64_t part_us, int64_t limit_us);
/*
 * What is cut before this frame; then c->end_us says where what was open ends. Each frame once, in
 * the order of arrival.
 */
enum cut_turn cut_before(struct cut *c, enum track_kind kind, bool key, int64_t dts_us);
/* Where what is open ends if nothing follows. */
int64_t cut_end_us(const struct cut *c);
/*
 * Somebody waits: what is open ends here, without a key frame, and for a while every key frame cuts.
 * Where it ends.
 */
int64_t cut_hurry(struct cut *c);
/* The next frame begins a segment, whatever it is. */
void cut_close(struct cut *c);

#endif
