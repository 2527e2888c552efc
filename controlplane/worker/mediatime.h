/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time line of a packaged stream, and what the wall clock says along it.
 *
 * FLV's 32 bits of milliseconds wrap after 24.8 days (signed) or 49.7 days; here time is 64-bit
 * microseconds that only grow: of one track strictly, across jumps too, so that whatever a muxer
 * makes of it goes on (interop M1, M3, L4). Outliers were re-stamped by the data plane already, so
 * a jump is taken at once and said: it begins a discontinuity. Audio is counted in samples while the
 * sent times agree with them, because these are rounded to milliseconds.
 *
 * The wall clock (EXT-X-PROGRAM-DATE-TIME): a frame cannot come before it was made, so the smallest
 * distance between arrival and time line is the best guess. It is continuous: what drifts is
 * followed by at most a thousandth. Threads: pure, one owner; clocks are arguments.
 */
#ifndef WORKER_MEDIATIME_H
#define WORKER_MEDIATIME_H

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/worker/unit.h"

#define MEDIATIME_BACK_MS  1000 /* a larger step back is a jump */
#define MEDIATIME_AHEAD_MS 3000 /* and one ahead */

struct mediatime_track {
	bool begun, counted;
	int64_t dts_us;	   /* of the last frame */
	int64_t anchor_us; /* samples are counted from here */
	int64_t samples;
};

struct mediatime {
	bool begun;
	uint32_t sent_ms;  /* the last one, as sent */
	int64_t line_ms;   /* the same, unwrapped, from the first frame on */
	int64_t offset_us; /* from the line to what is given */
	int64_t end_us;	   /* the latest that was given */
	struct mediatime_track track[TRACKS];
};

void mediatime_init(struct mediatime *m, int64_t start_us);
/* The next frame continues where the last one ended, whatever its time is. */
void mediatime_rejoin(struct mediatime *m);
/*
 * A frame's decoding time. samples at rate: how long it lasts, 0 where that is not known.
 * false: there was a jump; the time is right and begins a discontinuity.
 */
bool mediatime_take(struct mediatime *m, enum track_kind kind, uint32_t sent_ms, int samples,
		    int rate, int64_t *dts_us);

struct wall {
	bool known, window;
	int64_t offset_us; /* from the time line to the wall clock, as it is said */
	int64_t least_us, window_us;
	int64_t said_us; /* where on the time line it was asked last */
};

/* A frame of that time arrived now. */
void wall_hear(struct wall *w, int64_t media_us, int64_t now_us);
/* The wall clock at that time of the line, milliseconds since 1970. Ask in order. */
int64_t wall_ms(struct wall *w, int64_t media_us);
/* After a discontinuity: what is heard next decides. */
void wall_anew(struct wall *w);

#endif
