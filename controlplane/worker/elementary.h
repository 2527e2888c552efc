/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementary streams as FLV carries them, turned into what MPEG-TS wants, and named for playlists.
 *
 * H.264 and HEVC: lengths become start codes, each picture begins with an access unit delimiter,
 * and the parameter sets stand before every IDR, once (interop L4, M22). AAC: an ADTS header made
 * from the AudioSpecificConfig (M20). Input is hostile: nothing is read beyond it.
 * Threads: pure, any.
 */
#ifndef WORKER_ELEMENTARY_H
#define WORKER_ELEMENTARY_H

#include <sys/types.h>

#include "controlplane/worker/unit.h"

#define ADTS_BYTES  7
#define CODECS_ROOM 64

/* What an avcC or hvcC record says. */
struct annexb {
	enum track_codec codec;
	unsigned length_bytes;	  /* of each unit's length: 1, 2 or 4 */
	uint8_t sets[CONFIG_MAX]; /* parameter sets with start codes */
	size_t sets_n;
};

/* 0, or -1: it is no such record or holds no parameter set. */
int annexb_init(struct annexb *a, const struct track *t);
/* Whether a decoder can start at it: an IDR picture, for HEVC any random access picture (M14). */
bool annexb_is_key(const struct annexb *a, const uint8_t *p, size_t n);
/* Room that annexb_write() needs for n bytes. */
size_t annexb_room(const struct annexb *a, size_t n);
/* Bytes written; 0: the lengths do not fit together, or there is no picture in it. */
size_t annexb_write(const struct annexb *a, uint8_t *dst, const uint8_t *p, size_t n);

/* What an AudioSpecificConfig says. */
struct aac_config {
	unsigned object;    /* of the core: 2 is AAC-LC */
	unsigned extension; /* 5 SBR, 29 PS; 0: none is said */
	unsigned rate_index, rate, channels;
};

/* 0 or -1. */
int aac_config_read(struct aac_config *c, const uint8_t *p, size_t n);
/* The header of a raw frame of n bytes; false: it cannot be said in ADTS. */
bool adts_header(uint8_t dst[ADTS_BYTES], const struct aac_config *c, size_t n);

/* Rate and channels of the first frame of MP3; 0 or -1. */
int mp3_read(const uint8_t *p, size_t n, int *rate, int *channels);
/* Rate and channels of a track as its configuration says, where it does. */
void audio_describe(struct track *t);
/* Samples in a frame of that track at its rate, or 0: not known. */
int audio_samples(const struct track *t, const uint8_t *p, size_t n);

/* As CODECS of a playlist names it (RFC 6381); "" where that cannot be told. */
const char *codecs_name(char dst[CODECS_ROOM], const struct track *t);

#endif
