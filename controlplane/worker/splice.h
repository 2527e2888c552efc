/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One continuous time line across files, loops and jumps of a source (interop M23).
 *
 * Every item (a file, a live connection) gets one offset for both of its tracks, so they stay
 * together. An item is first shown where the one before has ended in both tracks, its video on the
 * frame grid of the one before. Audio that overlaps by less than SPLICE_OVERLAP_US (an encoder's priming
 * and padding, and the delay of reordered pictures) is left out instead of being waited for, or loops
 * would drift and pictures stand still at a seam. Within an item a jump of more than SPLICE_JUMP_US is
 * closed by a new offset; times of a track always grow.
 *
 * An item that is left before its end is left with splice_finish(): a frame that is shown later than the
 * next ones is decoded before them, so stopping anywhere would leave holes among those shown.
 * Threads: pure, any.
 */
#ifndef WORKER_SPLICE_H
#define WORKER_SPLICE_H

#include "controlplane/worker/unit.h"

#define SPLICE_JUMP_US	  10000000
#define SPLICE_OVERLAP_US 150000
#define SPLICE_NONE	  INT64_MIN

/* The first unit of each track of an item; SPLICE_NONE: there is no such track. */
struct splice_item {
	int64_t video_dts_us, video_pts_us, audio_dts_us;
	int64_t frame_us; /* of video; 0: not known */
};

struct splice {
	int64_t offset_us, frame_us;
	bool seam;  /* no audio of this item yet */
	bool whole; /* splice_finish(): the item's last picture was placed */
	struct {
		int64_t last_us, end_us;    /* decoding, in the output; SPLICE_NONE: nothing yet */
		int64_t pts_us, pts_end_us; /* what is shown last: from, until */
	} track[TRACKS];
};

void splice_init(struct splice *s);
void splice_begin(struct splice *s, const struct splice_item *item);
/* Moves the unit's times to the output's; false: it is to be left out. */
bool splice_place(struct splice *s, struct unit *u);

enum splice_finish { SPLICE_ENDED, SPLICE_LEFT_OUT, SPLICE_PLACED };

/*
 * The same while an item is being left: pictures go on until none is missing, sound until the last of them has
 * been shown. ENDED: the item ends before this unit, which was not touched.
 */
enum splice_finish splice_finish(struct splice *s, struct unit *u);

#endif
