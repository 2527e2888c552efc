/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the benchmark's frames in what a viewer receives, RTMP chunks or FLV tags, and checks every
 * byte of them. Keeps no payload: each byte is looked at when it comes.
 *
 * Threads: pure.
 */
#ifndef BENCH_DEMUX_H
#define BENCH_DEMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/traffic.h"

#define DEMUX_CHUNK_STREAMS 8

enum demux_kind { DEMUX_RTMP, DEMUX_FLV, DEMUX_TAGS /* FLV without the file's header */ };

struct demux_frame {
	struct traffic_msg msg; /* type, key and number */
	bool damaged;		/* a byte was not what was sent */
	uint64_t sent_us;
};

/* A message that is coming in. */
struct demux_msg {
	uint16_t chunk_stream;
	uint8_t type;
	bool extended, damaged, open;
	uint32_t bytes, at; /* length, received */
	uint8_t head[TRAFFIC_HEAD];
};

struct demux {
	enum demux_kind kind;
	void (*frame)(void *user, const struct demux_frame *f);
	void *user;
	bool media;  /* the first byte of a frame has come */
	bool broken; /* not RTMP or FLV; nothing is read any more */
	uint8_t head[24];
	unsigned head_n, skip;
	uint32_t chunk_bytes, chunk_left;
	unsigned messages;
	struct demux_msg *now; /* whose payload is next; NULL: a header is */
	struct demux_msg msg[DEMUX_CHUNK_STREAMS];
};

/* Feed from behind the handshake, or from behind the HTTP header, on. */
void demux_init(struct demux *d, enum demux_kind kind,
		void (*frame)(void *user, const struct demux_frame *f), void *user);
void demux_feed(struct demux *d, const uint8_t *p, size_t n);

#endif
