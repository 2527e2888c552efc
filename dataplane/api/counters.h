/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's numbers in shared memory: what is where, for a writer and for readers.
 *
 * One memfd, made by the data plane, handed to control-socket clients with the answer to "hello".
 * Layout: struct shm_head, then `cores` struct shm_core, then `streams` stream slots of
 * `stream_slot_bytes` each (struct shm_stream, one struct shm_audience per core, and at
 * stream_paths_off one struct shm_paths per core and one of the control thread), then `relays`
 * struct shm_relay, then struct shm_paths of the node, cores + 1 like a stream's, then what is the
 * writer's alone. Offsets stand in the head; a reader uses them and the sizes beside them and never
 * its own sizeof.
 *
 * Every number has one writer and is a relaxed 64-bit atomic: a reader may see two numbers from
 * different moments, never half of one. A slot is in use while `gen` is odd; text in a slot may be
 * read when `gen` is the same odd number before and after.
 */
#ifndef API_COUNTERS_H
#define API_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "api/paths.h"

#define SHM_MAGIC   0x4d524c31u /* "MRL1" */
#define SHM_VERSION 2u

enum counter {
#define COUNTER(sym, name, kind, unit, help) CTR_##sym,
#include "api/counters.def"
#undef COUNTER
	CTR_MAX,
};

struct shm_head {
	uint32_t magic, version;
	uint32_t cores, counters, reasons, streams, relays, pid;
	uint32_t core_bytes, stream_slot_bytes, relay_bytes, audience_bytes;
	uint64_t core_off, stream_off, relay_off, total_bytes;
	uint64_t start_wall_ms; /* when the data plane started */
	shm_u64 beat_us;	/* CLOCK_MONOTONIC of the control thread, at least once a second */
	uint32_t paths_bytes, stream_paths_off;
	uint64_t paths_off;
	/* What bpf/ does: tcpstat 1: loaded; connections without a place in it; steer's choices. */
	shm_u64 tcpstat, tcpstat_lost, steer, steer_chosen, steer_fallback;
	/* Memory of HLS segments (hls.memory bounds it); packets of packaging workers refused. */
	shm_u64 hls_bytes, hls_refused;
	/* trace 1: loaded; what connections made from here took, and sends that found no room. */
	shm_u64 trace;
	struct shm_hist connect, stall;
	shm_u64 lookup; /* 1: loaded */
};

/* One per core; closes[] counts ended connections by enum reason. */
struct shm_core {
	shm_u64 ctr[CTR_MAX];
	shm_u64 closes[192];
	struct shm_hist turn; /* what turns that did something took */
	struct shm_hist join; /* from a viewer's connection or request to its first media */
} __attribute__((aligned(64)));

/* Viewers of one stream on one core; written by that core. */
struct shm_audience {
	shm_u64 viewers_rtmp, viewers_flv, pushes;
	shm_u64 bytes_out, skips, joins;
	shm_u64 viewers_ws;
	shm_u64 viewers_hls;	   /* those with an identity (hls.viewer) */
	struct shm_hist join, lag; /* lag: viewers in turn, each about once in a few seconds */
};

/* Written by the stream's home core, the text by whoever takes the slot. */
struct shm_stream {
	shm_u64 gen;
	char name[512];		 /* domain/app/name */
	shm_u64 internal;	 /* 1: the inside of a relay task, hidden from lists by default */
	shm_u64 publish_wall_ms; /* when the present publisher began; 0: none */
	shm_u64 last_media_us;	 /* CLOCK_MONOTONIC of the last audio or video */
	shm_u64 bytes_in, msgs_video, msgs_audio, msgs_data, keyframes;
	shm_u64 gop_ms, video_codec, audio_codec; /* codecs as enum codec_id of media/codec.h */
	shm_u64 width, height;
	shm_u64 log_bytes; /* arena bytes held */
	struct shm_audience audience[];
} __attribute__((aligned(64)));

enum shm_relay_state {
	SHM_RELAY_CONNECTING = 1, /* resolving, connecting or negotiating */
	SHM_RELAY_RUNNING = 2,	  /* media flows (interop P3) */
	SHM_RELAY_FAILED = 3,	  /* ended; reason says why; stays until removed */
	SHM_RELAY_WAITING = 4,	  /* a push whose local stream is not live */
};

/* One pull or push leg; written by the core that runs it. */
struct shm_relay {
	shm_u64 gen;
	char id[64];
	shm_u64 is_push, state, reason;
	shm_u64 start_wall_ms, first_media_wall_ms, last_media_us;
	shm_u64 bytes, messages, skips;
} __attribute__((aligned(64)));

static inline void shm_add(shm_u64 *c, uint64_t n)
{
	/* One writer: a plain read-modify-write, no bus lock. */
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void shm_sub(shm_u64 *c, uint64_t n)
{
	shm_add(c, (uint64_t)0 - n);
}

static inline void shm_set(shm_u64 *c, uint64_t v)
{
	atomic_store_explicit(c, v, memory_order_relaxed);
}

static inline void shm_hist_add(struct shm_hist *h, uint64_t us, unsigned shift)
{
	shm_add(&h->n[shm_bucket(us, shift)], 1);
	shm_add(&h->sum_us, us);
}

static inline uint64_t shm_get(const shm_u64 *c)
{
	return atomic_load_explicit((shm_u64 *)c, memory_order_relaxed);
}

static inline uint64_t shm_viewers(const struct shm_audience *a)
{
	return shm_get(&a->viewers_rtmp) + shm_get(&a->viewers_flv) + shm_get(&a->viewers_ws) +
	       shm_get(&a->viewers_hls);
}

static inline const char *counter_name(unsigned c)
{
	static const char *const names[] = {
#define COUNTER(sym, name, kind, unit, help) name,
#include "api/counters.def"
#undef COUNTER
	};

	return c < CTR_MAX ? names[c] : "unknown";
}

#endif
