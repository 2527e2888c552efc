/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FLV tags, classic (H.264, AAC, MP3) and enhanced (all others, Enhanced RTMP v1 and v2).
 *
 * FFmpeg's own muxer of this system's version cannot do HEVC and writes the codecs' headers once;
 * here they come again whenever they change. Threads: pure, any.
 */
#ifndef WORKER_FLVTAG_H
#define WORKER_FLVTAG_H

#include "controlplane/worker/unit.h"

#define FLV_HEAD_BYTES 13
#define FLV_TAG_ROOM   32 /* what a tag needs beside its payload */

/* File header and the first previous-tag size. */
size_t flv_head(uint8_t dst[FLV_HEAD_BYTES], bool video, bool audio);
/* onMetaData; bytes written, 0: no room. */
size_t flv_metadata(uint8_t *dst, size_t room, const struct track tracks[TRACKS]);
/* The sequence header of a track; 0: its codec has none. */
size_t flv_header_tag(uint8_t *dst, size_t room, const struct track *t, enum track_kind kind,
		      int64_t dts_us);
/*
 * What stands before and after the unit's bytes: head[FLV_TAG_ROOM] and tail[4]; how long the head is.
 */
size_t flv_unit_tag(uint8_t head[FLV_TAG_ROOM], uint8_t tail[4], const struct track *t,
		    const struct unit *u);

#endif
