/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define KEY_WEIGHT   8 /* a key frame is as long as so many others */
#define AUDIO_RATE   44100
#define AUDIO_FRAME  1024
#define FILL_SPREAD  4096
#define STAMP_MAGIC  0x4d524231 /* "MRB1" */
#define VIDEO_PREFIX 10
#define AUDIO_PREFIX 2
#define STAMP_BYTES  16

const uint8_t traffic_avc[] = {0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0, 24,
			       /* 1280x720 */
			       0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x50, 0x05, 0xbb, 0x01, 0x10,
			       0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1,
			       0x83, 0x24, 1, 0, 4, 0x68, 0xcb, 0x83, 0xcb};
const size_t traffic_avc_bytes = sizeof(traffic_avc);
const uint8_t traffic_aac[] = {0xaf, 0, 0x12, 0x10};
const size_t traffic_aac_bytes = sizeof(traffic_aac);

void traffic_init(struct traffic *t, uint64_t bit_rate, unsigned fps, unsigned gop_ms)
{
	uint64_t audio_rate = min_of(bit_rate / 5, (uint64_t)128000), gop_bytes;

	memset(t, 0, sizeof(*t));
	t->bit_rate = bit_rate;
	t->fps = fps;
	t->gop_frames = max_of(1u, (unsigned)((uint64_t)gop_ms * fps / 1000));
	t->video_us = 1000000 / fps;
	t->audio_us = AUDIO_FRAME * 1000000ull / AUDIO_RATE;
	gop_bytes = (bit_rate - audio_rate) * t->gop_frames / fps / 8;
	t->inter_bytes = (uint32_t)(gop_bytes / (t->gop_frames - 1 + KEY_WEIGHT));
	t->inter_bytes = max_of(t->inter_bytes, TRAFFIC_HEAD + 1u);
	t->key_bytes = min_of(t->inter_bytes * KEY_WEIGHT, TRAFFIC_BODY_MAX);
	t->audio_bytes = (uint32_t)(audio_rate * t->audio_us / 8000000);
	t->audio_bytes = max_of(t->audio_bytes, TRAFFIC_HEAD + 1u);
}

static bool video_is_next(const struct traffic *t)
{
	return t->videos * t->video_us <= t->audios * t->audio_us;
}

uint64_t traffic_next_us(const struct traffic *t)
{
	return video_is_next(t) ? t->videos * t->video_us : t->audios * t->audio_us;
}

struct traffic_msg traffic_next(struct traffic *t)
{
	struct traffic_msg m = {.at_us = traffic_next_us(t)};

	if (video_is_next(t)) {
		m.type = TRAFFIC_VIDEO;
		m.number = t->videos++;
		m.key = m.number % t->gop_frames == 0;
		m.bytes = m.key ? t->key_bytes : t->inter_bytes;
	} else {
		m.type = TRAFFIC_AUDIO;
		m.number = t->audios++;
		m.bytes = t->audio_bytes;
	}
	return m;
}

size_t traffic_head(uint8_t *head, const struct traffic_msg *m, uint64_t now_us)
{
	uint8_t *stamp = head + traffic_head_bytes(m->type) - STAMP_BYTES;

	if (m->type == TRAFFIC_VIDEO) {
		head[0] = m->key ? 0x17 : 0x27;
		head[1] = 1;
		put_be24(head + 2, 0);
		put_be32(head + 5, m->bytes - 9);
		head[9] = m->key ? 0x65 : 0x41;
	} else {
		head[0] = 0xaf;
		head[1] = 1;
	}
	put_be32(stamp, STAMP_MAGIC);
	put_be32(stamp + 4, m->number);
	put_be64(stamp + 8, now_us);
	return traffic_head_bytes(m->type);
}

unsigned traffic_head_bytes(uint8_t type)
{
	return (type == TRAFFIC_VIDEO ? VIDEO_PREFIX : AUDIO_PREFIX) + STAMP_BYTES;
}

bool traffic_head_read(const uint8_t *head, struct traffic_msg *m, uint64_t *sent_us)
{
	const uint8_t *stamp = head + traffic_head_bytes(m->type) - STAMP_BYTES;

	m->key = m->type == TRAFFIC_VIDEO && head[0] == 0x17;
	m->number = get_be32(stamp + 4);
	*sent_us = get_be64(stamp + 8);
	return get_be32(stamp) == STAMP_MAGIC;
}

const uint8_t *traffic_fill(uint32_t number, uint32_t bytes)
{
	static uint8_t *table;

	must(bytes <= TRAFFIC_BODY_MAX);
	if (!table) {
		uint64_t x = 88172645463325252ull;

		table = malloc(TRAFFIC_BODY_MAX + FILL_SPREAD);
		must(table);
		for (size_t i = 0; i < TRAFFIC_BODY_MAX + FILL_SPREAD; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			table[i] = (uint8_t)x | 1; /* never a start code */
		}
	}
	return table + number * 97 % FILL_SPREAD;
}
