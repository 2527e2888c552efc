/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream as HLS: played as FLV, cut, muxed, handed to the data plane.
 *
 *   connecting --FLV--> probing --tracks and GOP known--> running
 *   running --other codecs--> probing;  any --connection lost--> connecting, tried again
 *   any --the stream is not live--> ended;  any --it cannot be carried--> failed
 *
 * A lost connection, other codecs and a hole in time cost a discontinuity, nothing else. Probing
 * waits, a bounded while, for the tracks that the FLV head promises and for the second key frame,
 * because the target duration must hold for ever (interop L3, M10-M12).
 * Threads: the packaging thread's.
 */
#ifndef WORKER_PACKAGER_H
#define WORKER_PACKAGER_H

#include "controlplane/worker/archive.h"
#include "controlplane/worker/flvsource.h"
#include "controlplane/worker/outlet.h"

struct packager;
struct spool;

/* What a stream is to become; texts are copied. */
struct packager_wish {
	const char *stream, *pass;
	const char *format; /* auto, ts, fmp4 */
	int64_t segment_ms, part_ms;
	int64_t gop_ms;		     /* as it was measured before; 0: not known */
	int64_t media_seq, disc_seq; /* of the first segment */
	bool encrypt;
	int64_t key_segments;
	bool archive;
	bool hurry; /* somebody waits: the first segment is cut as soon as it is worth it */
};

enum packager_state {
	PACKAGER_CONNECTING,
	PACKAGER_PROBING,
	PACKAGER_RUNNING,
	PACKAGER_ENDED,
	PACKAGER_FAILED,
};

struct packager_report {
	enum packager_state state;
	struct fault fault; /* why it ended or failed, or the connection is away */
	int64_t media_seq;  /* of the next segment */
	int64_t disc_seq;   /* discontinuities before it */
	uint64_t segments, bytes, dropped;
	uint64_t track_bytes[TRACKS], pictures; /* of frames that were taken */
	int audio_rate;
};

/* What all streams of a process share. */
struct packager_world {
	const struct flvsource_place *place;
	struct outlet *outlet;
	struct archive *archive; /* NULL: nothing is kept in files */
	/*
	 * A live channel: segments go there and nowhere else, outlet and archive are NULL. Only H.264
	 * and AAC, only with pictures, cut late rather than often.
	 */
	struct spool *spool;
	/* The report has something new. */
	void (*news)(void *arg, struct packager *p);
	void *arg;
};

struct packager *packager_new(const struct packager_world *world, const struct packager_wish *wish);
/* What is open becomes a segment. */
void packager_finish(struct packager *p);
/* end: the stream is over for good, otherwise packaging pauses. What is open becomes a segment. */
void packager_free(struct packager *p, bool end);
const char *packager_stream(const struct packager *p);
const struct packager_report *packager_report(const struct packager *p);
/* The descriptor to be watched, -1: none; another one after every turn or tick. */
int packager_fd(const struct packager *p);
/* Whether it waits for room to send rather than for bytes. */
bool packager_wants_write(const struct packager *p);
/* There is something to read: a bounded piece is taken. */
void packager_turn(struct packager *p);
/* A few times a second: connects again. */
void packager_tick(struct packager *p, uint64_t now_us);
/* The data plane refused the stream's numbers; media_seq: those to open with, -1: it said none. */
void packager_refused(struct packager *p, const char *code, const char *message, int64_t media_seq);

#endif
