/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers in audio and video tag headers. Inside of media only.
 *
 * Source: Adobe Flash Video File Format Specification 10.1, annex E.4.2 and E.4.3; Enhanced RTMP v2.
 */
#ifndef MEDIA_CODEC_TAG_H
#define MEDIA_CODEC_TAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define FOURCC(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

/* VideoTagHeader: frame types, and packet types of AVC and those that copied it. */
enum frame_type { FRAME_KEY = 1, FRAME_GENERATED_KEY = 4, FRAME_COMMAND = 5 };
enum avc_packet { AVC_SEQUENCE_HEADER = 0, AVC_NALU = 1, AVC_END = 2 };

/* ExVideoTagHeader, ExAudioTagHeader (Enhanced RTMP v2); 0..2 are the same in both. */
enum ex_packet {
	EX_SEQUENCE_START = 0,
	EX_CODED_FRAMES = 1,
	EX_SEQUENCE_END = 2,
	EX_VIDEO_CODED_FRAMES_X = 3,
	EX_VIDEO_METADATA = 4,
	EX_VIDEO_MPEG2TS_SEQUENCE_START = 5,
	EX_VIDEO_MULTITRACK = 6,
	EX_AUDIO_MULTICHANNEL_CONFIG = 4,
	EX_AUDIO_MULTITRACK = 5,
	EX_MOD_EX = 7,
};
enum ex_tracks { EX_ONE_TRACK = 0, EX_MANY_TRACKS = 1, EX_MANY_TRACKS_MANY_CODECS = 2 };

#define VIDEO_EX_HEADER 0x80 /* of the first byte */
#define VIDEO_HEVC	12
#define AUDIO_EX_HEADER 9
#define AUDIO_AAC	10

/* Skips ModEx parts (nanosecond offsets and the like) up to the real packet type (interop M16). */
static inline void ex_skip_mods(struct rd *r, uint8_t *type)
{
	while (*type == EX_MOD_EX && !r->bad) {
		uint32_t n = rd_u8(r) + 1u;

		if (n == 256)
			n = rd_be16(r) + 1u;
		rd_take(r, n);
		*type = rd_u8(r) & 15;
	}
}

#endif
