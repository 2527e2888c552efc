/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's numbers as this process reads them (api/counters.h), and rates from samples.
 *
 * The layout is checked once when the memory is attached; offsets and sizes come from its head.
 * Everything about a slot is read as one copy that holds only if the slot was in use by the same
 * owner before and after. Threads: the event loop's; no clock inside.
 */
#ifndef CONTROLPLANE_SHM_H
#define CONTROLPLANE_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/counters.h"

struct shm;

/* One stream, summed over cores. */
struct shm_stream_view {
	uint64_t gen;
	char name[512];
	bool internal;
	uint64_t since_ms, last_media_us;
	uint64_t bytes_in, bytes_out, msgs_video, msgs_audio, msgs_data, keyframes, gop_ms;
	uint64_t video_codec, audio_codec, width, height;
	uint64_t viewers_rtmp, viewers_flv, viewers_ws, viewers_hls, pushes, skips, joins,
		log_bytes;
	uint64_t in_bps, out_bps;
	/* per second, to viewers and pushes: segments sent, retransmitted; round-trip times, their sum */
	double sent_ps, again_ps, rtt_n_ps, rtt_us_ps;
};

struct shm_relay_view {
	uint64_t gen;
	char id[64];
	uint64_t state, reason, first_media_ms, last_media_us, bytes, messages, skips;
	uint64_t bps;
};

/* Takes fd. NULL with one line in err if the memory is not laid out as this program knows it. */
struct shm *shm_attach(int fd, char *err, size_t err_n);
void shm_detach(struct shm *s);
/* Notes the present counts; rates are over the time between the last two calls. */
void shm_sample(struct shm *s, uint64_t now_us);

const struct shm_head *shm_head(const struct shm *s);
uint32_t shm_streams(const struct shm *s);
/* false: the slot is free, or changed hands while it was read. */
bool shm_stream_at(const struct shm *s, uint32_t slot, struct shm_stream_view *out);
/* The last counts of one that was there as `gen` and has ended; false: its slot has been
 * taken since. What is read while that happens may be too little, never too much. */
bool shm_stream_ended(const struct shm *s, uint32_t slot, uint64_t gen,
		      struct shm_stream_view *out);
/* Only the name is compared; false: no such stream. */
bool shm_stream_find(const struct shm *s, const char *name, struct shm_stream_view *out,
		     uint32_t *slot);
/* Sums of the writers, as the same types: of a stream's slot, of the node, of one core's loop. */
void shm_stream_paths(const struct shm *s, uint32_t slot, struct shm_paths *out);
void shm_stream_hists(const struct shm *s, uint32_t slot, struct shm_hist *join,
		      struct shm_hist *lag);
void shm_node_paths(const struct shm *s, struct shm_paths *out);
void shm_node_join(const struct shm *s, struct shm_hist *out);
const struct shm_hist *shm_turn(const struct shm *s, uint32_t core);
/* The head as it is now: its counters change. */
const struct shm_head *shm_head_now(const struct shm *s);
/* The relay leg in that slot, if its id is `id`. */
bool shm_relay_at(const struct shm *s, uint32_t slot, const char *id, struct shm_relay_view *out);
/* A counter of one core, and of all. */
uint64_t shm_counter(const struct shm *s, uint32_t core, enum counter c);
uint64_t shm_total(const struct shm *s, enum counter c);
/* How much of its time the core worked between the last two samples: 0 to 1. */
double shm_busy_share(const struct shm *s, uint32_t core);
/* Microseconds of the monotonic clock: the data plane's control thread was alive then. */
uint64_t shm_beat_us(const struct shm *s);
/* Ended connections by reason, all cores. */
uint64_t shm_closes(const struct shm *s, uint32_t reason);
uint64_t shm_in_bps(const struct shm *s);
uint64_t shm_out_bps(const struct shm *s);

#endif
