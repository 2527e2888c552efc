/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream's time line: what timestamps viewers see, whatever the publisher's clock does.
 *
 * Timestamps pass as they are, absolute and in 64 bits, wherever the source starts (interop M1), and
 * so do small steps back and forth. From zero, the first frame's time is taken off all of them
 * (M2): once for a stream, as all viewers share its bytes, so a viewer's first frame has time 0 only
 * where it is the stream's. What is far from where it should be is judged against the line and
 * against the time that went by (M3):
 *
 *   on the line --far off--> doubted (re-stamped next to its neighbours)
 *   doubted --back on the old line--> on the line: it was an outlier
 *   doubted --TIMELINE_PROOF frames in a row agree--> on the line: a new one, with a new offset
 *
 * The offset is one for audio and video, so that they stay together; doubted frames are stamped as
 * they will be if they prove right, so nothing shifts when they do. A frame of one kind on the old
 * line refutes doubted ones of the other: a kind whose clock alone went wrong is re-stamped next to
 * the other for ever, instead of pulling it along.
 *
 * Only coded frames move the line. Headers and metadata, often sent with time 0, are stamped with
 * it. Threads: pure, one owner; now_us is any monotonic clock.
 */
#ifndef MEDIA_TIMELINE_H
#define MEDIA_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "media/msg.h"

#define TIMELINE_JUMP_MS 1000 /* a step up to this is passed as it is */
#define TIMELINE_PROOF	 3    /* frames that make a new time line */

/* One kind's last frame that was on the line. */
struct timeline_kind {
	bool begun, stepped;
	int64_t ms;	 /* as sent out */
	int64_t step_ms; /* a usual step: the largest of late, fading */
	uint64_t at_us;
};

struct timeline {
	bool begun, resuming, from_zero;
	int64_t offset_ms; /* added to the publisher's timestamps */
	int64_t ms;	   /* the line: the latest time sent out */
	uint64_t at_us;	   /* when that was */
	struct timeline_kind audio, video;
	/* doubted frames in a row */
	unsigned doubted;
	int64_t doubted_raw_ms;	   /* the last one's */
	int64_t doubted_offset_ms; /* theirs, if they prove right */
	uint64_t doubted_at_us;
	uint64_t jumps, outliers; /* new time lines; frames that were re-stamped for good */
};

/* from_zero: the line starts at 0, and what came before its first frame is there too. */
void timeline_init(struct timeline *t, bool from_zero);
/* The time for viewers of a coded frame (m is audio or video), in milliseconds. */
int64_t timeline_frame(struct timeline *t, const struct msg *m, uint64_t now_us);
/* The same for what has no time of its own: headers, metadata, other data. */
int64_t timeline_other(const struct timeline *t, const struct msg *m);
/*
 * Another publisher goes on with the stream: its first frame continues the line where it would be
 * by now, wherever its own clock starts, and counts as a jump.
 */
void timeline_resume(struct timeline *t);

#endif
