/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traffic of a benchmark: when each message of a live stream comes, how long it is, and what is
 * in it, so that the publisher sends, the limit program imitates and a viewer checks the same thing.
 *
 * A message body is an FLV tag body: H.264 (sequence header, then one NAL unit a frame) or AAC.
 * Behind the codec's own bytes stands a stamp: magic, number, time of sending. The rest comes from
 * one table of pseudo-random bytes, at a place that the number tells; so every byte can be checked.
 *
 * Threads: pure, after traffic_table().
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAFFIC_AUDIO 8
#define TRAFFIC_VIDEO 9
#define TRAFFIC_HEAD  26 /* longest codec bytes and stamp */

struct traffic {
	uint64_t bit_rate; /* of all bodies together */
	unsigned fps, gop_frames;
	/* derived */
	uint64_t video_us, audio_us; /* intervals */
	uint32_t key_bytes, inter_bytes, audio_bytes;
	uint32_t videos, audios; /* messages so far */
};

struct traffic_msg {
	uint64_t at_us; /* since the stream began */
	uint8_t type;
	bool key;
	uint32_t number, bytes;
};

void traffic_init(struct traffic *t, uint64_t bit_rate, unsigned fps, unsigned gop_ms);
/* The next message in time. */
struct traffic_msg traffic_next(struct traffic *t);
/* When that will be. */
uint64_t traffic_next_us(const struct traffic *t);

/* The codec bytes and the stamp; returns their length. head[TRAFFIC_HEAD]. */
size_t traffic_head(uint8_t *head, const struct traffic_msg *m, uint64_t now_us);
/* How long it is for messages of that type. */
unsigned traffic_head_bytes(uint8_t type);
/* Reads it: type is given, at_us and bytes stay; false when it is no stamp. */
bool traffic_head_read(const uint8_t *head, struct traffic_msg *m, uint64_t *sent_us);
/* The `bytes` bytes that follow in message `number`; valid for ever. */
const uint8_t *traffic_fill(uint32_t number, uint32_t bytes);
#define TRAFFIC_BODY_MAX (4u << 20)

/* Sequence headers as message bodies. */
extern const uint8_t traffic_avc[], traffic_aac[];
extern const size_t traffic_avc_bytes, traffic_aac_bytes;

#endif
