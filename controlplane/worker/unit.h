/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One frame on its way through a worker, and what a track is.
 */
#ifndef WORKER_UNIT_H
#define WORKER_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_MAX 4096

enum track_kind { TRACK_VIDEO, TRACK_AUDIO, TRACKS };

/* The codecs that FLV carries, classic and enhanced. */
enum track_codec {
	CODEC_NONE,
	CODEC_H264,
	CODEC_HEVC,
	CODEC_AAC,
	CODEC_MP3,
	CODEC_AV1,
	CODEC_VP9,
	CODEC_OPUS,
	CODEC_FLAC,
	CODEC_AC3,
	CODEC_EAC3,
	CODEC_OTHER, /* named, but nothing here can do anything with it */
};

struct track {
	enum track_codec codec; /* NONE: there is no such track */
	/* avcC, hvcC or AudioSpecificConfig; empty where the codec has none, or it has not come yet. */
	uint8_t config[CONFIG_MAX];
	size_t config_n;
	unsigned changes; /* grows with every new config */
	int width, height, rate, channels;
};

/* Times are microseconds. The bytes are the giver's until it is asked for the next unit. */
struct unit {
	enum track_kind kind;
	bool key;
	int64_t dts_us, pts_us, duration_us;
	const uint8_t *data;
	size_t n;
};

#endif
