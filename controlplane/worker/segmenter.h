/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames into MPEG-TS or fragmented MP4 (ISO base media), by FFmpeg's muxers, without files.
 *
 * What the muxer makes goes through write() in pieces. segmenter_flush() ends a piece that stands
 * by itself: of TS with PAT and PMT at its beginning, of MP4 as whole fragments. One muxer serves
 * from one discontinuity to the next, so counters and times go on between (interop L4).
 * Threads: one owner; different ones may be used side by side.
 */
#ifndef WORKER_SEGMENTER_H
#define WORKER_SEGMENTER_H

#include "controlplane/worker/elementary.h"
#include "controlplane/worker/fault.h"

struct segmenter;

struct segmenter_sink {
	void (*write)(void *arg, const uint8_t *p, size_t n);
	void *arg;
};

/* Whether that track is packaged for players so; for TS H.264, HEVC, AAC and MP3. */
bool segmenter_takes(bool fmp4, enum track_codec codec);
/*
 * The tracks' configs are complete, the picture size is known. For MP4 the init section is written
 * at once. NULL with the fault.
 */
struct segmenter *segmenter_new(bool fmp4, const struct track tracks[TRACKS],
				const struct segmenter_sink *sink, struct fault *f);
void segmenter_free(struct segmenter *s);
/* A frame as FLV carries it; dts grows strictly within a track. false: it was damaged, left out. */
bool segmenter_write(struct segmenter *s, const struct unit *u);
/* What the muxer has made goes to write() now. */
void segmenter_pass_on(struct segmenter *s);
/* Everything that was given is written; what comes next begins a piece. */
void segmenter_flush(struct segmenter *s);

/*
 * Picture size by the parameter sets or the key frame; unchanged where it cannot be told. The frame
 * is as FLV carries it.
 */
void segmenter_picture(struct track *t, const uint8_t *key_frame, size_t n);

#endif
