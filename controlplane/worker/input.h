/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source opened by libavformat, or by flvin where it is FLV by its protocol: one video and one audio
 * track, as FLV can carry them, in the order of their decoding times.
 *
 * H.264 and HEVC leave with 4-byte lengths (or whatever their record says) and a configuration
 * record, AAC without ADTS. A track whose codec FLV cannot carry is a fault, not a silence.
 *
 *   input_open --> input_next ... --> input_close;  input_seek right after input_open only
 *
 * Threads: one.
 */
#ifndef WORKER_INPUT_H
#define WORKER_INPUT_H

#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

#include "controlplane/worker/flvin.h"
#include "controlplane/worker/hlswatch.h"
#include "controlplane/worker/job.h"
#include "controlplane/worker/splice.h"
#include "controlplane/worker/unit.h"

#define INPUT_QUEUE 512 /* packets of one track that wait for the other */

struct input_track {
	bool on;	   /* there is such a track */
	AVStream *stream;  /* NULL: none of libavformat's */
	AVRational base;   /* of its packets' times */
	AVBSFContext *bsf; /* ADTS to AAC; NULL: not needed */
	bool annexb;
	AVPacket *queue[INPUT_QUEUE];
	unsigned first, n;
};

struct input {
	struct job *job;
	AVFormatContext *av;
	struct flvin *flv; /* NULL: libavformat reads it */
	struct hlswatch hls;
	AVIOContext *file; /* of a local one */
	struct input_track in[TRACKS];
	struct track track[TRACKS];
	AVPacket *given; /* whose bytes the last unit shows */
	uint8_t *room;	 /* for bytes that had to be rewritten */
	size_t room_n;
	uint64_t deadline_us; /* of the operation that goes on */
	uint64_t bytes;
	int ended; /* AVERROR that ended the reading; the queues may still hold packets */
	bool live;
	bool settled; /* which tracks there are */
};

/* 0, or -1 with the fault. live: little is queued, nothing is seeked. */
int input_open(struct input *in, struct job *job, const char *url, bool live, struct fault *f);
/* To the key frame at or before that time from the first frame. 0, or -1 with the fault. */
int input_seek(struct input *in, int64_t offset_us, struct fault *f);
/* The first times of both tracks; false: nothing can be read, as input_next() will tell. */
bool input_first(struct input *in, struct splice_item *item);
/* 1, or 0 at the end, or -1 with the fault. */
int input_next(struct input *in, struct unit *u, struct fault *f);
/* Of a unit's presentation time: microseconds from the first frame of the source. */
int64_t input_offset_us(const struct input *in, int64_t pts_us);
/* Idempotent; fine after a failed open. */
void input_close(struct input *in);

#endif
