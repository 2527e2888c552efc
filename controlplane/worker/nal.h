/* SPDX-License-Identifier: Apache-2.0 */
/*
 * H.264 and HEVC as two worlds write them: start codes (Annex B: TS, SRT, RTSP) and lengths with a
 * decoder configuration record (MP4, FLV).
 *
 * Input is hostile: nothing is read beyond it, and what is no parameter set is left out.
 * Threads: pure, any.
 */
#ifndef WORKER_NAL_H
#define WORKER_NAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define NAL_RECORD_MAX 4096 /* longest configuration record that is made */

enum nal_codec { NAL_H264, NAL_HEVC };

/* What a record needs and parameter sets do not say at a fixed place. */
struct nal_picture {
	unsigned chroma; /* chroma_format_idc, 0..3 */
	unsigned bits;	 /* per sample, 8..16 */
};

/* Whether it begins with a start code. */
bool nal_is_annexb(const uint8_t *p, size_t n);
/* The next unit, without its start code; false: there is none. rest: what is left to look at. */
bool nal_next(struct slice *rest, struct slice *unit);
/* Room that nal_to_lengths() needs for n bytes. */
size_t nal_lengths_room(size_t n);
/* Units with 4-byte lengths instead of start codes; bytes written. */
size_t nal_to_lengths(uint8_t *dst, const uint8_t *p, size_t n);
/*
 * The configuration record of the parameter sets in Annex B text; 0: there is not one of each kind,
 * or they do not fit.
 */
size_t nal_record(uint8_t dst[NAL_RECORD_MAX], enum nal_codec codec, const struct nal_picture *pic,
		  const uint8_t *p, size_t n);

#endif
