/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load generator: thousands of viewers in one thread for as little CPU as can be.
 *
 *   loadgen.c  options, joining at a rate, the window, the report
 *   viewer.c   one viewer: what it says, what it gets
 *
 *   connecting --> greeting (RTMP) or asking (HTTP) --> waiting --first frame--> watching
 *                          any --error or end--> gone
 *
 * Until its first frame every viewer reads what it gets. From then on one in `sample` goes on doing
 * so and checks every byte; the others count bytes and let the kernel throw them away (MSG_TRUNC).
 *
 * Threads: one.
 */
#ifndef BENCH_LOADGEN_H
#define BENCH_LOADGEN_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/demux.h"
#include "bench/sock.h"
#include "bench/stats.h"
#include "bench/tls.h"

enum viewer_state {
	VIEWER_NONE,
	VIEWER_CONNECTING,
	VIEWER_SHAKING, /* by TLS */
	VIEWER_GREETING,
	VIEWER_ASKING,
	VIEWER_WAITING,
	VIEWER_WATCHING,
	VIEWER_STUCK,
	VIEWER_SLOW,
	VIEWER_GONE
};

/* Needed until the first frame, and by sampled viewers. */
struct reader {
	struct demux demux;
	uint8_t hello[1537 + 1536]; /* what the server's handshake is gathered in */
	unsigned have;
	uint32_t line; /* last four bytes of an HTTP header */
	bool seen[2];  /* number[] is set: audio, video */
	uint32_t number[2];
};

struct viewer {
	int fd;
	uint8_t state;
	bool sampled, stuck, slow;
	bool cutting; /* the reading request is being cancelled */
	unsigned index;
	uint64_t asked_us, last_us;
	uint64_t bytes;	     /* in the window */
	uint64_t silence_us; /* longest, in the window */
	struct reader *reader;
	struct tls *tls; /* until it only counts, where the target is by TLS */
};

struct load {
	struct io_uring ring;
	struct target target;
	bool tls; /* the target is https or rtmps; its scheme says http or rtmp */
	unsigned viewers, streams, sample;
	unsigned stuck, slow; /* the first ones read nothing, the next ones too slowly */
	unsigned late;	      /* the last ones join within the window */
	unsigned slow_rate;   /* bit/s */
	struct viewer *viewer;
	uint64_t now_us;
	bool measuring;
	/* so far */
	unsigned joined, gone;
	struct stats first; /* asking to first frame, us */
	/* in the window */
	struct stats latency; /* server's and network's part of a frame's way, us */
	uint64_t bytes, frames, skips, lost, damaged;
	uint64_t slow_skips, slow_lost; /* of the slow ones */
};

extern struct load load;

void viewers_init(void);
void viewer_start(unsigned i);
/* The slow ones read their share of `us` microseconds. */
void viewers_slow_read(uint64_t us);
/* One completion. */
void viewer_complete(uint64_t user_data, int res, uint32_t flags);

#endif
